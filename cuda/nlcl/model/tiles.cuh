// Tiles on a CUDA device (model/tiles.hpp): a thread for each number, of the tiles that are cut or of the image that is
// blended. Which tiles cover a pixel is computed, not looked up, and their sum has the CPU's order and its bits.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/model/tiles.hpp"

namespace nlcl::cuda {

namespace detail {
inline constexpr int tile_threads = 256;
}

// to[count,h,w,C], tiles `first` and on.
__global__ void cut_tiles_kernel(Tiling tiling, int channels, Index first, Index count, const float* x,
                                 float* to) {
  const TileAxis &rows = tiling.rows(), &columns = tiling.columns();
  const Index i = grid_thread(), row = columns.side() * channels;  // of numbers
  if (i >= count * rows.side() * row) return;
  const Index tile = first + i / row / rows.side(), n = tile / tiling.size();
  const Index top = rows.begin(tile % tiling.size() / columns.count()),
              left = columns.begin(tile % columns.count());
  const Index y = top + i / row % rows.side();
  to[i] = x[((n * rows.size() + y) * columns.size() + left) * channels + i % row];
}

// to[N,H,W,C]
__global__ void blend_tiles_kernel(Tiling tiling, int channels, Index images, const float* tiles, float* to) {
  const TileAxis &rows = tiling.rows(), &columns = tiling.columns();
  const Index at = grid_thread(), c = at % channels, x = at / channels % columns.size();
  const Index y = at / channels / columns.size() % rows.size(),
              n = at / channels / columns.size() / rows.size();
  if (n >= images) return;
  float sum = 0, total = 0;
  for (Index i = rows.first_over(y); rows.covers(i, y); ++i)
    for (Index j = columns.first_over(x); columns.covers(j, x); ++j) {
      const Index in_y = y - rows.begin(i), in_x = x - columns.begin(j);
      const Index tile = n * tiling.size() + i * columns.count() + j;
      const float weight = rows.weight(in_y) * columns.weight(in_x);
      sum = Tiling::add(sum, weight,
                        tiles[((tile * rows.side() + in_y) * columns.side() + in_x) * channels + c]);
      total += weight;
    }
  to[at] = sum / total;
}

Tensor<float> cut_tiles(const Tiling& tiling, const Tensor<float>& x, Index first, Index count) {
  Tensor<float> tiles(tiling.shape(count, x.shape()[3]), x.device());
  launch<cut_tiles_kernel>({.device = x.device(),
                            .grid = blocks_for(tiles.size(), detail::tile_threads),
                            .block = detail::tile_threads},
                           tiling, to_int(x.shape()[3]), first, count, x.data(), tiles.mutable_data());
  return tiles;
}

Tensor<float> blend_tiles(const Tiling& tiling, const Tensor<float>& tiles) {
  const Index images = tiles.shape()[0] / tiling.size(), channels = tiles.shape()[3];
  Tensor<float> image({images, tiling.rows().size(), tiling.columns().size(), channels}, tiles.device());
  launch<blend_tiles_kernel>({.device = tiles.device(),
                              .grid = blocks_for(image.size(), detail::tile_threads),
                              .block = detail::tile_threads},
                             tiling, to_int(channels), images, tiles.data(), image.mutable_data());
  return image;
}

}  // namespace nlcl::cuda
