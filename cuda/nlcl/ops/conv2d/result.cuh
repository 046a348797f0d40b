// What becomes of the sums of a convolution.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/shape.cuh"

namespace nlcl::cuda {

// What a lane has of a tile when its sums are complete: of pixel i of `pixels` the output channels from o on. Of a tile that
// is known to be whole nothing has to be asked.
template <class Tile, class Sums, bool Whole = false>
struct TilePlace {
  static constexpr int pixels = Tile::groups * Sums::pixels;

  int n, tile;  // the image, and which of its tiles
  int top,
      left;  // the lane's first pixel; the others follow in groups that stand 8 apart, row by row of the tile
  int o;

  __device__ __forceinline__ int row(int i) const { return top + 8 * (i / Sums::pixels) / Tile::columns; }
  __device__ __forceinline__ int column(int i) const {
    return left + 8 * (i / Sums::pixels) % Tile::columns + i % Sums::pixels;
  }
  __device__ __forceinline__ bool exists(const Conv2dShape& s, int i) const {
    return Whole || (row(i) < s.out_height && column(i) < s.out_width);
  }
  // Where channel o of it lies in y.
  __device__ __forceinline__ Index offset(const Conv2dShape& s, int i) const {
    return Index{n} * s.out_height * s.out_width * s.out + ((row(i) * s.out_width + column(i)) * s.out + o);
  }
};

// A result says what becomes of a tile, and by join() what then becomes of those that a block has made one after the other:
// at its end, and where joins_between() two tiles, counted through all images. Here they are stored to a tensor, added to another of its shape if there is one.
struct TensorResult {
  float* y;
  const float* plus = nullptr;

  __device__ __forceinline__ void store(Index at, float sum) const { y[at] = plus ? sum + plus[at] : sum; }

  template <class Place, class Sums>
  __device__ __forceinline__ void store(const Conv2dShape& s, const Place& place, Sums& sums) const {
    if (place.o >= s.out) return;
    NLCL_UNROLL
    for (int i = 0; i < Place::pixels; ++i) {
      if (!place.exists(s, i)) continue;
      const Index at = place.offset(s, i);
      if (plus) add_row(sums, i, plus + at, s.out - place.o, s.out % 4 == 0);
      store_row(y + at, sums, i, s.out - place.o, s.out % 4 == 0);
    }
  }
  __device__ __forceinline__ static bool joins_between(int, int) { return false; }
  __device__ __forceinline__ static void join(int, int, int) {}
};

}  // namespace nlcl::cuda
