// How the kernels of a convolution are started: what each block does, and where its numbers lie.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nlcl/core/launch.cuh"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/conv2d/block_tiles.cuh"
#include "nlcl/ops/conv2d/choice.cuh"
#include "nlcl/ops/conv2d/dot.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/packed_weight.cuh"
#include "nlcl/ops/conv2d/part_sums.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/conv2d/source.cuh"
#include "nlcl/ops/conv2d/tiles.cuh"
#include "nlcl/ops/conv2d/weight_sums.cuh"

namespace nlcl::cuda {

// What conv2d_tiles has in shared memory, as windows where the pixels of a tile would not fit; and whether the weight stays
// there for several tiles. pair: Format::pair.
template <class Tile>
TilePlan tile_plan(const Conv2dShape& s, int pair) {
  TilePlan p{};
  const auto lay_out = [&](bool windows) {
    const int channels = windows ? s.depth() : s.in;
    p.taps_high = windows ? 1 : s.kernel_height, p.taps_wide = windows ? 1 : s.kernel_width;
    p.packing = {ceil_divide(channels, 16 * pair), p.taps_high * p.taps_wide, Tile::across, windows};
    p.rows = Tile::rows + p.taps_high - 1, p.columns = Tile::columns + p.taps_wide - 1, p.pitch = Tile::pitch;
    p.steps_in_shared = std::min(2, p.steps());
  };
  lay_out(s.in <= 4 || s.stride > 1 || s.kernel_width > Tile::most_taps_wide);
  if (p.shared_slots() > most_shared_slots) lay_out(true);
  p.tiles_down = ceil_divide(s.out_height, Tile::rows),
  p.tiles_across = ceil_divide(s.out_width, Tile::columns);
  p.tiles = s.batch * p.tiles_down * p.tiles_across;
  p.tiles_per_block = 1;
  TilePlan resident = p;
  resident.steps_in_shared = p.steps();
  if (resident.shared_slots() > most_shared_slots) return p;
  resident.tiles_per_block = std::clamp(p.tiles / (8 * enough_blocks), 1, 8);
  return resident;
}

// The panels of a plan; they depend on the sizes of the weight alone.
template <class Format, class Tile>
Tensor<float> packed_weight(const Conv2dShape& s, const TilePlan& p, const Tensor<float>& weight) {
  const int slots = to_int(Index{ceil_divide(s.out, 32 * Tile::across)} * p.steps() * p.step_slots());
  return packed_panels(weight, {.weight = nullptr,
                                .to = nullptr,
                                .shape = s,
                                .packing = p.packing,
                                .precision = Format::precision,
                                .size = slots});
}

// y = conv(x, the weight of the panels) + bias, which may be absent.
template <class Format, class Tile, class Source, class Result>
void launch_tiles(const Conv2dShape& s, const TilePlan& p, const Source& x, const Tensor<float>& panels,
                  const Tensor<float>& bias, const Result& y) {
  launch<conv2d_tiles<Format, Tile, Source, Result>>(
      {.device = panels.device(),
       .grid = dim3(blocks_for(p.tiles, p.tiles_per_block),
                    static_cast<unsigned>(ceil_divide(s.out, 32 * Tile::across))),
       .block = Tile::threads,
       .shared_bytes = static_cast<std::size_t>(p.shared_slots()) * sizeof(uint4)},
      s, p, x, reinterpret_cast<const uint4*>(panels.data()), bias.data(), y);
}

// The same for a convolution of residual blocks.
template <class Format>
Tensor<float> block_panels(const Conv2dShape& s, const Tensor<float>& weight) {
  return packed_weight<Format, NarrowTile>(s, tile_plan<NarrowTile>(s, Format::pair), weight);
}
template <class Format, class Source, class Result>
void launch_block(const Conv2dShape& s, const BlockPlan& p, const Source& x, const Tensor<float>& panels,
                  const Tensor<float>& bias, const Result& y) {
  launch<conv2d_block<Format, Source, Result>>(
      {.device = panels.device(),
       .grid = blocks_for(p.tiles, p.tiles_per_block),
       .block = NarrowTile::threads,
       .shared_bytes = std::size_t{BlockTile<Format>::shared_slots} * sizeof(uint4)},
      s, p, x, reinterpret_cast<const uint4*>(panels.data()), bias.data(), y);
}

// The same for one or three channels. weight as it is, y [N,H,W,out].
template <class Tile, class Source>
void launch_dot(const Conv2dShape& s, const Source& x, const Tensor<float>& weight, const Tensor<float>& bias,
                const TensorResult& y) {
  const Index groups = Index{s.batch} * s.out_height * ceil_divide(s.out_width, Tile::pixels);
  launch<conv2d_dot<Tile, Source>>(
      {.device = weight.device(),
       .grid = blocks_for(groups, Tile::threads / Tile::lanes),
       .block = Tile::threads,
       .shared_bytes = static_cast<std::size_t>(s.depth()) * Tile::out * sizeof(float)},
      s, x, weight.data(), bias.data(), y);
}

// How conv2d_weight_sums divides a convolution among blocks and warps.
inline WeightSumsPlan weight_sums_plan(const Conv2dShape& s, int pair) {
  WeightSumsPlan p{};
  const int rows = WeightTile::rows / pair;
  const auto lay_out = [&](bool windows) {
    p.windows = windows;
    p.units = windows ? ceil_divide(s.depth(), 32) : s.taps();
    p.units_per_block = std::min(p.units, windows ? 2 : WeightTile::most_units);
    p.unit_blocks = ceil_divide(p.units, p.units_per_block);
    p.rows = rows + (windows ? 0 : s.kernel_height - 1);
    p.columns = WeightTile::columns + (windows ? 0 : s.kernel_width - 1);
  };
  lay_out(s.in <= 4 || s.stride > 1);
  if (p.x_slots() + p.dy_slots(pair) > most_shared_slots) lay_out(true);
  const int teams = ceil_divide(p.units_per_block, WeightTile::units);
  p.shares = std::clamp(WeightTile::most_warps / teams, 1, 4);
  p.warps = teams * p.shares;
  p.tiles_down = ceil_divide(s.out_height, WeightTile::rows);
  p.tiles_across = ceil_divide(s.out_width, WeightTile::columns);
  p.tiles = s.batch * p.tiles_down * p.tiles_across;
  // Enough warps to keep the device busy, and no more parts: each costs a dweight of memory traffic.
  const int others = p.unit_blocks * (p.windows ? 1 : ceil_divide(s.in, 32)) * ceil_divide(s.out, 32);
  p.parts = std::clamp(WeightTile::most_warps * enough_blocks / (p.warps * others), 1, p.tiles);
  return p;
}

// partial [parts,depth,out] -> dweight.
inline void add_weight_parts(const Conv2dShape& s, int parts, const Tensor<float>& partial,
                             Tensor<float>& dweight) {
  const int size = s.depth() * s.out;
  launch<sum_weight_parts>(
      {.device = partial.device(), .grid = blocks_for(size, warp_size), .block = sum_threads}, s, parts,
      partial.data(), dweight.mutable_data());
}

// dweight of the sources of x [N,H,W,in] and dy, written whole.
template <class Format, class Source, class DySource>
void launch_weight_sums(const Conv2dShape& s, const Source& x, const DySource& dy, Tensor<float>& dweight) {
  const Device device = dweight.device();
  const WeightSumsPlan p = weight_sums_plan(s, Format::pair);
  Tensor<float> partial({p.parts, s.depth(), s.out}, device);
  launch<conv2d_weight_sums<Format, Source, DySource>>(
      {.device = device,
       .grid = dim3(static_cast<unsigned>(p.parts),
                    static_cast<unsigned>(p.unit_blocks * (p.windows ? 1 : ceil_divide(s.in, 32))),
                    static_cast<unsigned>(ceil_divide(s.out, 32))),
       .block = static_cast<unsigned>(p.warps * warp_size),
       .shared_bytes = static_cast<std::size_t>(p.shared_slots(Format::pair)) * sizeof(uint4)},
      s, p, x, dy, partial.mutable_data());
  add_weight_parts(s, p.parts, partial, dweight);
}

}  // namespace nlcl::cuda
