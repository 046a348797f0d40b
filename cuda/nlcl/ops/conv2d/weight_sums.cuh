// conv2d_weight_sums: dweight, a product along the pixels, by parts of them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/conv2d/source.cuh"

namespace nlcl::cuda {

// A block sums over a part of the pixels, tile by tile of 8 x 16, for 32 output channels and some units: a unit is 32
// rows of dweight, which are 32 channels of x at one tap (or 32 numbers of the windows). The matrices meet along the
// pixels, so a word of bf16 holds the same channel of two pixels. They are four rows apart, not neighbours: so the
// next tap is the next word in both directions. A pixel, or pair, has 8 slots and 2 unused, which keeps eight lanes
// that read two channels of four pixels off each other's banks.
struct WeightTile {
  static constexpr int rows = 8, columns = 16, pitch = 10;
  static constexpr int units = 2;  // of a warp
  static constexpr int most_warps = 10, most_units = units * most_warps;
};

struct WeightSumsPlan {
  bool windows;
  int units, units_per_block, unit_blocks;
  int rows, columns;  // of x in shared memory, for each of the windows' units
  int warps, shares;  // shares: warps that divide a tile's pixels among them, and add their sums in the end
  int tiles_down, tiles_across, tiles, parts;

  __host__ __device__ int x_slots() const {
    return rows * columns * (windows ? units_per_block : 1) * WeightTile::pitch;
  }
  __host__ __device__ int dy_slots(int pair) const {
    return WeightTile::rows / pair * WeightTile::columns * WeightTile::pitch;
  }
  __host__ __device__ int teams() const { return warps / shares; }
  // Of all shares but the first.
  __host__ __device__ int sums() const {
    return (shares - 1) * teams() * WeightTile::units * Sums<4>::count * warp_size;
  }
  int shared_slots(int pair) const { return std::max(x_slots() + dy_slots(pair), sums() / 4); }
};

// The sums of all shares to the first. All threads of the block must call it.
__device__ __forceinline__ void add_shares(const WeightSumsPlan& p, Sums<4> (&sums)[WeightTile::units]) {
  if (p.shares == 1) return;
  const DynamicShared<float> others = dynamic_shared<float>(p.sums());
  const int teams = p.teams(), share = warp() / teams;
  const auto place = [&](int of, int unit, int i) {
    return (((of - 1) * teams + warp() % teams) * WeightTile::units + unit) * Sums<4>::count * warp_size +
           i * warp_size + lane();
  };
  block_sync();  // the tiles are not needed any more
  if (share > 0) {
    NLCL_UNROLL
    for (int unit = 0; unit < WeightTile::units; ++unit) {
      NLCL_UNROLL
      for (int i = 0; i < Sums<4>::count; ++i) others[place(share, unit, i)] = sums[unit].number(i);
    }
  }
  block_sync();
  if (share > 0) return;
  for (int of = 1; of < p.shares; ++of) {
    NLCL_UNROLL
    for (int unit = 0; unit < WeightTile::units; ++unit) {
      NLCL_UNROLL
      for (int i = 0; i < Sums<4>::count; ++i) sums[unit].number(i) += others[place(of, unit, i)];
    }
  }
}

// sums += (8 pixels of x)^T * the same of dy; a unit that does not exist is at place -1. A lane has channels 4 * group
// .. + 3 and output channels 8 * member .. + 7.
template <class Format>
__device__ __forceinline__ void add_pixels(Sums<4> (&sums)[WeightTile::units], const Slots& x,
                                           const int (&x_place)[WeightTile::units], const Slots& dy,
                                           int dy_place) {
  constexpr int pitch = WeightTile::pitch;
  const int group = lane() / 4, member = lane() % 4;
  if constexpr (Format::on_tensor_cores) {
    const int near = member * pitch + group, far = near + 4 * pitch;
    const uint4 b0 = dy[dy_place + near], b1 = dy[dy_place + far];
    NLCL_UNROLL
    for (int unit = 0; unit < WeightTile::units; ++unit) {
      if (x_place[unit] < 0) continue;
      const uint4 a0 = x[x_place[unit] + near], a1 = x[x_place[unit] + far];
      const std::uint32_t first[4] = {a0.x, a0.y, a1.x, a1.y}, second[4] = {a0.z, a0.w, a1.z, a1.w};
      NLCL_UNROLL
      for (int half = 0; half < 2; ++half) {
        Format::multiply(sums[unit].d[half][0], half ? second : first, {b0.x, b1.x});
        Format::multiply(sums[unit].d[half][1], half ? second : first, {b0.y, b1.y});
        Format::multiply(sums[unit].d[half][2], half ? second : first, {b0.z, b1.z});
        Format::multiply(sums[unit].d[half][3], half ? second : first, {b0.w, b1.w});
      }
    }
  } else {
    NLCL_UNROLL
    for (int pixel = 0; pixel < 8; ++pixel) {
      const Vector<4> b[2] = {dy.as<Vector<4>>(dy_place + pixel * pitch + 2 * member),
                              dy.as<Vector<4>>(dy_place + pixel * pitch + 2 * member + 1)};
      NLCL_UNROLL
      for (int unit = 0; unit < WeightTile::units; ++unit) {
        if (x_place[unit] < 0) continue;
        const Vector<4> a = x.as<Vector<4>>(x_place[unit] + pixel * pitch + group);
        NLCL_UNROLL
        for (int i = 0; i < 4; ++i) {
          NLCL_UNROLL
          for (int j = 0; j < 8; ++j) sums[unit].at(i, j) += a[i] * b[j / 4][j % 4];
        }
      }
    }
  }
}

// Pixels of a tile of x, rows of `columns`, on their way to shared memory: of the four channels of this thread, in bf16 each with
// the one that lies `below` it. The first `AtOnce` of them are asked for long before they are stored, and nothing looks at them
// until then.
template <class Format, class Source, int AtOnce>
class TileReads {
 public:
  __device__ __forceinline__ TileReads(int columns, int below)
      : columns_(columns), below_(below), first_(places(thread().x / 8)) {}

  __device__ __forceinline__ void fetch(const PixelReader<Source>& x, int top, int left, int c) {
    fetch(x, top, left, c, first_);
  }

  // All of `rows` rows, of which the first pixels have been fetched.
  __device__ __forceinline__ void store(const PixelReader<Source>& x, int top, int left, int c, int rows,
                                        const Slots& to) {
    Places at = first_;
    for (int first = thread().x / 8;;) {
      Vector<4> v[AtOnce][Format::pair];
      NLCL_UNROLL
      for (int i = 0; i < AtOnce; ++i) {
        NLCL_UNROLL
        for (int h = 0; h < Format::pair; ++h)
          v[i][h] = x.channels % 4 == 0
                        ? x.template value<4>(fetched_[i][h])
                        : x.template pixel<4>(top + at.row[i] + h * below_, left + at.column[i], c);
        if (const int pixel = first + i * step(); pixel < rows * columns_)
          to[pixel * WeightTile::pitch + thread().x % 8] = slot_of_pixels<Format>(v[i]);
      }
      first += AtOnce * step();
      if (first >= rows * columns_) return;
      at = places(first);
      fetch(x, top, left, c, at);
    }
  }

 private:
  struct Places {
    int row[AtOnce], column[AtOnce];
  };

  __device__ __forceinline__ static int step() { return block_size().x / 8; }

  __device__ __forceinline__ Places places(int first) const {
    Places at;
    NLCL_UNROLL
    for (int i = 0; i < AtOnce; ++i)
      at.row[i] = (first + i * step()) / columns_, at.column[i] = (first + i * step()) % columns_;
    return at;
  }
  __device__ __forceinline__ void fetch(const PixelReader<Source>& x, int top, int left, int c,
                                        const Places& at) {
    if (x.channels % 4 != 0) return;
    NLCL_UNROLL
    for (int i = 0; i < AtOnce; ++i) {
      NLCL_UNROLL
      for (int h = 0; h < Format::pair; ++h)
        fetched_[i][h] = x.template fetch<4>(top + at.row[i] + h * below_, left + at.column[i], c);
    }
  }

  int columns_, below_;
  Places first_;
  decltype(Source{}.template fetch<4>(0)) fetched_[AtOnce][Format::pair];
};

// partial: [parts, depth, out]
template <class Format, class Source, class DySource>
__global__ void __launch_bounds__(WeightTile::most_warps* warp_size)
    conv2d_weight_sums(Conv2dShape s, WeightSumsPlan p, Source x, DySource dy, float* __restrict__ partial) {
  constexpr int rows = WeightTile::rows / Format::pair, columns = WeightTile::columns,
                pitch = WeightTile::pitch;
  const Slots x_tile = dynamic_shared<uint4>(p.x_slots());
  const Slots dy_tile = dynamic_shared<uint4>(p.dy_slots(Format::pair), p.x_slots() * 16);
  const int part = block().x, o = block().z * 32, slot = lane() % 8, threads = block_size().x;
  const int first_unit = block().y % p.unit_blocks * p.units_per_block;
  const int c = block().y / p.unit_blocks * 32;  // the first channel; 0 for windows

  // The units of this warp, and where they begin to read.
  const int teams = p.teams(), share = warp() / teams;
  int unit[WeightTile::units], start[WeightTile::units];
  NLCL_UNROLL
  for (int i = 0; i < WeightTile::units; ++i) {
    const int within = warp() % teams * WeightTile::units + i;
    unit[i] = first_unit + within < p.units && within < p.units_per_block ? first_unit + within : -1;
    start[i] =
        p.windows ? within * rows * columns : unit[i] / s.kernel_width * p.columns + unit[i] % s.kernel_width;
  }

  Sums<4> sums[WeightTile::units]{};
  const auto first_tile = static_cast<int>(Index{p.tiles} * part / p.parts);
  const auto last_tile = static_cast<int>(Index{p.tiles} * (part + 1) / p.parts);
  TileReads<Format, Source, 4> x_reads(p.columns, rows);
  TileReads<Format, DySource, 2> dy_reads(columns, rows);
  // body(x, its first row and column, dy, the same), of a tile.
  const auto of_tile = [&](int tile, const auto& body) {
    const int n = tile / (p.tiles_down * p.tiles_across), within = tile % (p.tiles_down * p.tiles_across);
    const int top = within / p.tiles_across * WeightTile::rows, left = within % p.tiles_across * columns;
    body(PixelReader<Source>(x, s, n), top * s.stride - s.top, left * s.stride - s.left,
         PixelReader(dy, s.out_height, s.out_width, s.out, 1, n), top, left);
  };
  const auto fetch = [&](int tile) {
    of_tile(tile, [&](const auto& x_reader, int x_top, int x_left, const auto& dy_reader, int top, int left) {
      if (!p.windows) x_reads.fetch(x_reader, x_top, x_left, c + slot * 4);
      dy_reads.fetch(dy_reader, top, left, o + slot * 4);
    });
  };

  if (first_tile < last_tile) fetch(first_tile);
  for (int tile = first_tile; tile < last_tile; ++tile) {
    block_sync();  // the last tile is not needed any more
    of_tile(tile, [&](const auto& x_reader, int x_top, int x_left, const auto& dy_reader, int top, int left) {
      if (!p.windows) x_reads.store(x_reader, x_top, x_left, c + slot * 4, p.rows, x_tile);
      for (int i = 0; p.windows && i < p.units_per_block; ++i) {
        const WindowNumbers<4> numbers(s, (first_unit + i) * 32 + slot * 4);
        for (int pixel = thread().x / 8; pixel < rows * columns; pixel += threads / 8) {
          const int row = pixel / columns, column = pixel % columns;
          Vector<4> v[Format::pair];
          NLCL_UNROLL
          for (int h = 0; h < Format::pair; ++h)
            v[h] = numbers.of(x_reader, x_top + (row + h * rows) * s.stride, x_left + column * s.stride);
          x_tile[(i * rows * columns + pixel) * pitch + slot] = slot_of_pixels<Format>(v);
        }
      }
      dy_reads.store(dy_reader, top, left, o + slot * 4, rows, dy_tile);
    });
    block_sync();
    if (tile + 1 < last_tile) fetch(tile + 1);  // while this one is multiplied

    for (int step = share; step < rows * columns / 8; step += p.shares) {
      const int row = step * 8 / columns, column = step * 8 % columns;
      int x_place[WeightTile::units];
      NLCL_UNROLL
      for (int i = 0; i < WeightTile::units; ++i)
        x_place[i] = unit[i] < 0 ? -1 : (row * p.columns + column + start[i]) * pitch;
      add_pixels<Format>(sums, x_tile, x_place, dy_tile, (row * columns + column) * pitch);
    }
  }

  add_shares(p, sums);
  const int group = lane() / 4, first_o = o + lane() % 4 * 8;
  if (share > 0 || first_o >= s.out) return;
  NLCL_UNROLL
  for (int i = 0; i < WeightTile::units; ++i) {
    if (unit[i] < 0) continue;
    const int first_k = p.windows ? unit[i] * 32 : unit[i] * s.in + c;
    const int count = p.windows ? s.depth() - first_k : s.in - c;
    float* const to = partial + (Index{part} * s.depth() + first_k) * s.out + first_o;
    NLCL_UNROLL
    for (int r = 0; r < 4; ++r)
      if (4 * group + r < count)
        store_row(to + Index{4 * group + r} * s.out, sums[i], r, s.out - first_o, s.out % 4 == 0);
  }
}

}  // namespace nlcl::cuda
