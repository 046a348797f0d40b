// Sums over the pixels of every channel on the GPU, and what comes of them: mean and deviation.
//
// A block takes a strip of pixels and a column of channels. Each of its threads keeps to a few channels, four where
// they come in fours, and walks down the strip:
//
//     thread().x   channels, side by side in memory: a warp reads whole lines
//     thread().y   a pixel; the thread's next one is block_size().y further on
//
// The threads' sums are added in shared memory as a tree, and the block's sums are stored in a place of their own.
// The last block of an image joins its strips, again as a tree. Strips and trees are cut by the image's size alone, and so
// the bits repeat.
#pragma once

#include <algorithm>
#include <utility>

#include "nlcl/core/block.cuh"
#include "nlcl/core/channel_statistics.hpp"
#include "nlcl/core/last_block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/tensor.hpp"
#include "nlcl/core/vector.cuh"

namespace nlcl::cuda {

// How the images [H,W,C] of a batch are cut into blocks. Made on the host, read by the kernels.
struct ImageStrips {
  static constexpr int threads = 256;  // of a block, at most
  static constexpr int steps = 16;     // pixels of each thread: many blocks, and still few strips to join
  static constexpr int columns = 32;   // vectors of channels side by side in a block, at most

  int batch, pixels, channels;  // of x
  int block_columns, block_rows;
  int strip, strips;  // pixels of a strip, strips of an image

  // For vectors of `width` channels. Throws ShapeError for images whose places an int cannot hold.
  ImageStrips(const Shape& x, int width) {
    batch = to_int(x[0]), pixels = to_int(x[1] * x[2]), channels = to_int(x[3]);
    to_int(x[1] * x[2] * x[3]);  // places within an image are int
    const int vectors = channels / width;
    const int tiles = (vectors + columns - 1) / columns;
    block_columns = (vectors + tiles - 1) / tiles;
    block_rows = std::min(threads / block_columns, pixels);
    strip = block_rows * steps;
    strips = (pixels + strip - 1) / strip;
  }

  // A thread for each vector of `width` channels.
  Launch on(Device device, int width) const {
    return {.device = device,
            .grid = {blocks_for(Index{batch} * strips, 1), blocks_for(channels, block_columns * width)},
            .block = {static_cast<unsigned>(block_columns), static_cast<unsigned>(block_rows)}};
  }

  // A ticket for each column of blocks of an image.
  unsigned* tickets(Device device, int width) const {
    return cuda::tickets(device, Index{batch} * blocks_for(channels, block_columns * width));
  }
};

// A thread's part of a strip.
template <int Width>
class StripWalk {
 public:
  int n, strip;    // of this block
  int begin, end;  // the strip's pixels
  int channel;     // the first of this thread
  Index first;     // where that channel of the strip's first pixel lies

  __device__ explicit StripWalk(const ImageStrips& s)
      : n(block().x / s.strips),
        strip(block().x % s.strips),
        begin(strip * s.strip),
        end(begin + s.strip < s.pixels ? begin + s.strip : s.pixels),
        channel((block().y * block_size().x + thread().x) * Width),
        first((Index{n} * s.pixels + begin) * s.channels + channel),
        channels_(s.channels),
        strips_(s.strips) {}

  __device__ bool has_channel() const { return channel < channels_; }

  // use(i, read(i)) for every pixel of this thread, i: where its first channel lies. Memory answers late, so some are on
  // their way at a time.
  template <class Read, class Use>
  __device__ void each(const Read& read, const Use& use) const {
    if (!has_channel()) return;
    constexpr int at_once = 4;
    const int step = block_size().y * channels_, stop = (end - begin) * channels_;
    for (int i = thread().y * channels_; i < stop; i += at_once * step) {
      decltype(read(first)) values[at_once];
      NLCL_UNROLL
      for (int k = 0; k < at_once; ++k) values[k] = read(first + (i + k * step < stop ? i + k * step : i));
      NLCL_UNROLL
      for (int k = 0; k < at_once; ++k)
        if (i + k * step < stop) use(first + i + k * step, values[k]);
    }
  }

  // Whether the sums of all strips of the image and this block's channels have been stored. All threads of the block must
  // call it.
  __device__ bool is_last_of_image(unsigned* tickets) const {
    return is_last_block(tickets + n * grid_size().y + block().y, strips_);
  }

  // body(strip, k) for every strip of this thread and its channels, of strips [N,strips,C]; row 0 has the first strip.
  template <class Strip, class Body>
  __device__ void each_strip(const Strip* strips, const Body& body) const {
    if (!has_channel()) return;
    for (int i = thread().y; i < strips_; i += block_size().y)
      for (int k = 0; k < Width; ++k) body(strips[place_of(i) + k], k);
  }

  // Where the thread's first channel lies in [N,strips,C].
  __device__ Index place_of(int i) const { return (Index{n} * strips_ + i) * channels_ + channel; }

 private:
  int channels_, strips_;
};

// Sums over thread().y; row 0 gets them. The order is fixed. All threads of the block must call it.
template <class T, int Count>
__device__ void sum_over_rows(T (&values)[Count]) {
  __shared__ SharedArray<T, Count, ImageStrips::threads> shared;
  const int columns = block_size().x, row = thread().y, mine = row * columns + thread().x;
  for (int k = 0; k < Count; ++k) shared(k, mine) = values[k];
  for (int rows = block_size().y; rows > 1;) {
    const int half = (rows + 1) / 2;
    block_sync();
    if (row + half < rows)
      for (int k = 0; k < Count; ++k) shared(k, mine) = values[k] += shared(k, mine + half * columns);
    rows = half;
  }
}

// What a block knows of one channel: sums of d = x - shift and of d^2.
struct alignas(16) StripSums {
  float count, shift, sum, square_sum;
};

// The same of many, in double. They go to the shift of the first, so that nothing is divided before the end:
//
//     x - s = d + m,  m = shift - s:      sum (x - s) = sum d + n m      sum (x - s)^2 = sum d^2 + 2 m sum d + n m^2
//
// The shift is one of the values. If it is D off the mean, the variance is at least D^2 / n for n values, so that what its
// square takes from the end of the sum is a part n 2^-53 of the variance at most.
struct alignas(16) JoinedSums {
  double count, shift, sum, square_sum;

  __device__ void add(const auto& other) {
    const double move = static_cast<double>(other.shift) - shift, d = static_cast<double>(other.sum),
                 n = static_cast<double>(other.count);
    square_sum += static_cast<double>(other.square_sum) + move * (2 * d + n * move);
    sum += d + n * move;
    count += n;
  }
};

// The statistics of every image of a batch, both [N,C].
struct ChannelStatistics {
  Tensor<float> mean, inverse_deviation;

  ChannelStatistics() = default;
  ChannelStatistics(Tensor<float> m, Tensor<float> r) : mean(std::move(m)), inverse_deviation(std::move(r)) {}
  ChannelStatistics(Index batch, Index channels, Device device)  // not yet known
      : mean({batch, channels}, device), inverse_deviation({batch, channels}, device) {}
};

// Where the kernel stores them that makes the sums. Its last blocks do.
struct StoreStatistics {
  double eps;
  float *mean, *inverse_deviation;

  __device__ void operator()(const JoinedSums& sums, Index at) const {
    const ChannelMoments moments =
        ChannelMoments::of_strip(sums.count, sums.shift, sums.sum, sums.square_sum);
    mean[at] = static_cast<float>(moments.mean);
    inverse_deviation[at] = static_cast<float>(moments.inverse_deviation(eps));
  }
};

// strips: [N,strips,C]
template <int Width, class Read>
__global__ void strip_sums(ImageStrips s, Read x, StripSums* strips, unsigned* tickets,
                           StoreStatistics store) {
  const StripWalk<Width> walk(s);
  Vector<Width> shift{};  // the strip's own first pixel
  if (walk.has_channel()) shift = x.template at<Width>(walk.first);
  float sums[2 * Width]{};
  walk.each([&](Index i) { return x.template at<Width>(i); },
            [&](Index, const Vector<Width>& value) {
              for (int k = 0; k < Width; ++k) {
                const float d = value[k] - shift[k];
                sums[k] += d;
                sums[Width + k] += d * d;
              }
            });
  sum_over_rows(sums);
  const bool stores = thread().y == 0 && walk.has_channel();
  if (stores)
    for (int k = 0; k < Width; ++k)
      strips[walk.place_of(walk.strip) + k] = {static_cast<float>(walk.end - walk.begin), shift[k], sums[k],
                                               sums[Width + k]};

  if (!walk.is_last_of_image(tickets)) return;
  JoinedSums joined[Width]{};
  if (walk.has_channel())
    for (int k = 0; k < Width; ++k) joined[k].shift = static_cast<double>(strips[walk.place_of(0) + k].shift);
  walk.each_strip(strips, [&](const StripSums& strip, int k) { joined[k].add(strip); });
  double totals[2 * Width];
  for (int k = 0; k < Width; ++k) totals[k] = joined[k].sum, totals[Width + k] = joined[k].square_sum;
  sum_over_rows(totals);
  if (!stores) return;
  for (int k = 0; k < Width; ++k)
    store({static_cast<double>(s.pixels), joined[k].shift, totals[k], totals[Width + k]},
          Index{walk.n} * s.channels + walk.channel + k);
}

// The statistics of images x [N,H,W,C], read by read.at<Width>(i).
template <class Read>
ChannelStatistics instance_statistics(const Shape& x, Device device, const Read& read, double eps) {
  ChannelStatistics statistics(x[0], x[3], device);
  with_vector_width(x[3], [&]<int Width>() {
    const ImageStrips s(x, Width);
    Tensor<StripSums> strips({x[0], s.strips, x[3]}, device);
    launch<strip_sums<Width, Read>>(
        s.on(device, Width), s, read, strips.mutable_data(), s.tickets(device, Width),
        StoreStatistics{eps, statistics.mean.mutable_data(), statistics.inverse_deviation.mutable_data()});
  });
  return statistics;
}

}  // namespace nlcl::cuda
