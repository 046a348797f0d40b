// The statistics of a norm, from the convolution that writes what is normalised:
//
//     tile      16 x 16 pixels, in float, by the block that has made them
//     group     of tiles, in double, by the block that stores the last of its tiles' sums
//     image     of groups, by the block that stores the last of its groups' sums
//
// An image has about as many groups as a group has tiles, so no block reads many sums one after the other. What is added
// in which order follows from the image's size alone, not from who is last, and so the bits repeat.
#pragma once

#include <cmath>

#include "nlcl/core/block.cuh"
#include "nlcl/core/channel_statistics.cuh"
#include "nlcl/core/last_block.cuh"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/result.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/conv2d/tiles.cuh"
#include "nlcl/ops/instance_norm.hpp"

namespace nlcl::cuda {

inline constexpr int tile_channels = 32;  // one block makes all channels of its pixels

// The sums of a tile around its first pixel, to the first 32 threads: each gets those of one channel, but for their count.
// All threads of the block must call it.
template <class Tile, class Sums>
__device__ __forceinline__ StripSums sums_of_tile(const Conv2dShape& s, const TilePlace<Tile, Sums>& place,
                                                  Sums& sums) {
  constexpr int pixels = TilePlace<Tile, Sums>::pixels, channels = Sums::channels;
  unsigned exists = 0;  // bit i: the lane's pixel i is within the image
  NLCL_UNROLL
  for (int i = 0; i < pixels; ++i)
    if (place.row(i) < s.out_height && place.column(i) < s.out_width) exists |= 1u << i;
  __shared__ SharedArray<float, tile_channels> shift;
  __shared__ SharedArray<float, Tile::warps, 2, tile_channels> parts;
  const int first_channel = Sums::first_channel();
  const bool has_first_pixel = Sums::first_pixel() == 0;
  if (warp() == 0 && has_first_pixel) {
    NLCL_UNROLL
    for (int j = 0; j < channels; ++j) shift[first_channel + j] = sums.at(0, j);
  }
  block_sync();
  NLCL_UNROLL
  for (int j = 0; j < channels; ++j) {
    const int channel = first_channel + j;
    const float center = shift[channel];
    float sum = 0, square_sum = 0;
    NLCL_UNROLL
    for (int i = 0; i < pixels; ++i) {
      const float d = exists >> i & 1 ? sums.at(i, j) - center : 0.0f;
      sum += d, square_sum += d * d;
    }
    NLCL_UNROLL
    for (int bits = Sums::next_pixel; bits < Sums::next_pixel * 8 / Sums::pixels; bits *= 2)
      sum += shuffle_xor(sum, bits), square_sum += shuffle_xor(square_sum, bits);
    if (has_first_pixel) parts(warp(), 0, channel) = sum, parts(warp(), 1, channel) = square_sum;
  }
  block_sync();
  StripSums total{};
  if (const int channel = thread().x; channel < tile_channels) {
    total.shift = shift[channel];
    NLCL_UNROLL
    for (int i = 0; i < Tile::warps; ++i)
      total.sum += parts(i, 0, channel), total.square_sum += parts(i, 1, channel);
  }
  return total;
}

// The sums of from[0..count,32] by channel to the first 32 threads. Each of the warps adds every `Warps`-th, around the
// shift of the first, and their sums are added in order. All threads of the block must call it.
template <int Warps, class Part>
__device__ __forceinline__ JoinedSums join_sums(const Part* from, int count) {
  __shared__ SharedArray<JoinedSums, Warps, tile_channels> parts;
  const int channel = lane();
  JoinedSums sums{0, static_cast<double>(from[channel].shift), 0, 0};
  for (int i = warp(); i < count; i += Warps) sums.add(from[i * tile_channels + channel]);
  block_sync();  // an earlier sum has been read
  parts(warp(), channel) = sums;
  block_sync();
  if (warp() > 0) return sums;
  NLCL_UNROLL
  for (int i = 1; i < Warps; ++i) sums.add(parts(i, channel));
  return sums;
}

// What the convolution is given for it.
struct TileStatistics {
  int tiles = 0, tiles_across = 0;   // of an image
  int group = 1, groups = 0;         // tiles of a group, groups of an image
  StripSums* tile_sums = nullptr;    // [N,tiles,32]
  JoinedSums* group_sums = nullptr;  // [N,groups,32]
  unsigned* tickets = nullptr;       // [N,groups + 1]
  StoreStatistics store{};

  // All threads of the block must call it.
  template <class Tile, class Sums>
  __device__ __forceinline__ void add(const Conv2dShape& s, const TilePlace<Tile, Sums>& place,
                                      Sums& sums) const {
    StripSums of_tile = sums_of_tile(s, place, sums);
    const int below = s.out_height - place.tile / tiles_across * Tile::rows;
    const int beside = s.out_width - place.tile % tiles_across * Tile::columns;
    of_tile.count = static_cast<float>((below < Tile::rows ? below : Tile::rows) *
                                       (beside < Tile::columns ? beside : Tile::columns));
    StripSums* const of_tiles = tile_sums + Index{place.n} * tiles * tile_channels;
    if (warp() == 0) of_tiles[place.tile * tile_channels + lane()] = of_tile;

    const int g = place.tile / group, first = g * group,
              count = tiles - first < group ? tiles - first : group;
    unsigned* const ticket = tickets + place.n * (groups + 1);
    if (!is_last_block(ticket + g, count)) return;
    JoinedSums* const of_groups = group_sums + Index{place.n} * groups * tile_channels;
    const JoinedSums of_group = join_sums<Tile::warps>(of_tiles + first * tile_channels, count);
    if (warp() == 0) of_groups[g * tile_channels + lane()] = of_group;

    if (!is_last_block(ticket + groups, groups)) return;
    const JoinedSums of_image = join_sums<Tile::warps>(of_groups, groups);
    if (warp() == 0) store(of_image, place.n * tile_channels + lane());
  }
};

// A tile that is stored to a tensor, and its sums.
struct ResultWithStatistics : TensorResult {
  TileStatistics statistics;

  template <class Place, class Sums>
  __device__ __forceinline__ void store(const Conv2dShape& s, const Place& place, Sums& sums) const {
    TensorResult::store(s, place, sums);
    statistics.add(s, place, sums);
  }
};

// Where the sums of a batch are kept, for one convolution after the other.
class TileSums {
 public:
  TileSums(Index batch, const TilePlan& p, Device device)
      : tiles_(p.tiles_down * p.tiles_across),
        tiles_across_(p.tiles_across),
        group_(static_cast<int>(std::ceil(std::sqrt(tiles_)))),
        groups_(ceil_divide(tiles_, group_)),
        tile_sums_({batch, tiles_, tile_channels}, device),
        group_sums_({batch, groups_, tile_channels}, device),
        tickets_(tickets(device, batch * (groups_ + 1))) {}

  TileStatistics statistics(ChannelStatistics& to) {
    return {.tiles = tiles_,
            .tiles_across = tiles_across_,
            .group = group_,
            .groups = groups_,
            .tile_sums = tile_sums_.mutable_data(),
            .group_sums = group_sums_.mutable_data(),
            .tickets = tickets_,
            .store = {instance_norm_eps, to.mean.mutable_data(), to.inverse_deviation.mutable_data()}};
  }

 private:
  int tiles_, tiles_across_, group_, groups_;
  Tensor<StripSums> tile_sums_;
  Tensor<JoinedSums> group_sums_;
  unsigned* tickets_;
};

}  // namespace nlcl::cuda
