// linear on a CUDA device: three products, which differ in what is transposed.
#pragma once

#include "nlcl/core/matrix_product.cuh"
#include "nlcl/ops/linear.hpp"

namespace nlcl::cuda {

// y = x W^T + b
__global__ void linear_kernel(int rows, int in, int out, const float* x, const float* weight,
                              const float* bias, float* y) {
  matrix_product<Along::depth, Along::depth>(
      rows, out, in, [=](int m, int i) { return x[m * in + i]; },
      [=](int i, int o) { return weight[o * in + i]; },
      [=](int m, int o, float sum) { y[m * out + o] = sum + bias[o]; });
}

// dx = dy W
__global__ void linear_input_gradient(int rows, int in, int out, const float* dy, const float* weight,
                                      float* dx) {
  matrix_product<Along::depth, Along::side>(
      rows, in, out, [=](int m, int o) { return dy[m * out + o]; },
      [=](int o, int i) { return weight[o * in + i]; },
      [=](int m, int i, float sum) { dx[m * in + i] = sum; });
}

// dW = dy^T x. A bias is the weight of an input that is always 1, so db is one more column of this product.
__global__ void linear_weight_gradient(int rows, int in, int out, const float* dy, const float* x,
                                       float* dweight, float* dbias) {
  matrix_product<Along::side, Along::side>(
      out, in + 1, rows, [=](int o, int m) { return dy[m * out + o]; },
      [=](int m, int i) { return i < in ? x[m * in + i] : 1.0f; },
      [=](int o, int i, float sum) {
        if (i < in)
          dweight[o * in + i] = sum;
        else
          dbias[o] = sum;
      });
}

Tensor<float> linear(const Tensor<float>& x, const Tensor<float>& weight, const Tensor<float>& bias) {
  const Index rows = x.shape()[0], in = x.shape()[1], out = weight.shape()[0];
  Tensor<float> y({rows, out}, x.device());
  to_int(x.size()), to_int(y.size());
  launch<linear_kernel>(product_launch(x.device(), rows, out), to_int(rows), to_int(in), to_int(out),
                        x.data(), weight.data(), bias.data(), y.mutable_data());
  return y;
}

std::array<Tensor<float>, 3> linear_gradient(const Tensor<float>& x, const Tensor<float>& weight,
                                             const Tensor<float>& dy, const Wanted<3>& wanted) {
  const Index rows = x.shape()[0], in = x.shape()[1], out = weight.shape()[0];
  const Device device = x.device();
  Tensor<float> dx, dweight, dbias;
  if (wanted[0]) {
    dx = Tensor<float>(x.shape(), device);
    launch<linear_input_gradient>(product_launch(device, rows, in), to_int(rows), to_int(in), to_int(out),
                                  dy.data(), weight.data(), dx.mutable_data());
  }
  if (wanted[1] || wanted[2]) {
    dweight = Tensor<float>(weight.shape(), device), dbias = Tensor<float>({out}, device);
    launch<linear_weight_gradient>(product_launch(device, out, in + 1), to_int(rows), to_int(in), to_int(out),
                                   dy.data(), x.data(), dweight.mutable_data(), dbias.mutable_data());
  }
  return {dx, dweight, dbias};
}

}  // namespace nlcl::cuda
