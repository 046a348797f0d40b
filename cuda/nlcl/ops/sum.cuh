// sum on a CUDA device.
#pragma once

#include "nlcl/core/elementwise.cuh"
#include "nlcl/ops/sum.hpp"

namespace nlcl::cuda {

template Tensor<float> map(const Tensor<float>&, const Tensor<float>&, const SumOfTwo&);

}  // namespace nlcl::cuda
