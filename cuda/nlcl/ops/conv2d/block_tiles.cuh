// conv2d_block: the convolution that residual blocks are made of, 3x3 from 32 channels to as many, of an image that stays as
// large as it is. The same tiles and the same products as conv2d_tiles, which takes any convolution; but all sizes are
// known to the compiler, the whole weight lies in shared memory, and the source may compute what it reads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/packed_weight.cuh"
#include "nlcl/ops/conv2d/result.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/conv2d/source.cuh"
#include "nlcl/ops/conv2d/tiles.cuh"

namespace nlcl::cuda {

template <class Format>
struct BlockTile : NarrowTile {
  static constexpr int taps = 3;  // of a row, and rows of them
  static constexpr int seen_columns = columns + taps - 1, seen = (rows + taps - 1) * seen_columns;  // pixels
  static constexpr int width = 4 * Format::pair;  // channels of a slot
  static constexpr int planes = tile_channels / (4 * width);
  static constexpr int x_slots = 4 * seen, weight_slots = planes * taps * taps * panel_slots;
  static constexpr int shared_slots = x_slots + weight_slots;
};

struct BlockPlan {
  int tiles_down, tiles_across;  // of an image
  int tiles, tiles_per_block;
  bool backward = false;  // the last tile first: of what has just been written the end is in the L2 cache
};

inline BlockPlan block_plan(const Conv2dShape& s) {
  BlockPlan p{};
  p.tiles_down = ceil_divide(s.out_height, NarrowTile::rows);
  p.tiles_across = ceil_divide(s.out_width, NarrowTile::columns);
  p.tiles = s.batch * p.tiles_down * p.tiles_across;
  p.tiles_per_block = std::clamp(p.tiles / 512, 1, 8);  // four blocks to a multiprocessor of a large device
  return p;
}

// A plane of the pixels that the tile at (top, left) sees. Four threads read a pixel, each the same channels of every one of
// its pixels, some of which are on their way at once: memory answers late.
template <class Format, class Source>
__device__ __forceinline__ void read_block_plane(const Conv2dShape& s, const Source& x, int n, int top,
                                                 int left, int plane, const Slots& to) {
  using Tile = BlockTile<Format>;
  constexpr int width = Tile::width, step = Tile::threads / 4, reads = (Tile::seen + step - 1) / step;
  using Fetched = decltype(x.template fetch<width>(0));
  constexpr int registers = Tile::planes == 1 ? 48 : 24;  // for them: the sums of an earlier plane need many
  constexpr int at_once = std::clamp(registers * 4 / static_cast<int>(sizeof(Fetched)), 1, reads);

  // 11 places are no numbers to keep while products are summed.
  const int reader = anew(static_cast<int>(thread().x)) / 4;
  const int slot = thread().x % 4, c = (plane * 4 + slot) * width;
  const Index image = Index{n} * s.height * s.width * tile_channels + c;
  const auto channels = x.template channels<width>(n, c);
  NLCL_UNROLL
  for (int first = 0; first < reads; first += at_once) {
    Fetched fetched[at_once];
    int at[at_once];  // in the image, or -1
    NLCL_UNROLL
    for (int i = 0; i < at_once; ++i) {
      const int pixel = reader + (first + i) * step;
      const int row = top - 1 + pixel / Tile::seen_columns, column = left - 1 + pixel % Tile::seen_columns;
      const bool inside = first + i < reads && pixel < Tile::seen && row >= 0 && row < s.height &&
                          column >= 0 && column < s.width;
      at[i] = inside ? (row * s.width + column) * tile_channels : -1;
      fetched[i] = x.template fetch<width>(image + (inside ? at[i] : 0));  // what is not needed is there, too
    }
    NLCL_UNROLL
    for (int i = 0; i < at_once; ++i) {
      const int pixel = reader + (first + i) * step;
      if (first + i >= reads || pixel >= Tile::seen) continue;
      const int row = pixel / Tile::seen_columns, column = pixel % Tile::seen_columns;
      const bool own = row >= 1 && row <= Tile::rows && column >= 1 && column <= Tile::columns;
      if (own && at[i] >= 0) x.keep(image + at[i], fetched[i], channels);
      const uint4 value = slot_of_channels<Format>(x.value(fetched[i], channels));
      to[pixel * 4 + slot] = at[i] >= 0 ? value : uint4{0, 0, 0, 0};
    }
  }
}

template <class Format, class Source, class Result>
__global__ void __launch_bounds__(NarrowTile::threads, Format::blocks)
    conv2d_block(Conv2dShape s, BlockPlan p, Source x, const uint4* __restrict__ weight,
                 const float* __restrict__ bias, Result y) {
  using Tile = BlockTile<Format>;
  using Sums = typename Format::template TileSums<Tile::groups>;
  const int first_row = warp() * Tile::rows_of_warp, o = Sums::first_channel();
  const Slots x_tile = dynamic_shared<uint4>(Tile::x_slots);
  const Slots panels = dynamic_shared<uint4>(Tile::weight_slots, Tile::x_slots * 16);
  const int first = block().x * p.tiles_per_block, rest = p.tiles - first;
  const int last = first + (rest < p.tiles_per_block ? rest : p.tiles_per_block) - 1;

  for (int i = thread().x; i < Tile::weight_slots; i += Tile::threads) copy_16_bytes(panels[i], weight + i);
  copy_commit();
  float start[Sums::channels]{};
  if (bias) {
    NLCL_UNROLL
    for (int j = 0; j < Sums::channels; ++j) start[j] = bias[o + j];
  }

  int added = 0;  // tiles since their sums were joined
  for (int i = first; i <= last; ++i) {
    const int tile = p.backward ? p.tiles - 1 - i : i;
    const int n = tile / (p.tiles_down * p.tiles_across), within = tile % (p.tiles_down * p.tiles_across);
    const int top = within / p.tiles_across * Tile::rows, left = within % p.tiles_across * Tile::columns;
    Sums sums;
    NLCL_UNROLL
    for (int plane = 0; plane < Tile::planes; ++plane) {
      if (plane > 0 || i > first) block_sync();  // the last plane is not needed any more
      read_block_plane<Format>(s, x, n, top, left, plane, x_tile);
      if (plane == 0) {
        NLCL_UNROLL
        for (int k = 0; k < Tile::groups * Sums::pixels; ++k) {
          NLCL_UNROLL
          for (int j = 0; j < Sums::channels; ++j) sums.at(k, j) = start[j];
        }
        copy_wait<0>();
      }
      block_sync();
      // The loads of a further tap would take registers from the sums.
      NLCL_NO_UNROLL
      for (int tap = 0; tap < Tile::taps * Tile::taps; ++tap) {
        const int row = first_row + tap / Tile::taps, column = lane() / 4 + tap % Tile::taps;
        const auto place = [&, start = (row * Tile::seen_columns + column) * 4](int group) {
          return start + (8 * group / Tile::columns * Tile::seen_columns + 8 * group % Tile::columns) * 4;
        };
        add_tap<Format, Tile::groups>(sums, x_tile, place, panels,
                                      (plane * Tile::taps * Tile::taps + tap) * panel_slots);
      }
    }

    const auto store = [&]<bool Whole>() {
      y.store(s,
              TilePlace<NarrowTile, Sums, Whole>{n, within, top + first_row, left + Sums::first_pixel(), o},
              sums);
    };
    if (top + Tile::rows <= s.height && left + Tile::columns <= s.width)
      store.template operator()<true>();
    else
      store.template operator()<false>();
    ++added;
    if (i == last || y.joins_between(tile, p.backward ? tile - 1 : tile + 1)) {
      y.join(n, within, added);
      added = 0;
    }
  }
}

}  // namespace nlcl::cuda
