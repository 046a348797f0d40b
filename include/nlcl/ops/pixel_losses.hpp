// Losses that are means over all elements.
//
//     mean_squared_error(a, b)  = mean (a - b)^2        da = 2 (a - b) / n,    db = -da
//     mean_absolute_error(a, b) = mean |a - b|          da = sign(a - b) / n,  db = -da    (0 where a = b)
//     lsgan(x, target)          = mean (x - target)^2   dx = 2 (x - target) / n
//
// The last is the least-squares adversarial loss (Mao et al., ICCV 2017): target 1 for "real", 0 for
// "generated".
#pragma once

#include <array>
#include <cmath>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/reduce.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// What is averaged, with its derivative.
struct SquaredError {
  static constexpr std::string_view name = "mean_squared_error";
  NLCL_BOTH static auto value(auto difference) { return difference * difference; }
  NLCL_BOTH static auto derivative(auto difference) { return 2 * difference; }
};
struct AbsoluteError {
  static constexpr std::string_view name = "mean_absolute_error";
  NLCL_BOTH static auto value(auto difference) { return std::abs(difference); }
  template <class T>
  NLCL_BOTH static T derivative(T difference) {
    return static_cast<T>((difference > 0) - (difference < 0));
  }
};

namespace cuda {
template <class Error>
Tensor<float> mean_error(const Tensor<float>& a, const Tensor<float>& b);
template <class Error>
Tensor<float> mean_error_gradient(const Tensor<float>& a, const Tensor<float>& b, const Tensor<float>& dy,
                                  float sign);
}  // namespace cuda

template <class T, class Error>
struct MeanError {
  static constexpr std::string_view name = Error::name;
  Saved<T> a, b;

  Tensor<T> forward(const Tensor<T>& left, const Tensor<T>& right) {
    require<ShapeError>(left.shape() == right.shape() && left.size() > 0, name, ": a has shape ",
                        left.shape(), ", b has ", right.shape());
    a = left, b = right;
    if constexpr (on_cuda<T>)
      if (left.device().is_cuda()) return cuda::mean_error<Error>(left, right);
    const T *const x = left.data(), *const y = right.data();
    const double sum =
        ordered_sum(left.size(), [&](Index i) { return Error::value(static_cast<double>(x[i] - y[i])); });
    return Tensor<T>::scalar(static_cast<T>(sum / static_cast<double>(left.size())));
  }

  std::array<Tensor<T>, 2> backward(const Tensor<T>& dy, const Wanted<2>& wanted) const {
    const auto gradient = [&](T sign) {
      if constexpr (on_cuda<T>)
        if (dy.device().is_cuda()) return cuda::mean_error_gradient<Error>(a.get(), b.get(), dy, sign);
      const T factor = dy.item() / static_cast<T>(a.shape().size());
      return map(a.get(), b.get(), [=](T x, T y) { return sign * factor * Error::derivative(x - y); });
    };
    return {wanted[0] ? gradient(1) : Tensor<T>(), wanted[1] ? gradient(-1) : Tensor<T>()};
  }
};

// a, b of one shape -> a scalar. Throw ShapeError for two shapes or no elements.
template <class T>
Tensor<T> mean_squared_error(const Tensor<T>& a, const Tensor<T>& b) {
  return apply(MeanError<T, SquaredError>{}, a, b);
}
template <class T>
Tensor<T> mean_absolute_error(const Tensor<T>& a, const Tensor<T>& b) {
  return apply(MeanError<T, AbsoluteError>{}, a, b);
}

// x of any shape, the verdict of a discriminator on each of its patches -> a scalar.
template <class T>
Tensor<T> lsgan(const Tensor<T>& x, double target) {
  return mean_squared_error(x, Tensor<T>::full(x.shape(), static_cast<T>(target), x.device()));
}

}  // namespace nlcl
