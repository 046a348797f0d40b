// slice on a CUDA device: forward there is nothing to compute.
#pragma once

#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/ops/slice.hpp"

namespace nlcl::cuda {

__global__ void slice_gradient_kernel(std::int64_t size, std::int64_t first, std::int64_t count,
                                      const float* dy, float* dx) {
  const std::int64_t i = grid_thread();
  if (i < size) dx[i] = i >= first && i < first + count ? dy[i - first] : 0.0f;
}

Tensor<float> slice_gradient(const Shape& x, Index first, const Tensor<float>& dy) {
  constexpr int threads = 256;
  Tensor<float> dx(x, dy.device());
  launch<slice_gradient_kernel>(
      {.device = dy.device(), .grid = blocks_for(dx.size(), threads), .block = threads},
      std::int64_t{dx.size()}, std::int64_t{first}, std::int64_t{dy.size()}, dy.data(), dx.mutable_data());
  return dx;
}

}  // namespace nlcl::cuda
