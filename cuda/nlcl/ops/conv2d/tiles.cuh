// conv2d_tiles: y by tiles of pixels and 32 or 64 output channels.
#pragma once

#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/packed_weight.cuh"
#include "nlcl/ops/conv2d/result.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/conv2d/source.cuh"

#if defined(NLCL_CUDA_EMULATION)
#define NLCL_NO_UNROLL
#else
#define NLCL_NO_UNROLL _Pragma("unroll 1")
#endif

namespace nlcl::cuda {

// The pixels of a block of four warps, and how many panels of 32 output channels it makes of them.
template <int Rows, int Columns, int Across>
struct PixelTile {
  static constexpr int rows = Rows, columns = Columns, pixels = Rows * Columns, across = Across;
  static constexpr int most_taps_wide = 4;                    // of a kernel; a wider one makes windows
  static constexpr int pitch = columns + most_taps_wide - 1;  // pixels of a row in shared memory
  static constexpr int warps = 4, threads = warps * warp_size;
  static constexpr int groups = pixels / (warps / across) / 8;  // of 8 pixels, for each warp
  static constexpr int rows_of_warp = groups * 8 / columns;
};
using NarrowTile = PixelTile<16, 16, 1>;
using WideTile = PixelTile<8, 16, 2>;
using SmallTile = PixelTile<8, 8, 2>;  // where pixels are few

struct TilePlan {
  Packing packing;
  int taps_high, taps_wide;      // of the kernel, or 1 and 1 for windows
  int rows, columns, pitch;      // of x in shared memory
  int steps_in_shared;           // rows of taps whose weights are there at once: two in turn, or all
  int tiles_down, tiles_across;  // of an image
  int tiles, tiles_per_block;

  __host__ __device__ int x_slots() const { return rows * pitch * 4; }
  __host__ __device__ int step_slots() const { return taps_wide * packing.across * panel_slots; }
  __host__ __device__ int steps() const { return packing.planes * taps_high; }
  int shared_slots() const { return x_slots() + steps_in_shared * step_slots(); }
};

// A plane of the pixels that the tile at (top, left) sees. Four lanes read a pixel.
template <class Format, class Tile, class Source>
__device__ __forceinline__ void read_plane(const Conv2dShape& s, const TilePlan& p,
                                           const PixelReader<Source>& x, int top, int left, int plane,
                                           const Slots& to) {
  constexpr int width = 4 * Format::pair;  // channels of a slot
  const int slot = lane() % 4, c = (plane * 4 + slot) * width;
  if (p.packing.windows) {
    const WindowNumbers<width> numbers(s, c);
    for (int pixel = thread().x / 4; pixel < p.rows * p.columns; pixel += Tile::threads / 4) {
      const int row = top + pixel / Tile::columns * s.stride;
      const int column = left + pixel % Tile::columns * s.stride;
      to[(pixel / Tile::columns * Tile::pitch + pixel % Tile::columns) * 4 + slot] =
          slot_of_channels<Format>(numbers.of(x, row, column));
    }
    return;
  }
  constexpr int at_once = 4 / Format::pair,
                step = Tile::threads / 4;  // several reads are on their way at a time
  for (int first = thread().x / 4; first < p.rows * p.columns; first += at_once * step) {
    Vector<width> value[at_once];
    NLCL_UNROLL
    for (int i = 0; i < at_once; ++i) {
      const int pixel = first + i * step;
      value[i] = x.template pixel<width>(top + pixel / p.columns, left + pixel % p.columns, c);
    }
    NLCL_UNROLL
    for (int i = 0; i < at_once; ++i)
      if (const int pixel = first + i * step; pixel < p.rows * p.columns)
        to[(pixel / p.columns * Tile::pitch + pixel % p.columns) * 4 + slot] =
            slot_of_channels<Format>(value[i]);
  }
}

// sums += the product of one tap: pixels whose plane begins at slot place(i), and a panel. On the tensor cores, slot
// `member` of a pixel has what the lane needs for two instructions, and eight lanes read 128 bytes without a conflict. A
// slot is B as it is read, and one of the panel is A: registers that follow each other, which nothing has to move.
template <class Format, int Groups, class PlaceOf>
__device__ __forceinline__ void add_tap(typename Format::template TileSums<Groups>& sums, const Slots& x,
                                        const PlaceOf& place, const Slots& weight, int panel) {
  const int member = lane() % 4;
  if constexpr (Format::on_tensor_cores) {
    uint4 b[Groups];
    NLCL_UNROLL
    for (int i = 0; i < Groups; ++i) b[i] = x[place(i) + member];
    NLCL_UNROLL
    for (int half = 0; half < 2; ++half) {  // of the plane's channels
      NLCL_UNROLL
      for (int t = 0; t < 2; ++t) {  // 16 output channels, and 16 more
        const uint4 a = weight[panel + (2 * half + t) * 32 + lane()];
        NLCL_UNROLL
        for (int i = 0; i < Groups; ++i)
          Format::multiply(sums.d[i][t], {a.x, a.y, a.z, a.w},
                           {half ? b[i].z : b[i].x, half ? b[i].w : b[i].y});
      }
    }
  } else {
    NLCL_UNROLL
    for (int slot = 0; slot < 4; ++slot) {
      Vector<4> a[Groups];
      NLCL_UNROLL
      for (int i = 0; i < Groups; ++i) a[i] = x.as<Vector<4>>(place(i) + slot);
      NLCL_UNROLL
      for (int k = 0; k < 4; ++k) {
        const int row = panel + (slot * 4 + k) * 8 + 2 * member;
        const Vector<4> b[2] = {weight.as<Vector<4>>(row), weight.as<Vector<4>>(row + 1)};
        NLCL_UNROLL
        for (int i = 0; i < Groups; ++i) {
          NLCL_UNROLL
          for (int j = 0; j < sums.channels; ++j) sums.at(i, j) += a[i][k] * b[j / 4][j % 4];
        }
      }
    }
  }
}

// Warps stand beside each other in output channels, then below in pixels: a warp has 8 * groups pixels and 32
// channels. It goes plane by plane and, within, one row of taps after the other. While it multiplies, the weights of
// the next row of taps are on their way; or they are all there from the start, for all tiles of the block.
template <class Format, class Tile, class Source, class Result>
__global__ void __launch_bounds__(Tile::threads, Format::blocks)
    conv2d_tiles(Conv2dShape s, TilePlan p, Source x, const uint4* __restrict__ weight,
                 const float* __restrict__ bias, Result y) {
  using Sums = typename Format::template TileSums<Tile::groups>;
  using OwnPlace = TilePlace<Tile, Sums>;
  const int group = lane() / 4, side = warp() % Tile::across;
  const int first_row = warp() / Tile::across * Tile::rows_of_warp;
  const Slots x_tile = dynamic_shared<uint4>(p.x_slots());
  const Slots panels = dynamic_shared<uint4>(p.steps_in_shared * p.step_slots(), p.x_slots() * 16);
  const int steps = p.steps(), step_slots = p.step_slots();
  const int first_tile = block().x * p.tiles_per_block;
  const int rest = p.tiles - first_tile;
  const int last_tile = first_tile + (rest < p.tiles_per_block ? rest : p.tiles_per_block);
  const int steps_to_fetch = p.steps_in_shared == steps ? steps : steps * (last_tile - first_tile);
  weight += block().y * steps * step_slots;

  const auto fetch = [&](int step) {
    const uint4* const from = weight + step % steps * step_slots;
    const int to = step % p.steps_in_shared * step_slots;
    for (int i = thread().x; i < step_slots; i += Tile::threads) copy_16_bytes(panels[to + i], from + i);
    copy_commit();
  };
  for (int step = 0; step < p.steps_in_shared && step < steps_to_fetch; ++step) fetch(step);

  const int o = (block().y * Tile::across + side) * 32 + Sums::first_channel();  // the lane's
  int step = 0;                                                                  // of all tiles
  for (int tile = first_tile; tile < last_tile; ++tile) {
    const int n = tile / (p.tiles_down * p.tiles_across), within = tile % (p.tiles_down * p.tiles_across);
    const int top = within / p.tiles_across * Tile::rows, left = within % p.tiles_across * Tile::columns;
    const PixelReader<Source> reader(x, s, n);
    Sums sums;
    NLCL_UNROLL
    for (int j = 0; j < Sums::channels; ++j) {
      const float start = bias && o + j < s.out ? bias[o + j] : 0.0f;
      NLCL_UNROLL
      for (int i = 0; i < OwnPlace::pixels; ++i) sums.at(i, j) = start;
    }

    for (int plane = 0; plane < p.packing.planes; ++plane) {
      if (step > 0) block_sync();  // the last plane is not needed any more
      read_plane<Format, Tile>(s, p, reader, top * s.stride - s.top, left * s.stride - s.left, plane, x_tile);
      for (int u = 0; u < p.taps_high; ++u, ++step) {
        copy_wait<0>();
        block_sync();  // x and the weights of this step are there, those of the step before not needed any more
        if (step > 0 && step - 1 + p.steps_in_shared < steps_to_fetch) fetch(step - 1 + p.steps_in_shared);
        // The loads of further taps would take registers from the sums.
        NLCL_NO_UNROLL
        for (int v = 0; v < p.taps_wide; ++v) {
          const int first = ((first_row + u) * Tile::pitch + group + v) * 4;
          const auto place = [&](int i) {
            return first + (8 * i / Tile::columns * Tile::pitch + 8 * i % Tile::columns) * 4;
          };
          add_tap<Format, Tile::groups>(
              sums, x_tile, place, panels,
              step % p.steps_in_shared * step_slots + (v * Tile::across + side) * panel_slots);
        }
      }
    }

    y.store(s, OwnPlace{n, within, top + first_row, left + Sums::first_pixel(), o}, sums);
  }
}

}  // namespace nlcl::cuda
