// L2 normalise: every row to length 1.      y = x / (|x| + eps)
//
// With l = |x| + eps and g = dy:
//
//     dx = g / l - x (x . g) / (|x| l^2)
//
// For x = 0 there is no second term (y is 0 there, and its slope 1/eps in every direction).
#pragma once

#include <array>
#include <cmath>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace cuda {

Tensor<float> l2_normalize(const Tensor<float>& x, float eps);
Tensor<float> l2_normalize_gradient(const Tensor<float>& x, const Tensor<float>& dy, float eps);

}  // namespace cuda

namespace detail {

// dx of a row, from |x| and x . g.
template <class T>
struct L2Gradient {
  T length, along;

  NLCL_BOTH constexpr L2Gradient(T norm, T eps, T product)
      : length(norm + eps), along(norm > 0 ? product / (norm * length * length) : T{}) {}
  NLCL_BOTH constexpr T operator()(T x, T g) const { return g / length - x * along; }
};

}  // namespace detail

template <class T>
struct L2Normalize {
  static constexpr std::string_view name = "l2_normalize";
  T eps;
  Saved<T> x;  // [M,C]

  Tensor<T> forward(const Tensor<T>& input) {
    require<ShapeError>(input.shape().rank() == 2, "l2_normalize: x expects [M,C], is ", input.shape());
    x = input;
    if constexpr (on_cuda<T>)
      if (input.device().is_cuda()) return cuda::l2_normalize(input, eps);
    Tensor<T> y(input.shape());
    T* const to = y.mutable_data();
    for_each_row([&](Index first, Index last) {
      const T length = std::sqrt(dot(input.data(), input.data(), first, last)) + eps;
      for (Index i = first; i < last; ++i) to[i] = input.data()[i] / length;
    });
    return y;
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda()) return {cuda::l2_normalize_gradient(x.get(), dy, eps)};
    const T *const v = x.get().data(), *const g = dy.data();
    Tensor<T> dx(dy.shape());
    T* const to = dx.mutable_data();
    for_each_row([&](Index first, Index last) {
      const detail::L2Gradient<T> gradient(std::sqrt(dot(v, v, first, last)), eps, dot(v, g, first, last));
      for (Index i = first; i < last; ++i) to[i] = gradient(v[i], g[i]);
    });
    return {dx};
  }

 private:
  void for_each_row(const auto& body) const {
    const Index rows = x.shape()[0], columns = x.shape()[1];
    for (Index row = 0; row < rows; ++row) body(row * columns, (row + 1) * columns);
  }
  static T dot(const T* a, const T* b, Index first, Index last) {
    double sum = 0;
    for (Index i = first; i < last; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return static_cast<T>(sum);
  }
};

// x [M,C] -> y of the same shape. Throws ShapeError for another rank.
template <class T>
Tensor<T> l2_normalize(const Tensor<T>& x, double eps = 1e-7) {
  return apply(L2Normalize<T>{static_cast<T>(eps), {}}, x);
}

}  // namespace nlcl
