// The statistics of a norm, from the convolution that writes what is normalised:
//
//     tile      16 x 16 pixels, in float, by the block that has made them
//     group     of tiles, in double, by the block that stores the last of its tiles' sums; a block that has made several
//               of a group's tiles asks once whether it is
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
#include "nlcl/ops/conv2d/block_tiles.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/result.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/instance_norm.hpp"

namespace nlcl::cuda {

// What is summed of a tile. Of each channel there are two sums: here of d = x - shift and of d^2, where the shift is the
// tile's first pixel.
struct SquareSums {
  static constexpr bool around_first = true;

  // Adds those of a lane's pixel i, whose channels lie at `at` in y.
  template <class Sums, int Channels>
  __device__ __forceinline__ void add(Sums& values, int i, Index, const float (&shift)[Channels],
                                      float (&sum)[Channels], float (&square_sum)[Channels]) const {
    NLCL_UNROLL
    for (int j = 0; j < Channels; ++j) {
      const float d = values.at(i, j) - shift[j];
      sum[j] += d, square_sum[j] += d * d;
    }
  }
};

// The sums of a tile to the first 32 threads: each gets those of one channel, but for their count. All threads of the block
// must call it.
template <class Tile, class Sums, bool Whole, class Of>
__device__ __forceinline__ StripSums sums_of_tile(const Conv2dShape& s,
                                                  const TilePlace<Tile, Sums, Whole>& place, Sums& values,
                                                  const Of& of) {
  constexpr int channels = Sums::channels;
  __shared__ SharedArray<float, tile_channels> first_pixel;
  __shared__ SharedArray<float, Tile::warps, 2, tile_channels> parts;
  const int first_channel = Sums::first_channel();
  const bool has_first_pixel = Sums::first_pixel() == 0;
  float shift[channels]{}, sum[channels]{}, square_sum[channels]{};
  if constexpr (Of::around_first) {
    if (warp() == 0 && has_first_pixel) {
      NLCL_UNROLL
      for (int j = 0; j < channels; ++j) first_pixel[first_channel + j] = values.at(0, j);
    }
    block_sync();
    NLCL_UNROLL
    for (int j = 0; j < channels; ++j) shift[j] = first_pixel[first_channel + j];
  }
  NLCL_UNROLL
  for (int i = 0; i < place.pixels; ++i)
    if (place.exists(s, i)) of.add(values, i, place.offset(s, i), shift, sum, square_sum);
  if constexpr (!Of::around_first) block_sync();  // the last tile's parts have been read
  NLCL_UNROLL
  for (int j = 0; j < channels; ++j) {
    NLCL_UNROLL
    for (int bits = Sums::next_pixel; bits < Sums::next_pixel * 8 / Sums::pixels; bits *= 2)
      sum[j] += shuffle_xor(sum[j], bits), square_sum[j] += shuffle_xor(square_sum[j], bits);
    if (has_first_pixel)
      parts(warp(), 0, first_channel + j) = sum[j], parts(warp(), 1, first_channel + j) = square_sum[j];
  }
  block_sync();
  StripSums total{};
  if (const int channel = thread().x; channel < tile_channels) {
    if constexpr (Of::around_first) total.shift = first_pixel[channel];
    NLCL_UNROLL
    for (int i = 0; i < Tile::warps; ++i)
      total.sum += parts(i, 0, channel), total.square_sum += parts(i, 1, channel);
  }
  return total;
}

// The sums of from[0..count,32] by channel to the first 32 threads. Each of the warps adds every `Warps`-th, around the
// shift of the first, and their sums are added in order. All threads of the block must call it.
template <int Warps, class Part>
__device__ __forceinline__ JoinedSums join_sums(SharedArray<JoinedSums, Warps, tile_channels>& parts,
                                                const Part* from, int count) {
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

// What the convolution is given for it. `Store` does something with the sums of an image.
template <class Of = SquareSums, class Store = StoreStatistics>
struct TileStatistics {
  int tiles = 0, tiles_across = 0;   // of an image
  int group = 1, groups = 0;         // tiles of a group, groups of an image
  StripSums* tile_sums = nullptr;    // [N,tiles,32]
  JoinedSums* group_sums = nullptr;  // [N,groups,32]
  unsigned* tickets = nullptr;       // [N,groups + 1]
  Store store{};
  Of of{};

  // Leaves the sums of a tile. All threads of the block must call it.
  template <class Tile, class Sums, bool Whole>
  __device__ __forceinline__ void add(const Conv2dShape& s, const TilePlace<Tile, Sums, Whole>& place,
                                      Sums& sums) const {
    StripSums of_tile = sums_of_tile(s, place, sums, of);
    const int below = s.out_height - place.tile / tiles_across * Tile::rows;
    const int beside = s.out_width - place.tile % tiles_across * Tile::columns;
    of_tile.count = static_cast<float>((below < Tile::rows ? below : Tile::rows) *
                                       (beside < Tile::columns ? beside : Tile::columns));
    if (warp() == 0) of_tiles(place.n)[place.tile * tile_channels + lane()] = of_tile;
  }

  // Of a tile that is counted through all images.
  __device__ __forceinline__ int group_of(int tile) const {
    return tile / tiles * groups + tile % tiles / group;
  }

  // After `added` tiles of a group of image n, `tile` one of them. All threads of the block must call it.
  template <int Warps>
  __device__ __forceinline__ void join(int n, int tile, int added) const {
    const int g = tile / group, first = g * group, count = tiles - first < group ? tiles - first : group;
    unsigned* const ticket = tickets + n * (groups + 1);
    if (!is_last_block(ticket + g, count, added)) return;
    JoinedSums* const of_groups = group_sums + Index{n} * groups * tile_channels;
    __shared__ SharedArray<JoinedSums, Warps, tile_channels> parts;
    const JoinedSums of_group = join_sums(parts, of_tiles(n) + first * tile_channels, count);
    if (warp() == 0) of_groups[g * tile_channels + lane()] = of_group;

    if (!is_last_block(ticket + groups, groups)) return;
    const JoinedSums of_image = join_sums(parts, of_groups, groups);
    if (warp() == 0) store(of_image, n * tile_channels + lane());
  }

 private:
  __device__ __forceinline__ StripSums* of_tiles(int n) const {
    return tile_sums + Index{n} * tiles * tile_channels;
  }
};

// A tile of 32 channels that is stored as Number, and its sums.
template <class Number, class Statistics = TileStatistics<>>
struct StoredResult {
  Number* y;
  Statistics statistics{};  // where a norm follows

  template <class Place, class Sums>
  __device__ __forceinline__ void store(const Conv2dShape& s, const Place& place, Sums& sums) const {
    NLCL_UNROLL
    for (int i = 0; i < Place::pixels; ++i)
      store_channels(y + place.offset(s, i), sums, i, place.exists(s, i));
    if (statistics.tiles > 0) statistics.add(s, place, sums);
  }
  __device__ __forceinline__ bool joins_between(int tile, int next) const {
    return statistics.tiles > 0 && statistics.group_of(tile) != statistics.group_of(next);
  }
  __device__ __forceinline__ void join(int n, int tile, int added) const {
    if (statistics.tiles > 0) statistics.template join<NarrowTile::warps>(n, tile, added);
  }

 private:
  template <class Sums>
  __device__ __forceinline__ static void store_channels(Number* to, Sums& sums, int i, bool exists) {
    constexpr int most = 16 / static_cast<int>(sizeof(Number));  // 16 bytes at once
    constexpr int width = Sums::channels < most ? Sums::channels : most;
    NLCL_UNROLL
    for (int first = 0; first < Sums::channels; first += width) {
      Vector<width> value;
      NLCL_UNROLL
      for (int j = 0; j < width; ++j) value[j] = sums.at(i, first + j);
      if (exists) cuda::store(to + first, value);
    }
  }
};
template <class Number, class Statistics>
StoredResult(Number*, Statistics) -> StoredResult<Number, Statistics>;

// Where the sums of a batch are kept, for one convolution after the other.
class TileSums {
 public:
  TileSums(Index batch, const BlockPlan& p, Device device)
      : tiles_(p.tiles_down * p.tiles_across),
        tiles_across_(p.tiles_across),
        group_(static_cast<int>(std::ceil(std::sqrt(tiles_)))),
        groups_(ceil_divide(tiles_, group_)),
        tile_sums_({batch, tiles_, tile_channels}, device),
        group_sums_({batch, groups_, tile_channels}, device),
        tickets_(tickets(device, batch * (groups_ + 1))) {}

  TileStatistics<> statistics(ChannelStatistics& to) {
    return of(SquareSums{}, StoreStatistics{instance_norm_eps, to.mean.mutable_data(),
                                            to.inverse_deviation.mutable_data()});
  }

  template <class Of, class Store>
  TileStatistics<Of, Store> of(const Of& what, const Store& store) {
    return {.tiles = tiles_,
            .tiles_across = tiles_across_,
            .group = group_,
            .groups = groups_,
            .tile_sums = tile_sums_.mutable_data(),
            .group_sums = group_sums_.mutable_data(),
            .tickets = tickets_,
            .store = store,
            .of = what};
  }

 private:
  int tiles_, tiles_across_, group_, groups_;
  Tensor<StripSums> tile_sums_;
  Tensor<JoinedSums> group_sums_;
  unsigned* tickets_;
};

}  // namespace nlcl::cuda
