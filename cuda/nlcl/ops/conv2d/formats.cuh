// In which numbers a convolution multiplies, how these lie in the 32-bit words of shared memory, and the sums of a lane.
#pragma once

#include <cstdint>
#include <type_traits>

#include "nlcl/core/bf16.cuh"
#include "nlcl/core/block.cuh"
#include "nlcl/core/device.hpp"
#include "nlcl/core/mma.cuh"
#include "nlcl/core/vector.cuh"

namespace nlcl::cuda {

// The sums of a lane of conv2d_tiles, whose warp has 8 * Groups pixels and 32 output channels: `channels` neighbouring
// channels, of `pixels` neighbouring pixels in every eight. Pixel i and channel j of them:
template <int Groups>
struct ProductSums {
  static constexpr int pixels = 1, channels = 8;
  static constexpr int next_pixel = 4;  // as many lanes on
  float d[Groups][channels];

  __device__ static int first_pixel() { return lane() / 4; }
  __device__ static int first_channel() { return lane() % 4 * channels; }
  __device__ __forceinline__ float& at(int i, int j) { return d[i][j]; }
};
// As the matrix instructions leave them, where the weight is A and pixels are B: rows are channels. Row `group` of
// instruction t and the row 8 below are channels 2 * t and 2 * t + 1 of the lane's four.
template <int Groups>
struct MatrixSums {
  static constexpr int pixels = 2, channels = 4;
  static constexpr int next_pixel = 1;
  float d[Groups][2][4];

  __device__ static int first_pixel() { return lane() % 4 * pixels; }
  __device__ static int first_channel() { return lane() / 4 * channels; }
  __device__ __forceinline__ float& at(int i, int j) { return d[i / 2][j / 2][j % 2 * 2 + i % 2]; }
};

struct Float32 {
  template <int Groups>
  using TileSums = ProductSums<Groups>;
  static constexpr Precision precision = Precision::float32;
  static constexpr int pair = 1;  // numbers in a word
  static constexpr bool on_tensor_cores = false;
  static constexpr int blocks = 3;  // of conv2d_tiles that a multiprocessor's registers are shared among
  __device__ static std::uint32_t word(float value, float) { return __float_as_uint(value); }
};
struct Tf32 {
  template <int Groups>
  using TileSums = MatrixSums<Groups>;
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
  template <int Groups>
  using TileSums = MatrixSums<Groups>;
  static constexpr Precision precision = Precision::bf16;
  static constexpr int pair = 2;
  static constexpr bool on_tensor_cores = true;
  static constexpr int blocks = 4;
  __device__ static std::uint32_t word(float low, float high) { return round_to_bf16(low, high); }
  __device__ static void multiply(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    mma_bf16_16x8x16(d, a, b);
  }
};

// What convolutions in this format may read from memory without a loss.
template <class Format>
using StoredAs = std::conditional_t<std::is_same_v<Format, Bf16>, StoredBf16, float>;

// 16 bytes of shared memory are a slot: in words, both matrix instructions have the same fragments.
using Slots = DynamicShared<uint4>;

// Four or eight neighbouring channels as a slot.
template <class Format>
__device__ __forceinline__ uint4 slot_of_channels(const Vector<4 * Format::pair>& v) {
  constexpr int pair = Format::pair, other = pair - 1;
  return {Format::word(v[0], v[other]), Format::word(v[pair], v[pair + other]),
          Format::word(v[2 * pair], v[2 * pair + other]), Format::word(v[3 * pair], v[3 * pair + other])};
}

// Four channels of one pixel, or of two, as a slot.
template <class Format>
__device__ __forceinline__ uint4 slot_of_pixels(const Vector<4> (&v)[Format::pair]) {
  constexpr int other = Format::pair - 1;
  return {Format::word(v[0][0], v[other][0]), Format::word(v[0][1], v[other][1]),
          Format::word(v[0][2], v[other][2]), Format::word(v[0][3], v[other][3])};
}

// The sums of a lane of conv2d_weight_sums: of `Rows` rows that stand 8 apart (or are four neighbours, see there) and 8
// neighbouring columns. They lie as the matrix instructions leave them, d[i / 2][j % 4][i % 2 * 2 + j / 4]: column j of the
// eight is column 2 * member + j / 4 of product j % 4. Hence column n of product q stands for column 4 * n + q of the
// result, and a lane can store 32 bytes at once.
template <int Rows>
struct Sums {
  static constexpr int count = Rows * 8;
  static constexpr int channels = 8;
  float d[Rows / 2][4][4];

  __device__ __forceinline__ float& number(int i) { return d[i / 16][i / 4 % 4][i % 4]; }
  __device__ __forceinline__ float& at(int i, int j) { return d[i / 2][j % 4][i % 2 * 2 + j / 4]; }
};

// The sums of row i, of which `count` are stored.
template <class Sums>
__device__ __forceinline__ void store_row(float* to, Sums& sums, int i, int count, bool aligned) {
  if (aligned && count >= Sums::channels) {
    NLCL_UNROLL
    for (int j = 0; j < Sums::channels; j += 4)
      store(to + j, Vector<4>{{sums.at(i, j), sums.at(i, j + 1), sums.at(i, j + 2), sums.at(i, j + 3)}});
    return;
  }
  NLCL_UNROLL
  for (int j = 0; j < Sums::channels; ++j)
    if (j < count) to[j] = sums.at(i, j);
}

// Row i += `count` numbers.
template <class Sums>
__device__ __forceinline__ void add_row(Sums& sums, int i, const float* from, int count, bool aligned) {
  if (aligned && count >= Sums::channels) {
    NLCL_UNROLL
    for (int j = 0; j < Sums::channels; j += 4) {
      const Vector<4> v = load<4>(from + j);
      NLCL_UNROLL
      for (int k = 0; k < 4; ++k) sums.at(i, j + k) += v[k];
    }
    return;
  }
  NLCL_UNROLL
  for (int j = 0; j < Sums::channels; ++j)
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
