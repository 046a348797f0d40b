// Sums over the pixels of every channel on the GPU, and what comes of them: mean and deviation.
//
// A block takes a strip of pixels and a column of channels. Each of its threads keeps to a few channels, four where
// they come in fours, and walks down the strip:
//
//     thread().x   channels, side by side in memory: a warp reads whole lines
//     thread().y   a pixel; the thread's next one is block_size().y further on
//
// The threads' sums are added in shared memory as a tree, and the block's sums are stored in a place of their own.
// A second kernel joins the strips of each image (core/channel_statistics.hpp has the formula), again as a tree. Strips
// and trees are cut by the image's size alone, and so the bits repeat.
#pragma once

#include <algorithm>

#include "nlcl/core/block.cuh"
#include "nlcl/core/channel_statistics.hpp"
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
        channels_(s.channels) {}

  __device__ bool has_channel() const { return channel < channels_; }

  // body(i) for every pixel of this thread, i: where its first channel lies.
  template <class Body>
  __device__ void each(const Body& body) const {
    if (!has_channel()) return;
    const int step = block_size().y * channels_, stop = (end - begin) * channels_;
    for (int i = thread().y * channels_; i < stop; i += step) body(first + i);
  }

 private:
  int channels_;
};

// Sums over thread().y; row 0 gets them. The order is fixed. All threads of the block must call it.
template <int Count>
__device__ void sum_over_rows(float (&values)[Count]) {
  __shared__ SharedArray<float, Count, ImageStrips::threads> shared;
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

  NLCL_BOTH operator ChannelMoments() const {
    return ChannelMoments::of_strip(count, shift, sum, square_sum);
  }
};

// [N,strips,C]
template <int Width, class Read>
__global__ void strip_sums(ImageStrips s, Read x, StripSums* to) {
  const StripWalk<Width> walk(s);
  Vector<Width> shift{};  // the strip's own first pixel
  if (walk.has_channel()) shift = x.template at<Width>(walk.first);
  float sums[2 * Width]{};
  walk.each([&](Index i) {
    const Vector<Width> value = x.template at<Width>(i);
    for (int k = 0; k < Width; ++k) {
      const float d = value[k] - shift[k];
      sums[k] += d;
      sums[Width + k] += d * d;
    }
  });
  sum_over_rows(sums);
  if (thread().y > 0 || !walk.has_channel()) return;
  StripSums* const strip = to + (Index{walk.n} * s.strips + walk.strip) * s.channels + walk.channel;
  for (int k = 0; k < Width; ++k)
    strip[k] = {static_cast<float>(walk.end - walk.begin), shift[k], sums[k], sums[Width + k]};
}

inline constexpr int join_columns = 8, join_rows = 32;  // a block of join_strips: channels, runs of strips

// store(total, n * C + c), where total is all of strips[n,0..strips,c] joined.
template <class Total, class Strip, class Store>
__global__ void join_strips(const Strip* from, int strips, int channels, Store store) {
  const int row = thread().y, column = thread().x;
  const int n = block().x, channel = block().y * join_columns + column;
  Total total{};
  if (channel < channels)
    for (int i = row; i < strips; i += join_rows)
      total.join(from[(Index{n} * strips + i) * channels + channel]);

  __shared__ SharedArray<Total, join_rows, join_columns> shared;
  shared(row, column) = total;
  for (int half = join_rows / 2; half > 0; half /= 2) {
    block_sync();
    if (row < half) shared(row, column).join(shared(row + half, column));
  }
  if (row == 0 && channel < channels) store(shared(0, column), Index{n} * channels + channel);
}

template <class Total, class Strip, class Store>
void launch_join_strips(const Tensor<Strip>& strips, const Store& store) {  // [N,strips,C]
  const Index batch = strips.shape()[0], channels = strips.shape()[2];
  launch<join_strips<Total, Strip, Store>>(
      {.device = strips.device(),
       .grid = {blocks_for(batch, 1), blocks_for(channels, join_columns)},
       .block = {join_columns, join_rows}},
      strips.data(), to_int(strips.shape()[1]), to_int(channels), store);
}

// The statistics of every image of a batch, both [N,C].
struct ChannelStatistics {
  Tensor<float> mean, inverse_deviation;
};

struct StoreStatistics {
  double eps;
  float *mean, *inverse_deviation;

  __device__ void operator()(const ChannelMoments& moments, Index at) const {
    mean[at] = static_cast<float>(moments.mean);
    inverse_deviation[at] = static_cast<float>(moments.inverse_deviation(eps));
  }
};

inline ChannelStatistics join_strips(const Tensor<StripSums>& strips, double eps) {
  const Shape channels{strips.shape()[0], strips.shape()[2]};
  ChannelStatistics s{Tensor<float>(channels, strips.device()), Tensor<float>(channels, strips.device())};
  launch_join_strips<ChannelMoments>(
      strips, StoreStatistics{eps, s.mean.mutable_data(), s.inverse_deviation.mutable_data()});
  return s;
}

// The statistics of images x [N,H,W,C], read by read.at<Width>(i).
template <class Read>
ChannelStatistics instance_statistics(const Shape& x, Device device, const Read& read, double eps) {
  Tensor<StripSums> strips;
  with_vector_width(x[3], [&]<int Width>() {
    const ImageStrips s(x, Width);
    strips = Tensor<StripSums>({x[0], s.strips, x[3]}, device);
    launch<strip_sums<Width, Read>>(s.on(device, Width), s, read, strips.mutable_data());
  });
  return join_strips(strips, eps);
}

}  // namespace nlcl::cuda
