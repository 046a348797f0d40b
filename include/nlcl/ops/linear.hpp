// linear: y[m,o] = bias[o] + sum over i of x[m,i] * weight[o,i], in matrices y = x W^T + b.
//
//     dx = dy W        dW = dy^T x        db[o] = sum over m of dy[m,o]
//
// On the CPU the products are Eigen's.
#pragma once

#include <array>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/matrix_view.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace cuda {

Tensor<float> linear(const Tensor<float>& x, const Tensor<float>& weight, const Tensor<float>& bias);
std::array<Tensor<float>, 3> linear_gradient(const Tensor<float>& x, const Tensor<float>& weight,
                                             const Tensor<float>& dy, const Wanted<3>& wanted);

}  // namespace cuda

template <class T>
struct Linear {
  static constexpr std::string_view name = "linear";
  Saved<T> x, weight;

  Tensor<T> forward(const Tensor<T>& input, const Tensor<T>& matrix, const Tensor<T>& bias) {
    require<ShapeError>(input.shape().rank() == 2, "linear: x expects [M,in], is ", input.shape());
    require<ShapeError>(matrix.shape().rank() == 2 && matrix.shape()[1] == input.shape()[1],
                        "linear: weight expects [out,", input.shape()[1], "], is ", matrix.shape(), " (x ",
                        input.shape(), ")");
    const Index out = matrix.shape()[0];
    require<ShapeError>(bias.shape() == Shape{out}, "linear: bias expects ", Shape{out}, ", is ",
                        bias.shape());
    x = input, weight = matrix;
    if constexpr (on_cuda<T>)
      if (input.device().is_cuda()) return cuda::linear(input, matrix, bias);
    Tensor<T> y({input.shape()[0], out});
    auto result = detail::mutable_matrix(y);
    result.noalias() = detail::matrix(input) * detail::matrix(matrix).transpose();
    result.rowwise() += Eigen::Map<const Eigen::RowVectorX<T>>(bias.data(), out);
    return y;
  }

  std::array<Tensor<T>, 3> backward(const Tensor<T>& dy, const Wanted<3>& wanted) const {
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda()) return cuda::linear_gradient(x.get(), weight.get(), dy, wanted);
    std::array<Tensor<T>, 3> gradients;
    if (wanted[0]) {
      gradients[0] = Tensor<T>(x.shape());
      detail::mutable_matrix(gradients[0]).noalias() = detail::matrix(dy) * detail::matrix(weight.get());
    }
    if (wanted[1]) {
      gradients[1] = Tensor<T>(weight.shape());
      detail::mutable_matrix(gradients[1]).noalias() =
          detail::matrix(dy).transpose() * detail::matrix(x.get());
    }
    if (wanted[2]) {
      gradients[2] = Tensor<T>({dy.shape()[1]});
      Eigen::Map<Eigen::RowVectorX<T>>(gradients[2].mutable_data(), dy.shape()[1]) =
          detail::matrix(dy).colwise().sum();
    }
    return gradients;
  }
};

// x [M,in], weight [out,in] (as in PyTorch), bias [out] -> y [M,out]. Throws ShapeError where they do not
// fit.
template <class T>
Tensor<T> linear(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias) {
  return apply(Linear<T>{}, x, weight, bias);
}

}  // namespace nlcl
