// leaky_relu on a CUDA device.
#pragma once

#include "nlcl/core/elementwise.cuh"
#include "nlcl/ops/leaky_relu.hpp"

namespace nlcl::cuda {

template Tensor<float> map(const Tensor<float>&, const LeakySlope<float>&);
template Tensor<float> map(const Tensor<float>&, const Tensor<float>&, const LeakySlope<float>&);

}  // namespace nlcl::cuda
