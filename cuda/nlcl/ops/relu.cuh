// relu on a CUDA device.
#pragma once

#include "nlcl/core/elementwise.cuh"
#include "nlcl/ops/relu.hpp"

namespace nlcl::cuda {

template Tensor<float> map(const Tensor<float>&, const ReluValue&);
template Tensor<float> map(const Tensor<float>&, const Tensor<float>&, const ReluGradient&);

}  // namespace nlcl::cuda
