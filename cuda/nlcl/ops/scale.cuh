// scale on a CUDA device.
#pragma once

#include "nlcl/core/elementwise.cuh"
#include "nlcl/ops/scale.hpp"

namespace nlcl::cuda {

template Tensor<float> map(const Tensor<float>&, const TimesFactor<float>&);

}  // namespace nlcl::cuda
