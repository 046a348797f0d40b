// The number formats that checkpoints hold, and their conversion to what the engine computes with.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <ostream>
#include <string_view>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl {

enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

struct DTypeInfo {
  DType dtype;
  std::string_view name;  // as safetensors writes it
  std::size_t size;       // bytes per number
};

inline constexpr std::array<DTypeInfo, 13> dtypes{{{DType::f64, "F64", 8},
                                                   {DType::f32, "F32", 4},
                                                   {DType::f16, "F16", 2},
                                                   {DType::bf16, "BF16", 2},
                                                   {DType::i64, "I64", 8},
                                                   {DType::i32, "I32", 4},
                                                   {DType::i16, "I16", 2},
                                                   {DType::i8, "I8", 1},
                                                   {DType::u64, "U64", 8},
                                                   {DType::u32, "U32", 4},
                                                   {DType::u16, "U16", 2},
                                                   {DType::u8, "U8", 1},
                                                   {DType::boolean, "BOOL", 1}}};

constexpr const DTypeInfo& info_of(DType dtype) { return dtypes[static_cast<std::size_t>(dtype)]; }
constexpr std::size_t size_of(DType dtype) { return info_of(dtype).size; }
inline std::ostream& operator<<(std::ostream& out, DType dtype) { return out << info_of(dtype).name; }

constexpr std::optional<DType> dtype_named(std::string_view name) {
  for (const DTypeInfo& info : dtypes)
    if (info.name == name) return info.dtype;
  return std::nullopt;
}

// BF16 is the upper half of a float.
inline float float_of_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

// F16: sign, 5 bits of exponent (bias 15), 10 of fraction. Exact, subnormal numbers and NaN payloads
// included.
inline float float_of_half(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
  const std::uint32_t exponent = (bits >> 10) & 31u;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent > 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

// Writes bytes.size() / size_of(dtype) numbers to `out`, each rounded to the nearest T. A boolean is 0 or 1.
template <class T>
void convert(DType dtype, ByteSpan bytes, T* out) {
  const auto each = [&]<class Stored>(Stored, auto value) {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(Stored)) {
      Stored stored;
      std::memcpy(&stored, bytes.data() + at, sizeof(Stored));
      *out++ = static_cast<T>(value(stored));
    }
  };
  const auto same = [](auto stored) { return stored; };
  switch (dtype) {
    case DType::f64:
      return each(double{}, same);
    case DType::f32:
      return each(float{}, same);
    case DType::f16:
      return each(std::uint16_t{}, float_of_half);
    case DType::bf16:
      return each(std::uint16_t{}, float_of_bfloat16);
    case DType::i64:
      return each(std::int64_t{}, same);
    case DType::i32:
      return each(std::int32_t{}, same);
    case DType::i16:
      return each(std::int16_t{}, same);
    case DType::i8:
      return each(std::int8_t{}, same);
    case DType::u64:
      return each(std::uint64_t{}, same);
    case DType::u32:
      return each(std::uint32_t{}, same);
    case DType::u16:
      return each(std::uint16_t{}, same);
    case DType::u8:
      return each(std::uint8_t{}, same);
    case DType::boolean:
      return each(std::uint8_t{}, [](std::uint8_t stored) { return stored != 0; });
  }
}

}  // namespace nlcl
