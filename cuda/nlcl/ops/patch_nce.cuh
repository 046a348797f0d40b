// patch_nce on a CUDA device, in three kernels forward: the similarities, the rows, the sum of their losses. The
// similarities become their slopes in place.
#pragma once

#include "nlcl/core/matrix_product.cuh"
#include "nlcl/core/warp_rows.cuh"
#include "nlcl/ops/patch_nce.hpp"

namespace nlcl::cuda {

// s[i,j] = q_i . k_j / t, in each group.
__global__ void patch_nce_similarities(int count, int channels, float temperature, const float* queries,
                                       const float* keys, float* similarities) {
  const int first = block().z * count;
  const float *const q = queries + first * channels, *const k = keys + first * channels;
  float* const s = similarities + first * count;
  matrix_product<Along::depth, Along::depth>(
      count, count, channels, [=](int i, int c) { return q[i * channels + c]; },
      [=](int c, int j) { return k[j * channels + c]; },
      [=](int i, int j, float sum) { s[i * count + j] = sum / temperature; });
}

// A row of similarities becomes its slope: ds = (exp(s) / z - [i = j]) / M. Its loss is log(z) - s[i,i]. A lane
// reads and writes numbers of its own only.
__global__ void patch_nce_rows(int rows, int count, float fill, float* slope, double* losses) {
  const int row = own_row();
  if (row >= rows) return;
  float* const s = slope + row * count;
  const int own = row % count;
  const bool has_positive = lane() == own % warp_size;
  const float positive = has_positive ? s[own] : 0;
  const float largest = row_maximum(count, fill, [=](int j) { return s[j]; });
  const double total = row_sum(count, [=](int j) { return s[j] = std::exp(s[j] - largest); }) +
                       std::exp(static_cast<double>(fill - largest));
  const float share = static_cast<float>(total) * static_cast<float>(rows);
  each_lane(count, [=](int j) { s[j] = s[j] / share - (j == own ? 1 / static_cast<float>(rows) : 0); });
  if (has_positive) losses[row] = std::log(total) + static_cast<double>(largest - positive);
}

// dq = ds k / t, or dk = ds^T q / t.
template <bool of_keys>
__global__ void patch_nce_gradient_kernel(int count, int channels, float temperature, const float* dy,
                                          const float* slope, const float* others, float* gradient) {
  const int first = block().z * count;
  const float *const ds = slope + first * count, *const v = others + first * channels;
  float* const to = gradient + first * channels;
  const float factor = *dy / temperature;
  matrix_product<of_keys ? Along::side : Along::depth, Along::side>(
      count, channels, count, [=](int i, int j) { return of_keys ? ds[j * count + i] : ds[i * count + j]; },
      [=](int j, int c) { return v[j * channels + c]; },
      [=](int i, int c, float sum) { to[i * channels + c] = factor * sum; });
}

PatchNceResult patch_nce(const Tensor<float>& queries, const Tensor<float>& keys, float temperature,
                         Index groups) {
  const Index rows = queries.shape()[0], count = rows / groups, channels = queries.shape()[1];
  const Device device = queries.device();
  Tensor<float> slope({rows, count}, device);
  Tensor<double> losses({rows}, device);
  to_int(queries.size()), to_int(slope.size());
  launch<patch_nce_similarities>(product_launch(device, count, count, groups), to_int(count),
                                 to_int(channels), temperature, queries.data(), keys.data(),
                                 slope.mutable_data());
  launch<patch_nce_rows>(launch_rows(device, rows), to_int(rows), to_int(count),
                         PatchNce<float>::masked / temperature, slope.mutable_data(), losses.mutable_data());
  return {sum_of_terms(losses, 1 / static_cast<double>(rows)), slope};
}

std::array<Tensor<float>, 2> patch_nce_gradient(const Tensor<float>& queries, const Tensor<float>& keys,
                                                const Tensor<float>& slope, const Tensor<float>& dy,
                                                float temperature, Index groups, const Wanted<2>& wanted) {
  const Index count = slope.shape()[1], channels = queries.shape()[1];
  const Device device = queries.device();
  std::array<Tensor<float>, 2> gradients;
  const auto compute = [&]<bool of_keys>(const Tensor<float>& others) {
    Tensor<float>& gradient = gradients[of_keys];
    gradient = Tensor<float>(queries.shape(), device);
    launch<patch_nce_gradient_kernel<of_keys>>(product_launch(device, count, channels, groups), to_int(count),
                                               to_int(channels), temperature, dy.data(), slope.data(),
                                               others.data(), gradient.mutable_data());
  };
  if (wanted[0]) compute.operator()<false>(keys);
  if (wanted[1]) compute.operator()<true>(queries);
  return gradients;
}

}  // namespace nlcl::cuda
