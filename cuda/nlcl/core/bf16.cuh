// bf16 in memory: a float without its lower half. Threads compute in float.
#pragma once

#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/mma.cuh"
#include "nlcl/core/vector.cuh"

namespace nlcl::cuda {

struct StoredBf16 {
  std::uint16_t bits;
};

template <int Count>
struct alignas(Count * sizeof(std::uint32_t)) Words {
  std::uint32_t at[Count];
};

template <int Width>
__device__ __forceinline__ auto fetch(const StoredBf16* from) {
  if constexpr (Width == 1)
    return *from;
  else
    return *reinterpret_cast<const Words<Width / 2>*>(from);
}
__device__ __forceinline__ Vector<1> numbers(StoredBf16 fetched) {
  return {__uint_as_float(std::uint32_t{fetched.bits} << 16)};
}
template <int Count>
__device__ __forceinline__ Vector<2 * Count> numbers(const Words<Count>& fetched) {
  Vector<2 * Count> value;
  NLCL_UNROLL
  for (int k = 0; k < 2 * Count; ++k)
    value[k] = __uint_as_float(k % 2 ? fetched.at[k / 2] & 0xffff0000u : fetched.at[k / 2] << 16);
  return value;
}
template <int Width>
__device__ __forceinline__ Vector<Width> load(const StoredBf16* from) {
  return numbers(fetch<Width>(from));
}

template <int Width>
__device__ __forceinline__ void store(StoredBf16* to, const Vector<Width>& value) {
  if constexpr (Width == 1) {
    to->bits = static_cast<std::uint16_t>(round_to_bf16(value[0]));
  } else {
    Words<Width / 2> words;
    NLCL_UNROLL
    for (int k = 0; k < Width / 2; ++k) words.at[k] = round_to_bf16(value[2 * k], value[2 * k + 1]);
    *reinterpret_cast<Words<Width / 2>*>(to) = words;
  }
}

}  // namespace nlcl::cuda
