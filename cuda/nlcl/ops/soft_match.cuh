// soft_match on a CUDA device.
#pragma once

#include <limits>

#include "nlcl/core/warp_rows.cuh"
#include "nlcl/ops/soft_match.hpp"

namespace nlcl::cuda {

// w[q,:], a warp for each query.
__global__ void soft_match_weights(int queries, int count, float temperature, const float* distances,
                                   float* weights) {
  const int q = own_row();
  if (q >= queries) return;
  const float* const d = distances + q * count;
  float* const w = weights + q * count;
  const float nearest =
      -row_maximum(count, -std::numeric_limits<float>::infinity(), [=](int k) { return -d[k]; });
  const float total = static_cast<float>(
      row_sum(count, [=](int k) { return w[k] = std::exp((nearest - d[k]) / temperature); }));
  each_lane(count, [=](int k) { w[k] /= total; });
}

// y[q,c] = sum over k of w[q,k] f[q,k,c], a thread for each number.
__global__ void soft_match_means(int size, int count, int channels, const float* weights,
                                 const float* features, float* y) {
  const auto at = static_cast<int>(grid_thread());
  if (at >= size) return;
  const int q = at / channels, c = at % channels;
  float sum = 0;
  for (int k = q * count; k < (q + 1) * count; ++k) sum += weights[k] * features[k * channels + c];
  y[at] = sum;
}

// df[q,k,:] = w[q,k] dy[q,:], and e[q,k] = dy[q,:] . f[q,k,:], a warp for each match.
__global__ void soft_match_feature_gradient(int matches, int count, int channels, const float* weights,
                                            const float* features, const float* dy, float* dfeatures,
                                            float* e) {
  const int m = own_row();
  if (m >= matches) return;
  const float *const g = dy + m / count * channels, *const f = features + m * channels;
  float* const df = dfeatures + m * channels;
  each_lane(channels, [=](int c) { df[c] = weights[m] * g[c]; });
  const double product = row_sum(channels, [=](int c) { return g[c] * f[c]; });
  if (lane() == 0) e[m] = static_cast<float>(product);
}

// dd[q,k] = -w[q,k] (e[q,k] - mean(e[q,:])) / t, in the place of e, a warp for each query.
__global__ void soft_match_distance_gradient(int queries, int count, float temperature, const float* weights,
                                             float* ddistances) {
  const int q = own_row();
  if (q >= queries) return;
  const float* const w = weights + q * count;
  float* const d = ddistances + q * count;
  const auto mean = static_cast<float>(row_sum(count, [=](int k) { return w[k] * d[k]; }));
  each_lane(count, [=](int k) { d[k] = -w[k] * (d[k] - mean) / temperature; });
}

SoftMatchResult soft_match(const Tensor<float>& distances, const Tensor<float>& features, float temperature) {
  const Index queries = distances.shape()[0], count = distances.shape()[1], channels = features.shape()[1];
  const Device device = distances.device();
  Tensor<float> y({queries, channels}, device), weights(distances.shape(), device);
  to_int(features.size());
  launch<soft_match_weights>(launch_rows(device, queries), to_int(queries), to_int(count), temperature,
                             distances.data(), weights.mutable_data());
  constexpr int threads = 128;
  launch<soft_match_means>({.device = device, .grid = blocks_for(y.size(), threads), .block = threads},
                           to_int(y.size()), to_int(count), to_int(channels), weights.data(), features.data(),
                           y.mutable_data());
  return {y, weights};
}

std::array<Tensor<float>, 2> soft_match_gradient(const Tensor<float>& weights, const Tensor<float>& features,
                                                 const Tensor<float>& dy, float temperature) {
  const Index queries = weights.shape()[0], count = weights.shape()[1], channels = features.shape()[1];
  const Device device = weights.device();
  Tensor<float> ddistances(weights.shape(), device), dfeatures(features.shape(), device);
  launch<soft_match_feature_gradient>(launch_rows(device, weights.size()), to_int(weights.size()),
                                      to_int(count), to_int(channels), weights.data(), features.data(),
                                      dy.data(), dfeatures.mutable_data(), ddistances.mutable_data());
  launch<soft_match_distance_gradient>(launch_rows(device, queries), to_int(queries), to_int(count),
                                       temperature, weights.data(), ddistances.mutable_data());
  return {ddistances, dfeatures};
}

}  // namespace nlcl::cuda
