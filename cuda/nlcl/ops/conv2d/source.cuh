// How the kernels of a convolution read x.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/shape.cuh"

namespace nlcl::cuda {

// A source says what the numbers of x are: Width neighbouring channels from c on, of image n, that lie `offset` numbers
// from the beginning of x. It may have a keep(offset, the numbers), which is then called once for each pixel. Here they are
// those of a tensor, as `number` makes them of what is there (ops/conv2d/read_plain.hpp).
template <class Read>
struct TensorSource {
  const float* x;
  Read number;

  template <int Width>
  __device__ __forceinline__ Vector<Width> read(Index offset, int n, int c) const {
    constexpr int at_once = Width < 4 ? Width : 4;
    Vector<Width> value;
    NLCL_UNROLL
    for (int first = 0; first < Width; first += at_once) {
      const Vector<at_once> part = load<at_once>(x + offset + first);
      NLCL_UNROLL
      for (int k = 0; k < at_once; ++k) value[first + k] = number(part[k], n, c + first + k);
    }
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
      value = source.template read<Width>(offset, n, c);
      if constexpr (requires { source.keep(offset, value); })
        if (own) source.keep(offset, value);
    } else {
      NLCL_UNROLL
      for (int k = 0; k < Width; ++k)
        if (c + k < channels) value[k] = source.template read<1>(offset + k, n, c + k)[0];
    }
    return value;
  }

  // One channel of it.
  __device__ __forceinline__ float number(int row, int column, int c) const {
    const int at = place(row, column);
    return at < 0 ? 0.0f : source.template read<1>(first + (at * channels + c), n, c)[0];
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
