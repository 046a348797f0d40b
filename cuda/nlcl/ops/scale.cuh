// scale on a CUDA device, and by factors of each element's own.
#pragma once

#include "nlcl/core/elementwise.cuh"
#include "nlcl/ops/scale.hpp"

namespace nlcl::cuda {

template Tensor<float> map(const Tensor<float>&, const TimesFactor<float>&);
template Tensor<float> map(const Tensor<float>&, const Tensor<float>&, const Times&);

}  // namespace nlcl::cuda
