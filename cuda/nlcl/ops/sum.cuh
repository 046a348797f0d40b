// sum on a CUDA device, and the sums of gradients.
#pragma once

#include "nlcl/core/elementwise.cuh"
#include "nlcl/core/slots.cuh"
#include "nlcl/ops/sum.hpp"

namespace nlcl::cuda {

template Tensor<float> map(const Tensor<float>&, const Tensor<float>&, const Plus&);
template void update(Tensor<float>&, const Tensor<float>&, const Plus&);

__global__ void add_kernel(SlotTable<Addition> additions) {
  additions.each([](const Addition& a, std::int64_t i) { a.sum[i] += a.term[i]; });
}

void add(Device device, const std::vector<Addition>& additions) {
  launch_slots<add_kernel>(device, additions);
}

}  // namespace nlcl::cuda
