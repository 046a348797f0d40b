// A convolution as its kernels see it.
#pragma once

#include <algorithm>

#include "nlcl/core/launch.cuh"
#include "nlcl/ops/conv2d/sizes.hpp"

namespace nlcl::cuda {

inline constexpr int tile_channels = 32;  // of a block that makes all channels of its pixels

inline int ceil_divide(int count, int size) { return (count + size - 1) / size; }

// A convolution as kernels see it. dx = conv(dy, turned weight) is one, too: of a dy with spread - 1 zeros between
// its pixels, and with paddings that differ unless the kernel is square.
struct Conv2dShape {
  int batch, height, width, in;
  int kernel_height, kernel_width, out;
  int out_height, out_width;
  int stride, spread, top, left;  // top, left: zeros around the spread-out x
  bool turned;                    // the weight is [kh,kw,out,in], both axes of the kernel reversed

  __host__ __device__ int taps() const { return kernel_height * kernel_width; }
  __host__ __device__ int depth() const { return taps() * in; }
  int pixels() const { return batch * out_height * out_width; }

  // Where weight[tap, c, o] lies in memory, for k = tap * in + c.
  __device__ int weight_place(int k, int o) const {
    return turned ? ((taps() - 1 - k / in) * out + o) * in + k % in : k * out + o;
  }
};

// Throws ShapeError where an image, or the number of pixels, is too large for an int.
inline Conv2dShape conv2d_shape(const Conv2dSizes& s) {
  to_int(s.height * s.width * s.in), to_int(s.out_height * s.out_width * s.out);
  to_int(s.batch * std::max(s.height * s.width, s.out_height * s.out_width));
  to_int(s.kernel_height * s.kernel_width * (s.in + 64) * (s.out + 64));  // packed
  const int padding = to_int(s.padding);
  return {.batch = to_int(s.batch),
          .height = to_int(s.height),
          .width = to_int(s.width),
          .in = to_int(s.in),
          .kernel_height = to_int(s.kernel_height),
          .kernel_width = to_int(s.kernel_width),
          .out = to_int(s.out),
          .out_height = to_int(s.out_height),
          .out_width = to_int(s.out_width),
          .stride = to_int(s.stride),
          .spread = 1,
          .top = padding,
          .left = padding,
          .turned = false};
}

// That of dx from dy.
inline Conv2dShape turned(const Conv2dShape& s) {
  return {.batch = s.batch,
          .height = s.out_height,
          .width = s.out_width,
          .in = s.out,
          .kernel_height = s.kernel_height,
          .kernel_width = s.kernel_width,
          .out = s.in,
          .out_height = s.height,
          .out_width = s.width,
          .stride = 1,
          .spread = s.stride,
          .top = s.kernel_height - 1 - s.top,
          .left = s.kernel_width - 1 - s.left,
          .turned = true};
}

}  // namespace nlcl::cuda
