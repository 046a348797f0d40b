// How the kernels of a convolution read x.
#pragma once

#include "nlcl/core/bf16.cuh"
#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/shape.cuh"

namespace nlcl::cuda {

// A source says what the numbers of x are. For a kernel of any convolution (PixelReader):
//
//     read<Width>(offset)            Width neighbouring channels that lie `offset` numbers from the beginning of x
//
// For that of residual blocks (block_tiles.cuh), which has many reads on their way before it needs the first:
//
//     channels<Width>(n, c)          what is the same for channels c and following of all pixels of image n
//     fetch<Width>(offset)           what lies in memory
//     value(fetched, channels)       the numbers
//     keep(offset, fetched, channels)   called for each pixel once, by the one block whose own it is: leaves what others
//                                    read later
//
// Here they are what is stored.
template <class Number>
struct PlainSource {
  struct NoChannels {};
  const Number* x;

  template <int Width>
  __device__ __forceinline__ Vector<Width> read(Index offset) const {
    return load<Width>(x + offset);
  }

  template <int Width>
  __device__ __forceinline__ NoChannels channels(int, int) const {
    return {};
  }
  template <int Width>
  __device__ __forceinline__ auto fetch(Index offset) const {
    return cuda::fetch<Width>(x + offset);
  }
  template <class Fetched>
  __device__ __forceinline__ auto value(const Fetched& fetched, NoChannels) const {
    return numbers(fetched);
  }
  template <class Fetched>
  __device__ __forceinline__ void keep(Index, const Fetched&, NoChannels) const {}
};

// scale * x + shift, for channels that have their own.
template <int Width>
struct ScaleShift {
  Vector<Width> scale, shift;

  __device__ __forceinline__ Vector<Width> operator()(Vector<Width> x) const {
    NLCL_UNROLL
    for (int k = 0; k < Width; ++k) x[k] = x[k] * scale[k] + shift[k];
    return x;
  }
};

// norm(x) for the channels of one block's tiles.
template <class Number>
struct NormSource {
  const Number* x;
  const float *mean, *inverse_deviation;  // [N,32]

  template <int Width>
  __device__ __forceinline__ ScaleShift<Width> channels(int n, int c) const {
    const Vector<Width> m = load<Width>(mean + n * tile_channels + c);
    ScaleShift<Width> norm{load<Width>(inverse_deviation + n * tile_channels + c), {}};
    NLCL_UNROLL
    for (int k = 0; k < Width; ++k) norm.shift[k] = -m[k] * norm.scale[k];
    return norm;
  }
  template <int Width>
  __device__ __forceinline__ auto fetch(Index offset) const {
    return cuda::fetch<Width>(x + offset);
  }
  template <class Fetched, int Width>
  __device__ __forceinline__ Vector<Width> value(const Fetched& fetched,
                                                 const ScaleShift<Width>& norm) const {
    return norm(numbers(fetched));
  }
};

// relu(source), and the source kept as Number.
template <class Source, class Number>
struct ReluSource {
  Source source;
  Number* kept = nullptr;

  template <int Width>
  __device__ __forceinline__ Vector<Width> read(Index offset) const {
    return clipped(source.template read<Width>(offset));
  }

  template <int Width>
  __device__ __forceinline__ auto channels(int n, int c) const {
    return source.template channels<Width>(n, c);
  }
  template <int Width>
  __device__ __forceinline__ auto fetch(Index offset) const {
    return source.template fetch<Width>(offset);
  }
  template <class Fetched, class Channels>
  __device__ __forceinline__ auto value(const Fetched& fetched, const Channels& channels) const {
    return clipped(source.value(fetched, channels));
  }
  template <class Fetched, class Channels>
  __device__ __forceinline__ void keep(Index offset, const Fetched& fetched, const Channels& channels) const {
    if (kept) store(kept + offset, source.value(fetched, channels));
  }

 private:
  template <int Width>
  __device__ __forceinline__ static Vector<Width> clipped(Vector<Width> value) {
    NLCL_UNROLL
    for (int k = 0; k < Width; ++k) value[k] = clip(value[k]);
    return value;
  }
};

// An image of a source, spread out, with zeros around it.
template <class Source>
struct PixelReader {
  Source source;
  Index first;  // of the image
  int height, width, channels, spread;

  __device__ PixelReader(const Source& x, int height_, int width_, int channels_, int spread_, int n)
      : source(x),
        first(Index{n} * height_ * width_ * channels_),
        height(height_),
        width(width_),
        channels(channels_),
        spread(spread_) {}
  __device__ PixelReader(const Source& x, const Conv2dShape& s, int n)
      : PixelReader(x, s.height, s.width, s.in, s.spread, n) {}

  // Width channels from c on of a pixel.
  template <int Width>
  __device__ __forceinline__ Vector<Width> pixel(int row, int column, int c) const {
    Vector<Width> value{};
    const int at = place(row, column);
    if (at < 0 || c >= channels) return value;
    const Index offset = first + (at * channels + c);
    if (channels % Width == 0) {
      value = source.template read<Width>(offset);
    } else {
      NLCL_UNROLL
      for (int k = 0; k < Width; ++k)
        if (c + k < channels) value[k] = source.template read<1>(offset + k)[0];
    }
    return value;
  }

  // The same in two parts, where channels come in Widths and are read as they are: what lies in memory, with zeros around it,
  // and the numbers.
  template <int Width>
  __device__ __forceinline__ auto fetch(int row, int column, int c) const {
    decltype(source.template fetch<Width>(0)) fetched{};
    const int at = place(row, column);
    if (at >= 0 && c < channels) fetched = source.template fetch<Width>(first + (at * channels + c));
    return fetched;
  }
  template <int Width, class Fetched>
  __device__ __forceinline__ Vector<Width> value(const Fetched& fetched) const {
    return source.value(fetched, source.template channels<Width>(0, 0));
  }

  // One channel of it.
  __device__ __forceinline__ float number(int row, int column, int c) const {
    const int at = place(row, column);
    return at < 0 ? 0.0f : source.template read<1>(first + (at * channels + c))[0];
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
