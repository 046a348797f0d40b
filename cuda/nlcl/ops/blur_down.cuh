// blur_down on the GPU (ops/blur_down.hpp has the formula).
//
// Each thread makes a few channels of one pixel: of y from the 3 x 3 pixels under it; of dx from the pixels of y
// that have taken from it, two in each direction at the most. Nobody adds to what belongs to another, so nothing
// depends on an order.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/blur_down.hpp"

namespace nlcl::cuda {

struct BlurSizes {
  int height, width, channels;  // of x
  int out_height, out_width;    // of y

  explicit BlurSizes(const Shape& x) : height(to_int(x[1])), width(to_int(x[2])), channels(to_int(x[3])) {
    to_int(x[1] * x[2] * x[3]);  // places within an image are int
    out_height = (height + 1) / 2, out_width = (width + 1) / 2;
  }
};

// A block makes a part of one row of its result: block().x is the row, of all images, and block().y the part.
inline constexpr int blur_threads = 256;

template <int Width>
__global__ void blur_down_forward(BlurSizes s, const float* x, float* y) {
  const int vectors = s.channels / Width, row = block().x;
  const int at = block().y * blur_threads + thread().x;
  if (at >= s.out_width * vectors) return;
  const int n = row / s.out_height, i = row % s.out_height, j = at / vectors;
  const float* const image = x + Index{n} * s.height * s.width * s.channels + at % vectors * Width;
  Vector<Width> sum{};
  for (int u = -1; u <= 1; ++u)
    for (int v = -1; v <= 1; ++v) {
      const int r = nlcl::detail::blur_reflect(2 * i + u, s.height),
                c = nlcl::detail::blur_reflect(2 * j + v, s.width);
      const Vector<Width> value = load<Width>(image + (r * s.width + c) * s.channels);
      const float weight = static_cast<float>(nlcl::detail::blur_weight(u) * nlcl::detail::blur_weight(v));
      for (int k = 0; k < Width; ++k) sum[k] += weight * value[k];
    }
  store(y + (Index{row} * s.out_width * vectors + at) * Width, sum);
}

// How much of element `from` of a line goes into element `to` of the blurred one.
__device__ inline float blur_share(int from, int to, int size) {
  float share = 0;
  for (int u = -1; u <= 1; ++u)
    if (nlcl::detail::blur_reflect(2 * to + u, size) == from)
      share += static_cast<float>(nlcl::detail::blur_weight(u));
  return share;
}

template <int Width>
__global__ void blur_down_backward(BlurSizes s, const float* dy, float* dx) {
  const int vectors = s.channels / Width, row = block().x;
  const int at = block().y * blur_threads + thread().x;
  if (at >= s.width * vectors) return;
  const int n = row / s.height, r = row % s.height, c = at / vectors;
  const float* const image = dy + Index{n} * s.out_height * s.out_width * s.channels + at % vectors * Width;
  Vector<Width> sum{};
  // An even element is the middle of one window; an odd one lies in those to its left and to its right.
  for (int i = r / 2; i <= (r + 1) / 2 && i < s.out_height; ++i)
    for (int j = c / 2; j <= (c + 1) / 2 && j < s.out_width; ++j) {
      const float weight = blur_share(r, i, s.height) * blur_share(c, j, s.width);
      const Vector<Width> g = load<Width>(image + (i * s.out_width + j) * s.channels);
      for (int k = 0; k < Width; ++k) sum[k] += weight * g[k];
    }
  store(dx + (Index{row} * s.width * vectors + at) * Width, sum);
}

inline Launch blur_launch(Device device, Index rows, Index row_vectors) {
  return {.device = device,
          .grid = {blocks_for(rows, 1), blocks_for(row_vectors, blur_threads)},
          .block = blur_threads};
}

Tensor<float> blur_down(const Tensor<float>& x) {
  const BlurSizes s(x.shape());
  const Index batch = x.shape()[0];
  Tensor<float> y({batch, s.out_height, s.out_width, s.channels}, x.device());
  with_vector_width(s.channels, [&]<int Width>() {
    launch<blur_down_forward<Width>>(
        blur_launch(x.device(), batch * s.out_height, Index{s.out_width} * s.channels / Width), s, x.data(),
        y.mutable_data());
  });
  return y;
}

Tensor<float> blur_down_gradient(const Shape& x, const Tensor<float>& dy) {
  const BlurSizes s(x);
  Tensor<float> dx(x, dy.device());
  with_vector_width(s.channels, [&]<int Width>() {
    launch<blur_down_backward<Width>>(
        blur_launch(dy.device(), x[0] * s.height, Index{s.width} * s.channels / Width), s, dy.data(),
        dx.mutable_data());
  });
  return dx;
}

}  // namespace nlcl::cuda
