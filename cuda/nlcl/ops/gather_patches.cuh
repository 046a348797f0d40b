// gather_patches on a CUDA device.
#pragma once

#include "nlcl/core/warp_rows.cuh"
#include "nlcl/ops/gather_patches.hpp"

namespace nlcl::cuda {

// Centres in an image, and the map under it. Centres outside of the image are moved to its border: those of the
// device have not been checked.
struct CentersOnMap {
  nlcl::detail::MapSize map;
  Index height, width;  // of the image
  const PatchCenter* centers;
  int count;

  __device__ Index offset(int m) const {
    using nlcl::detail::clamped;
    const PatchCenter c = centers[m];
    return vector_offset(
        map, {clamped(c.image, 0, map.images), clamped(c.row, 0, height), clamped(c.column, 0, width)},
        height, width);
  }
};

// A warp for each centre.
__global__ void gather_patches_kernel(CentersOnMap at, const float* x, float* y) {
  const int m = own_row(), channels = static_cast<int>(at.map.channels);
  if (m >= at.count) return;
  const float* const from = x + at.offset(m);
  float* const to = y + std::int64_t{m} * channels;
  each_lane(channels, [=](int c) { to[c] = from[c]; });
}

// A warp for each centre. The first of the centres that fall on one vector adds up the gradients of all of them, in
// their order; the others have nothing to do. The lanes look for them among 32 centres at a time.
__global__ void gather_patches_gradient_kernel(CentersOnMap at, const float* dy, float* dx) {
  const int m = own_row(), channels = static_cast<int>(at.map.channels);
  if (m >= at.count) return;
  const Index own = at.offset(m);
  float* const to = dx + own;
  for (int first = 0; first < at.count; first += warp_size) {
    const int other = first + lane();
    const unsigned same = ballot(other < at.count && at.offset(other) == own);
    if (same == 0) continue;
    for (int i = 0; i < warp_size; ++i) {
      if ((same >> i & 1) == 0) continue;
      if (first + i < m) return;
      const float* const from = dy + std::int64_t{first + i} * channels;
      each_lane(channels, [=](int c) { to[c] += from[c]; });
    }
  }
}

Tensor<float> gather_patches(const Tensor<float>& x, const Tensor<PatchCenter>& centers, Index height,
                             Index width) {
  Tensor<float> y({centers.size(), x.shape()[3]}, x.device());
  const CentersOnMap at{x.shape(), height, width, centers.data(), to_int(centers.size())};
  launch<gather_patches_kernel>(launch_rows(x.device(), centers.size()), at, x.data(), y.mutable_data());
  return y;
}

Tensor<float> gather_patches_gradient(const Shape& x, const Tensor<PatchCenter>& centers, Index height,
                                      Index width, const Tensor<float>& dy) {
  Tensor<float> dx = Tensor<float>::zeros(x, dy.device());
  const CentersOnMap at{x, height, width, centers.data(), to_int(centers.size())};
  launch<gather_patches_gradient_kernel>(launch_rows(dy.device(), centers.size()), at, dy.data(),
                                         dx.mutable_data());
  return dx;
}

}  // namespace nlcl::cuda
