// layer_contrast on a CUDA device, in three kernels forward: the similarities of a pool, the rows, the sum of their
// losses; and one backward, for ds z + ds^T z is (ds + ds^T) z. The pool is never put together: what reads it finds
// each row in its own tensor.
#pragma once

#include <limits>

#include "nlcl/core/matrix_product.cuh"
#include "nlcl/core/warp_rows.cuh"
#include "nlcl/ops/layer_contrast.hpp"

namespace nlcl::cuda {

// The two layers in a pool: index 0 is the background.
struct ContrastLayers {
  int members[2];
  float temperature[2];
  double weight[2];  // c_l, over the number of groups
  bool decoupled;
  float hardness;

  __device__ int count() const { return members[0] + members[1]; }
  __device__ bool is_rain(int i) const { return i >= members[0]; }

  // Of the layer of row i. An array that a variable indexes would live in memory.
  template <class T>
  __device__ T of(const T (&values)[2], int i) const {
    return is_rain(i) ? values[1] : values[0];
  }
};

// The rows of a pool, in place.
template <class T>
struct ContrastPool {
  T *background, *rain;
  int background_count, channels;

  __device__ ContrastPool(const ContrastLayers& layers, int channel_count, T* all_background, T* all_rain)
      : background(all_background + block().z * layers.members[0] * channel_count),
        rain(all_rain + block().z * layers.members[1] * channel_count),
        background_count(layers.members[0]),
        channels(channel_count) {}
  __device__ T& operator()(int i, int c) const {
    return i < background_count ? background[i * channels + c] : rain[(i - background_count) * channels + c];
  }
};

// s[i,a] = z_i . z_a / t, t that of the anchor i.
__global__ void layer_similarities(ContrastLayers layers, int channels, const float* background,
                                   const float* rain, float* similarities) {
  const int count = layers.count();
  const ContrastPool z(layers, channels, background, rain);
  float* const s = similarities + block().z * count * count;
  matrix_product<Along::depth, Along::depth>(
      count, count, channels, z, [=](int c, int a) { return z(a, c); },
      [=](int i, int a, float sum) { s[i * count + a] = sum / layers.of(layers.temperature, i); });
}

// exp(s) of the other layer becomes h ((1 + b) exp(s) - b m), see ops/layer_contrast.hpp. Returns the sum of the row.
template <class IsOther>
__device__ double harden(float* s, int count, IsOther is_other, float hardness) {
  const float closest = row_maximum(count, 0, [=](int a) { return is_other(a) ? s[a] : 0; });
  if (closest > 0) {
    const auto others = static_cast<float>(row_sum(count, [=](int a) { return is_other(a) ? 1 : 0; }));
    const auto raised = [=](int a) { return is_other(a) ? std::pow(s[a] / closest, hardness) : 0; };
    const float raised_mean = static_cast<float>(row_sum(count, raised)) / others;
    const auto h = [=](int a) { return raised(a) / raised_mean; };
    const float mean = static_cast<float>(row_sum(count, [=](int a) { return h(a) * s[a]; })) / others;
    each_lane(count, [=](int a) {
      if (is_other(a)) s[a] = h(a) * ((1 + hardness) * s[a] - hardness * mean);
    });
  }
  return row_sum(count, [=](int a) { return s[a]; });
}

// A row of similarities becomes its slope: ds / t = c (p - [a in P] / |P|) / t. Its loss is c times the log of the
// sum minus the mean over P. A lane reads and writes numbers of its own only.
__global__ void layer_rows(ContrastLayers layers, int rows, float* slope, double* losses) {
  const int row = own_row();
  if (row >= rows) return;
  const int count = layers.count(), own = row % count;
  const float others = static_cast<float>(layers.of(layers.members, own) - 1);
  const double weight = layers.of(layers.weight, own);
  float* const s = slope + row * count;
  const auto is_other = [=](int a) { return layers.is_rain(a) != layers.is_rain(own); };
  const auto is_positive = [=](int a) { return a != own && !is_other(a); };
  const auto counts = [=](int a) { return layers.decoupled ? is_other(a) : a != own; };

  constexpr float nothing = -std::numeric_limits<float>::infinity();
  const double positives = row_sum(count, [=](int a) { return is_positive(a) ? s[a] : 0; });
  const float largest = row_maximum(count, nothing, [=](int a) { return counts(a) ? s[a] : nothing; });
  double total = row_sum(count, [=](int a) { return s[a] = counts(a) ? std::exp(s[a] - largest) : 0; });
  if (layers.hardness > 0) total = harden(s, count, is_other, layers.hardness);
  const float factor = static_cast<float>(weight) / layers.of(layers.temperature, own);
  each_lane(count, [=](int a) {
    s[a] = a == own ? 0 : (s[a] / static_cast<float>(total) - (is_positive(a) ? 1 / others : 0)) * factor;
  });
  if (lane() == 0)
    losses[row] =
        weight * (std::log(total) + static_cast<double>(largest) - positives / static_cast<double>(others));
}

// dz = dy (ds + ds^T) z
__global__ void layer_contrast_gradient_kernel(ContrastLayers layers, int channels, const float* dy,
                                               const float* slope, const float* background, const float* rain,
                                               float* dback, float* drain) {
  const int count = layers.count();
  const ContrastPool z(layers, channels, background, rain);
  const ContrastPool dz(layers, channels, dback, drain);
  const float* const ds = slope + block().z * count * count;
  const float factor = *dy;
  matrix_product<Along::depth, Along::side>(
      count, channels, count, [=](int i, int a) { return ds[i * count + a] + ds[a * count + i]; }, z,
      [=](int i, int c, float sum) { dz(i, c) = factor * sum; });
}

inline ContrastLayers contrast_layers(const Tensor<float>& background, const Tensor<float>& rain,
                                      const LayerContrastOptions& options, Index groups) {
  const std::array<Index, 2> members{background.shape()[0] / groups, rain.shape()[0] / groups};
  ContrastLayers layers;
  for (std::size_t l = 0; l < 2; ++l) {
    layers.members[l] = to_int(members[l]);
    layers.temperature[l] = static_cast<float>(options.temperature[l]);
    layers.weight[l] = nlcl::detail::anchor_weight(options, members, l) / static_cast<double>(groups);
  }
  layers.decoupled = options.decoupled;
  layers.hardness = static_cast<float>(options.hardness);
  return layers;
}

LayerContrastResult layer_contrast(const Tensor<float>& background, const Tensor<float>& rain,
                                   const LayerContrastOptions& options, Index groups) {
  const Index rows = background.shape()[0] + rain.shape()[0], count = rows / groups;
  const Device device = background.device();
  const ContrastLayers layers = contrast_layers(background, rain, options, groups);
  Tensor<float> slope({rows, count}, device);
  Tensor<double> losses({rows}, device);
  to_int(background.size() + rain.size()), to_int(slope.size());
  launch<layer_similarities>(product_launch(device, count, count, groups), layers,
                             to_int(background.shape()[1]), background.data(), rain.data(),
                             slope.mutable_data());
  launch<layer_rows>(launch_rows(device, rows), layers, to_int(rows), slope.mutable_data(),
                     losses.mutable_data());
  return {sum_of_terms(losses, 1), slope};
}

std::array<Tensor<float>, 2> layer_contrast_gradient(const Tensor<float>& background,
                                                     const Tensor<float>& rain, const Tensor<float>& slope,
                                                     const Tensor<float>& dy,
                                                     const LayerContrastOptions& options, Index groups) {
  std::array<Tensor<float>, 2> gradients{Tensor<float>(background.shape(), background.device()),
                                         Tensor<float>(rain.shape(), background.device())};
  const Index count = slope.shape()[1], channels = background.shape()[1];
  launch<layer_contrast_gradient_kernel>(product_launch(background.device(), count, channels, groups),
                                         contrast_layers(background, rain, options, groups), to_int(channels),
                                         dy.data(), slope.data(), background.data(), rain.data(),
                                         gradients[0].mutable_data(), gradients[1].mutable_data());
  return gradients;
}

}  // namespace nlcl::cuda
