// l2_normalize on a CUDA device: a warp for each row. Squares are added in double.
#pragma once

#include "nlcl/core/warp_rows.cuh"
#include "nlcl/ops/l2_normalize.hpp"

namespace nlcl::cuda {

// a . b
__device__ inline float row_product(int count, const float* a, const float* b) {
  return static_cast<float>(
      row_sum(count, [=](int i) { return static_cast<double>(a[i]) * static_cast<double>(b[i]); }));
}

__global__ void l2_normalize_kernel(int rows, int columns, float eps, const float* x, float* y) {
  const int row = own_row();
  if (row >= rows) return;
  const float* const from = x + row * columns;
  float* const to = y + row * columns;
  const float length = std::sqrt(row_product(columns, from, from)) + eps;
  each_lane(columns, [=](int i) { to[i] = from[i] / length; });
}

__global__ void l2_normalize_gradient_kernel(int rows, int columns, float eps, const float* x,
                                             const float* dy, float* dx) {
  const int row = own_row();
  if (row >= rows) return;
  const float *const v = x + row * columns, *const g = dy + row * columns;
  float* const to = dx + row * columns;
  const nlcl::detail::L2Gradient gradient(std::sqrt(row_product(columns, v, v)), eps,
                                          row_product(columns, v, g));
  each_lane(columns, [=](int i) { to[i] = gradient(v[i], g[i]); });
}

Tensor<float> l2_normalize(const Tensor<float>& x, float eps) {
  Tensor<float> y(x.shape(), x.device());
  to_int(x.size());
  launch<l2_normalize_kernel>(launch_rows(x.device(), x.shape()[0]), to_int(x.shape()[0]),
                              to_int(x.shape()[1]), eps, x.data(), y.mutable_data());
  return y;
}

Tensor<float> l2_normalize_gradient(const Tensor<float>& x, const Tensor<float>& dy, float eps) {
  Tensor<float> dx(x.shape(), x.device());
  launch<l2_normalize_gradient_kernel>(launch_rows(x.device(), x.shape()[0]), to_int(x.shape()[0]),
                                       to_int(x.shape()[1]), eps, x.data(), dy.data(), dx.mutable_data());
  return dx;
}

}  // namespace nlcl::cuda
