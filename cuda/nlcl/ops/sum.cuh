// sum on a CUDA device, and the sums of gradients.
#pragma once

#include "nlcl/core/elementwise.cuh"
#include "nlcl/ops/sum.hpp"

namespace nlcl::cuda {

template Tensor<float> map(const Tensor<float>&, const Tensor<float>&, const Plus&);
template void update(Tensor<float>&, const Tensor<float>&, const Plus&);

}  // namespace nlcl::cuda
