// sum: y = a + b, element by element.      da = dy, db = dy.
#pragma once

#include <array>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

template <class T>
struct Sum {
  static constexpr std::string_view name = "sum";

  Tensor<T> forward(const Tensor<T>& a, const Tensor<T>& b) {
    require<ShapeError>(a.shape() == b.shape(), "sum: a has shape ", a.shape(), ", b has ", b.shape());
    return map(a, b, Plus{});
  }

  // The same tensor twice: the tape copies it before it adds anything to it.
  std::array<Tensor<T>, 2> backward(const Tensor<T>& dy, const Wanted<2>&) const { return {dy, dy}; }
};

// a and b of one shape, which is the result's. Throws ShapeError for two.
template <class T>
Tensor<T> sum(const Tensor<T>& a, const Tensor<T>& b) {
  return apply(Sum<T>{}, a, b);
}

}  // namespace nlcl
