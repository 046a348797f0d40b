// How the kernels of a convolution read x.
#pragma once

#include "nlcl/core/bf16.cuh"
#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/relu.hpp"

namespace nlcl::cuda {

// A source says what the numbers of x are: `Width` neighbouring channels, from c on, of image n, that lie `offset` numbers
// from the beginning of x. Of all blocks that read a pixel it is one's own, which may keep what it reads, for others to
// read later. Here they are what is stored.
template <class Number>
struct PlainSource {
  const Number* x;

  template <int Width>
  __device__ __forceinline__ Vector<Width> read(Index offset, int, int, bool) const {
    return load<Width>(x + offset);
  }
};

// norm(x) for the channels of one block's tiles.
template <class Number>
struct NormSource {
  const Number* x;
  const float *mean, *inverse_deviation;  // [N,32]

  template <int Width>
  __device__ __forceinline__ Vector<Width> read(Index offset, int n, int c, bool) const {
    Vector<Width> value = load<Width>(x + offset);
    const Vector<Width> m = load<Width>(mean + n * tile_channels + c),
                        r = load<Width>(inverse_deviation + n * tile_channels + c);
    NLCL_UNROLL
    for (int k = 0; k < Width; ++k) value[k] = (value[k] - m[k]) * r[k];
    return value;
  }
};

// relu(source), and the source kept as Number.
template <class Source, class Number>
struct ReluSource {
  Source source;
  Number* kept = nullptr;

  template <int Width>
  __device__ __forceinline__ Vector<Width> read(Index offset, int n, int c, bool own) const {
    Vector<Width> value = source.template read<Width>(offset, n, c, own);
    if (own && kept) store(kept + offset, value);
    NLCL_UNROLL
    for (int k = 0; k < Width; ++k) value[k] = ReluValue{}(value[k]);
    return value;
  }
};

// An image of a source, spread out, with zeros around it.
template <class Source>
struct PixelReader {
  Source source;
  Index first;  // of the image
  int height, width, channels, spread, n;

  __device__ PixelReader(const Source& x, int height_, int width_, int channels_, int spread_, int n_)
      : source(x),
        first(Index{n_} * height_ * width_ * channels_),
        height(height_),
        width(width_),
        channels(channels_),
        spread(spread_),
        n(n_) {}
  __device__ PixelReader(const Source& x, const Conv2dShape& s, int n_)
      : PixelReader(x, s.height, s.width, s.in, s.spread, n_) {}

  // Width channels from c on of a pixel, which is this reader's own or seen by others too.
  template <int Width>
  __device__ __forceinline__ Vector<Width> pixel(int row, int column, int c, bool own = false) const {
    Vector<Width> value{};
    const int at = place(row, column);
    if (at < 0 || c >= channels) return value;
    const Index offset = first + (at * channels + c);
    if (channels % Width == 0) {
      value = source.template read<Width>(offset, n, c, own);
    } else {
      NLCL_UNROLL
      for (int k = 0; k < Width; ++k)
        if (c + k < channels) value[k] = source.template read<1>(offset + k, n, c + k, false)[0];
    }
    return value;
  }

  // One channel of it.
  __device__ __forceinline__ float number(int row, int column, int c) const {
    const int at = place(row, column);
    return at < 0 ? 0.0f : source.template read<1>(first + (at * channels + c), n, c, false)[0];
  }

 private:
  // Which pixel of the image, or -1.
  __device__ __forceinline__ int place(int row, int column) const {
    if (spread > 1) {
      if (row % spread != 0 || column % spread != 0) return -1;
      row /= spread, column /= spread;
    }
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? row * width + column : -1;
  }
};

// Width numbers from k on of the kh * kw * in that an output pixel sees: for an x of few channels, and for windows that
// overlap little. They are then channels of their own, and the convolution is one with a 1x1 kernel.
template <int Width>
struct WindowNumbers {
  int row[Width], column[Width],
      channel[Width];  // from the window's first pixel on; channel -1: there is none

  __device__ WindowNumbers(const Conv2dShape& s, int k) {
    NLCL_UNROLL
    for (int i = 0; i < Width; ++i, ++k) {
      const int tap = k / s.in;
      row[i] = tap / s.kernel_width, column[i] = tap % s.kernel_width;
      channel[i] = k < s.depth() ? k % s.in : -1;
    }
  }

  template <class Source>
  __device__ __forceinline__ Vector<Width> of(const PixelReader<Source>& x, int top, int left) const {
    Vector<Width> value{};
    NLCL_UNROLL
    for (int i = 0; i < Width; ++i)
      if (channel[i] >= 0) value[i] = x.number(top + row[i], left + column[i], channel[i]);
    return value;
  }
};

}  // namespace nlcl::cuda
