// scale: y = factor * x.      dx = factor * dy.
#pragma once

#include <array>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

template <class T>
struct TimesFactor : MapFunction {
  T factor;

  NLCL_BOTH T operator()(T x) const { return factor * x; }
};

template <class T>
struct Scale {
  static constexpr std::string_view name = "scale";
  T factor;

  Tensor<T> forward(const Tensor<T>& x) { return map(x, TimesFactor<T>{{}, factor}); }
  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    return {map(dy, TimesFactor<T>{{}, factor})};
  }
};

// Any shape; y has the shape of x. The weight of a loss term.
template <class T>
Tensor<T> scale(const Tensor<T>& x, double factor) {
  return apply(Scale<T>{static_cast<T>(factor)}, x);
}

}  // namespace nlcl
