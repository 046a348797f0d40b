// Patch centres of two batches on a CUDA device.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/patch_center.hpp"

namespace nlcl::cuda {

__global__ void join_centers(int count, int all, Index images, const PatchCenter* a, const PatchCenter* b,
                             PatchCenter* to) {
  const auto i = static_cast<int>(grid_thread());
  if (i >= all) return;
  PatchCenter center = i < count ? a[i] : b[i - count];
  if (i >= count) center.image += images;
  to[i] = center;
}

Tensor<PatchCenter> joined(const Tensor<PatchCenter>& a, const Tensor<PatchCenter>& b, Index images) {
  constexpr int threads = 128;
  Tensor<PatchCenter> both({a.size() + b.size()}, a.device());
  launch<join_centers>({.device = a.device(), .grid = blocks_for(both.size(), threads), .block = threads},
                       to_int(a.size()), to_int(both.size()), images, a.data(), b.data(),
                       both.mutable_data());
  return both;
}

}  // namespace nlcl::cuda
