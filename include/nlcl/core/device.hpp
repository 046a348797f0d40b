// Where a tensor lives. The CPU is always there; CUDA devices exist in builds with CUDA only.
#pragma once

#include <ostream>
#include <string_view>

#include "nlcl/core/error.hpp"

namespace nlcl {

struct Device {
  enum class Kind { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(int index = 0) { return {Kind::cuda, index}; }

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
    if (device.kind == Kind::cpu) return out << "cpu";
    return out << "cuda:" << device.index;
  }
};

// Throws DeviceError unless memory can be had on `device`.
inline void require_available(const Device& device) {
  require<DeviceError>(device.kind == Device::Kind::cpu, "device: ", device,
                       " is not available, this build has no CUDA");
}

}  // namespace nlcl
