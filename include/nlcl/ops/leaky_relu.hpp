// Leaky ReLU (Maas et al. 2013): y = x for x > 0, else slope * x.      dx = dy where x > 0, else slope * dy.
#pragma once

#include <array>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// The value, times the slope where the sign is not positive: y from x, and dx from y and dy.
template <class T>
struct LeakySlope : MapFunction {
  T slope;

  NLCL_BOTH T operator()(T x) const { return (*this)(x, x); }
  NLCL_BOTH T operator()(T sign, T value) const {
    const T scaled = slope * value;  // computed in either case, so that the loop has no branch
    return sign > T{} ? value : scaled;
  }
};

template <class T>
struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  T slope;
  Saved<T> y;  // has the sign of x, since the slope is positive, and the next layer keeps y anyway

  Tensor<T> forward(const Tensor<T>& x) {
    require<ShapeError>(slope > 0, "leaky_relu: slope is ", slope, ", expected more than 0");
    const Tensor<T> result = map(x, LeakySlope<T>{{}, slope});
    y = result;
    return result;
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    return {map(y.get(), dy, LeakySlope<T>{{}, slope})};
  }
};

// Any shape; y has the shape of x. Throws ShapeError for a slope that is not positive.
template <class T>
Tensor<T> leaky_relu(const Tensor<T>& x, double slope = 0.2) {
  return apply(LeakyRelu<T>{static_cast<T>(slope), {}}, x);
}

}  // namespace nlcl
