// A linear map with its parameters.
#pragma once

#include <string>

#include "nlcl/nn/init.hpp"
#include "nlcl/nn/module.hpp"
#include "nlcl/ops/linear.hpp"

namespace nlcl {

template <class T = float>
struct LinearLayer {
  Tensor<T> weight;  // [out,in]
  Tensor<T> bias;    // [out]

  // Initial weights are drawn from `random`.
  LinearLayer(Index in, Index out, Random& random, Init init = Init::kaiming_uniform())
      : weight({out, in}), bias({out}) {
    initialize(weight, bias, in, out, init, random);
    weight.set_requires_grad(true);
    bias.set_requires_grad(true);
  }

  // x [M,in] -> [M,out]. Throws ShapeError for other shapes.
  Tensor<T> operator()(const Tensor<T>& x) const { return linear(x, weight, bias); }

  void parameters(const std::string& prefix, const auto& visit) {
    visit(join_name(prefix, "weight"), weight);
    visit(join_name(prefix, "bias"), bias);
  }
};

}  // namespace nlcl
