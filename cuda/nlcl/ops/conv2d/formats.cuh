// In which numbers a convolution multiplies, how these lie in the 32-bit words of shared memory, and the sums of a lane.
#pragma once

#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/device.hpp"
#include "nlcl/core/mma.cuh"
#include "nlcl/core/vector.cuh"

namespace nlcl::cuda {

struct Float32 {
  static constexpr Precision precision = Precision::float32;
  static constexpr int pair = 1;  // numbers in a word
  static constexpr bool on_tensor_cores = false;
  static constexpr int blocks = 3;  // of conv2d_tiles that a multiprocessor's registers are shared among
  __device__ static std::uint32_t word(float value, float) { return __float_as_uint(value); }
};
struct Tf32 {
  static constexpr Precision precision = Precision::tf32;
  static constexpr int pair = 1;
  static constexpr bool on_tensor_cores = true;
  static constexpr int blocks = 4;
  __device__ static std::uint32_t word(float value, float) { return round_to_tf32(value); }
  __device__ static void multiply(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    mma_tf32_16x8x8(d, a, b);
  }
};
struct Bf16 {
  static constexpr Precision precision = Precision::bf16;
  static constexpr int pair = 2;
  static constexpr bool on_tensor_cores = true;
  static constexpr int blocks = 4;
  __device__ static std::uint32_t word(float low, float high) { return round_to_bf16(low, high); }
  __device__ static void multiply(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    mma_bf16_16x8x16(d, a, b);
  }
};

// 16 bytes of shared memory are a slot: in words, both matrix instructions have the same fragments.
using Slots = DynamicShared<uint4>;

// Four or eight neighbouring channels as a slot.
template <class Format>
__device__ __forceinline__ uint4 slot_of_channels(const Vector<4> (&v)[Format::pair]) {
  if constexpr (Format::pair == 1)
    return {Format::word(v[0][0], 0), Format::word(v[0][1], 0), Format::word(v[0][2], 0),
            Format::word(v[0][3], 0)};
  else
    return {Format::word(v[0][0], v[0][1]), Format::word(v[0][2], v[0][3]), Format::word(v[1][0], v[1][1]),
            Format::word(v[1][2], v[1][3])};
}

// Four channels of one pixel, or of two, as a slot.
template <class Format>
__device__ __forceinline__ uint4 slot_of_pixels(const Vector<4> (&v)[Format::pair]) {
  constexpr int other = Format::pair - 1;
  return {Format::word(v[0][0], v[other][0]), Format::word(v[0][1], v[other][1]),
          Format::word(v[0][2], v[other][2]), Format::word(v[0][3], v[other][3])};
}

// The sums of a lane: of `Rows` rows that stand 8 apart (or are four neighbours, see there) and 8 neighbouring
// columns. They lie as the matrix instructions leave them, d[i / 2][j % 4][i % 2 * 2 + j / 4]: column j of the eight
// is column 2 * member + j / 4 of product j % 4. Hence column n of product q stands for column 4 * n + q of the
// result, and a lane can store 32 bytes at once.
template <int Rows>
struct Sums {
  float d[Rows / 2][4][4];

  __device__ __forceinline__ float& at(int i, int j) { return d[i / 2][j % 4][i % 2 * 2 + j / 4]; }
};

// The eight sums of row i, of which `count` are stored.
template <int Rows>
__device__ __forceinline__ void store_row(float* to, Sums<Rows>& sums, int i, int count, bool aligned) {
  const auto value = [&](int j) { return sums.at(i, j); };
  if (aligned && count >= 8) {
    store(to, Vector<4>{{value(0), value(1), value(2), value(3)}});
    store(to + 4, Vector<4>{{value(4), value(5), value(6), value(7)}});
    return;
  }
  NLCL_UNROLL
  for (int j = 0; j < 8; ++j)
    if (j < count) to[j] = value(j);
}

// Row i += `count` numbers.
template <int Rows>
__device__ __forceinline__ void add_row(Sums<Rows>& sums, int i, const float* from, int count, bool aligned) {
  if (aligned && count >= 8) {
    const Vector<4> v[2] = {load<4>(from), load<4>(from + 4)};
    NLCL_UNROLL
    for (int j = 0; j < 8; ++j) sums.at(i, j) += v[j / 4][j % 4];
    return;
  }
  NLCL_UNROLL
  for (int j = 0; j < 8; ++j)
    if (j < count) sums.at(i, j) += from[j];
}

// body.operator()<Format>() for the format of a precision.
template <class Body>
void with_format(Precision precision, const Body& body) {
  switch (precision) {
    case Precision::float32:
      return body.template operator()<Float32>();
    case Precision::tf32:
      return body.template operator()<Tf32>();
    case Precision::bf16:
      return body.template operator()<Bf16>();
  }
}

}  // namespace nlcl::cuda
