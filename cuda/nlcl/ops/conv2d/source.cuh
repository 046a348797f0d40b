// How the kernels of a convolution read x.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/shape.cuh"

namespace nlcl::cuda {

// A source says what the numbers of x are: four neighbouring channels, c .. c+3 of image n, that lie `offset` numbers
// from the beginning of x; or one of them. It may have a keep(offset, four numbers), which is then called once for
// each pixel. Here they are those of a tensor, read as `read` does
// (ops/conv2d/read_plain.hpp).
template <class Read>
struct TensorSource {
  const float* x;
  Read read;

  __device__ __forceinline__ Vector<4> four(Index offset, int n, int c) const {
    Vector<4> value = load<4>(x + offset);
    NLCL_UNROLL
    for (int k = 0; k < 4; ++k) value[k] = read(value[k], n, c + k);
    return value;
  }
  __device__ __forceinline__ float one(Index offset, int n, int c) const { return read(x[offset], n, c); }
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

  // Channels c .. c+3 of a pixel, which is this reader's own or seen by others too.
  __device__ __forceinline__ Vector<4> pixel(int row, int column, int c, bool own = false) const {
    Vector<4> value{};
    const int at = place(row, column);
    if (at < 0 || c >= channels) return value;
    const Index offset = first + (at * channels + c);
    if (channels % 4 == 0) {
      value = source.four(offset, n, c);
      if constexpr (requires { source.keep(offset, value); })
        if (own) source.keep(offset, value);
    } else {
      NLCL_UNROLL
      for (int k = 0; k < 4; ++k)
        if (c + k < channels) value[k] = source.one(offset + k, n, c + k);
    }
    return value;
  }

  // One channel of it.
  __device__ __forceinline__ float number(int row, int column, int c) const {
    const int at = place(row, column);
    return at < 0 ? 0.0f : source.one(first + (at * channels + c), n, c);
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

// Numbers k .. k+3 of the kh * kw * in that an output pixel sees: for an x of few channels, and for windows that
// overlap little. They are then channels of their own, and the convolution is one with a 1x1 kernel.
struct WindowNumbers {
  int row[4], column[4], channel[4];  // from the window's first pixel on; channel -1: there is none

  __device__ WindowNumbers(const Conv2dShape& s, int k) {
    NLCL_UNROLL
    for (int i = 0; i < 4; ++i, ++k) {
      const int tap = k / s.in;
      row[i] = tap / s.kernel_width, column[i] = tap % s.kernel_width;
      channel[i] = k < s.depth() ? k % s.in : -1;
    }
  }

  template <class Source>
  __device__ __forceinline__ Vector<4> of(const PixelReader<Source>& x, int top, int left) const {
    Vector<4> value{};
    NLCL_UNROLL
    for (int i = 0; i < 4; ++i)
      if (channel[i] >= 0) value[i] = x.number(top + row[i], left + column[i], channel[i]);
    return value;
  }
};

}  // namespace nlcl::cuda
