// A convolution with its parameters.
#pragma once

#include <string>

#include "nlcl/nn/init.hpp"
#include "nlcl/nn/module.hpp"
#include "nlcl/ops/conv2d.hpp"

namespace nlcl {

template <class T = float>
struct ConvLayer {
  Tensor<T> weight;  // [k,k,in,out]
  Tensor<T> bias;    // [out]
  Conv2dOptions options;

  // A square kernel; initial weights are drawn from `random`, those of `weight` before those of `bias`.
  ConvLayer(Index in, Index out, Index kernel, Conv2dOptions options_, Random& random,
            Init init = Init::kaiming_uniform())
      : weight({kernel, kernel, in, out}), bias({out}), options(options_) {
    initialize(weight, bias, kernel * kernel * in, kernel * kernel * out, init, random);
    weight.set_requires_grad(true);
    bias.set_requires_grad(true);
  }

  // x [N,H,W,in] -> [N,H',W',out], H' = (H + 2 padding - k) / stride + 1. Throws ShapeError for another number of
  // channels, and where the kernel does not fit.
  Tensor<T> operator()(const Tensor<T>& x) const { return conv2d(x, weight, bias, options); }

  void parameters(const std::string& prefix, const auto& visit) {
    visit(join_name(prefix, "weight"), weight);
    visit(join_name(prefix, "bias"), bias);
  }
};

}  // namespace nlcl
