// ReLU: y = x for x > 0, else 0.      dx = dy where x > 0, else 0 (also at x = 0, where there is no
// derivative).
#pragma once

#include <array>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

struct ReluValue : MapFunction {
  template <class T>
  NLCL_BOTH T operator()(T x) const {
    return x < T{} ? T{} : x;  // NaN stays NaN
  }
};
struct ReluGradient : MapFunction {
  template <class T>
  NLCL_BOTH T operator()(T y, T g) const {
    return y > T{} ? g : T{};
  }
};

template <class T>
struct Relu {
  static constexpr std::string_view name = "relu";
  Saved<T> y;  // y > 0 exactly where x > 0, and the next layer keeps y anyway

  Tensor<T> forward(const Tensor<T>& x) {
    const Tensor<T> result = map(x, ReluValue{});
    y = result;
    return result;
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    return {map(y.get(), dy, ReluGradient{})};
  }
};

// Any shape; y has the shape of x.
template <class T>
Tensor<T> relu(const Tensor<T>& x) {
  return apply(Relu<T>{}, x);
}

}  // namespace nlcl
