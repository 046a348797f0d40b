// Where a tensor lives: on the CPU, or on a CUDA device in programs that link nlcl::cuda.
#pragma once

#include <atomic>
#include <ostream>
#include <string_view>
#include <type_traits>

#include "nlcl/core/error.hpp"

// A function for both: mathematics that the CPU and the kernels share.
#if defined(__CUDACC__)
#define NLCL_BOTH __host__ __device__
#else
#define NLCL_BOTH
#endif

namespace nlcl {

// Whether the CUDA backend is there: linking nlcl::cuda defines NLCL_CUDA.
#if defined(NLCL_CUDA)
inline constexpr bool has_cuda = true;
#else
inline constexpr bool has_cuda = false;
#endif

// Whether an op on tensors of T may find them on a CUDA device, which computes in float only:
//     if constexpr (on_cuda<T>) if (x.device().is_cuda()) return cuda::conv2d(...);
template <class T>
inline constexpr bool on_cuda = has_cuda&& std::is_same_v<T, float>;

struct Device {
  enum class Kind { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(int index = 0) { return {Kind::cuda, index}; }

  constexpr bool is_cuda() const { return kind == Kind::cuda; }

  // "cpu" or "cuda:N"; throws DeviceError for anything else.
  static Device parse(std::string_view name) {
    if (name == "cpu") return cpu();
    constexpr std::string_view prefix = "cuda:";
    const std::string_view number = name.starts_with(prefix) ? name.substr(prefix.size()) : "";
    require<DeviceError>(!number.empty() && number.size() <= 3 &&
                             number.find_first_not_of("0123456789") == std::string_view::npos,
                         "device: '", name, "', expected cpu or cuda:N");
    int index = 0;
    for (char digit : number) index = index * 10 + (digit - '0');
    return cuda(index);
  }

  friend bool operator==(const Device&, const Device&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Device& device) {
    if (!device.is_cuda()) return out << "cpu";
    return out << "cuda:" << device.index;
  }
};

// In which numbers the convolutions of a CUDA device multiply. They always add in float32.
enum class Precision { float32, tf32, bf16 };

inline std::ostream& operator<<(std::ostream& out, Precision precision) {
  constexpr const char* names[] = {"float32", "tf32", "bf16"};
  return out << names[static_cast<int>(precision)];
}

// By its name; throws DeviceError for any other.
inline Precision parse_precision(std::string_view name) {
  for (Precision precision : {Precision::float32, Precision::tf32, Precision::bf16})
    if (name == text(precision)) return precision;
  throw DeviceError(text("precision: '", name, "', expected float32, tf32 or bf16"));
}

namespace detail {
inline std::atomic<Precision> current_precision = Precision::float32;
}
inline Precision precision() { return detail::current_precision; }
inline void set_precision(Precision precision) { detail::current_precision = precision; }

}  // namespace nlcl
