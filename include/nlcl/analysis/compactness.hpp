// How compact the two layers are, measured on the training data: the weights of the asymmetric layer
// contrast.
//
// The layer whose similar patches differ in fewer ways, of lower intrinsic dimension, is the more compact one
// and is pulled together more strongly: w_l is proportional to 1 / ID_l, w_B + w_R = 2, both clipped to [0.5,
// 1.5].
//
// Before training nobody knows the rain layer. What stands for it here is what is left of a rainy image when
// its local mean over 15 x 15 pixels is taken away: the streaks, with the texture and the noise of the
// picture. The clean images stand for the background. Noise fills every dimension, so this measure makes rain
// look less compact than it is; a run reports what it measured.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "nlcl/analysis/intrinsic_dimension.hpp"
#include "nlcl/core/random.hpp"
#include "nlcl/io/dataset.hpp"
#include "nlcl/ops/patch_search.hpp"

namespace nlcl {

struct Compactness {
  double back_dimension = 0, rain_dimension = 0;
  std::array<double, 2> weight{1, 1};  // of background and rain
};

// The weights that follow from two intrinsic dimensions.
inline std::array<double, 2> compactness_weights(double back_dimension, double rain_dimension) {
  const double back = 2 * (1 / back_dimension) / (1 / back_dimension + 1 / rain_dimension);
  const double clipped = std::clamp(back, 0.5, 1.5);
  return {clipped, 2 - clipped};
}

namespace detail {

// x [1,H,W,C] minus its mean over a square of 2 * radius + 1 pixels, cut at the border.
inline Tensor<float> without_local_mean(const Tensor<float>& x, Index radius) {
  const Index height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
  // Sums over everything above and left, [H+1,W+1,C]: any rectangle is then four numbers.
  Tensor<double> above = Tensor<double>::zeros({height + 1, width + 1, channels});
  double* const s = above.mutable_data();
  const auto at = [&](Index i, Index j, Index c) { return (i * (width + 1) + j) * channels + c; };
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j)
      for (Index c = 0; c < channels; ++c)
        s[at(i + 1, j + 1, c)] = static_cast<double>(x.data()[(i * width + j) * channels + c]) +
                                 s[at(i, j + 1, c)] + s[at(i + 1, j, c)] - s[at(i, j, c)];
  Tensor<float> y(x.shape());
  float* to = y.mutable_data();
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j) {
      const Index top = std::max<Index>(0, i - radius), bottom = std::min(height, i + radius + 1);
      const Index left = std::max<Index>(0, j - radius), right = std::min(width, j + radius + 1);
      for (Index c = 0; c < channels; ++c, ++to) {
        const double sum =
            s[at(bottom, right, c)] - s[at(top, right, c)] - s[at(bottom, left, c)] + s[at(top, left, c)];
        *to = x.data()[(i * width + j) * channels + c] -
              static_cast<float>(sum / static_cast<double>((bottom - top) * (right - left)));
      }
    }
  return y;
}

// The patches at the centres, one a row: [M, patch * patch * C].
inline Tensor<float> patch_vectors(const Tensor<float>& x, const Tensor<PatchCenter>& centers, Index patch) {
  const Index row = patch * x.shape()[3], stride = x.shape()[2] * x.shape()[3];
  Tensor<float> vectors({centers.size(), patch * row});
  float* to = vectors.mutable_data();
  for (const PatchCenter& center : centers.values())
    for (Index i = 0; i < patch; ++i)
      to = std::copy_n(x.data() + patch_offset(x.shape(), center, patch) + i * stride, row, to);
  return vectors;
}

}  // namespace detail

// Measures both layers on groups of similar patches, as many groups, patches and neighbours for one as for
// the other. Images too small for a search are passed over. Throws ShapeError if none is large enough.
inline Compactness measure_compactness(const ImageFolder& rainy, const ImageFolder& clean,
                                       std::uint64_t seed) {
  constexpr Index groups = 24, neighbors = 10;
  constexpr PatchSearchOptions search{.count = 128};
  Random random(seed, 0x636f6d70);
  const auto dimension = [&](const ImageFolder& folder, bool is_rain) {
    double inverse = 0;
    Index measured = 0;
    for (Index tries = 0; measured < groups && tries < 8 * groups; ++tries) {
      const Index index = static_cast<Index>(random.below(static_cast<std::uint32_t>(folder.size())));
      Tensor<float> x = to_tensor(*folder.image(index));
      if (std::min(x.shape()[1], x.shape()[2]) < search.window + search.patch) continue;
      if (is_rain) x = detail::without_local_mean(x, 7);
      const auto draw = [&](Index size) {
        return 16 + static_cast<Index>(random.below(static_cast<std::uint32_t>(size - 31)));
      };
      const Index row = draw(x.shape()[1]);
      const auto centers = nearest_patches(x, patch_centers({{0, row, draw(x.shape()[2])}}), search);
      try {
        inverse +=
            inverse_dimension(neighbor_distances(detail::patch_vectors(x, centers, search.patch), neighbors));
        ++measured;
      } catch (const ShapeError&) {  // a flat place: all patches are the same, and have no dimension
      }
    }
    require<ShapeError>(measured > 0, "compactness: no image of ", folder.root().string(), " has ",
                        search.window + search.patch, " x ", search.window + search.patch,
                        " pixels of texture");
    return static_cast<double>(measured) / inverse;
  };
  Compactness result;
  result.back_dimension = dimension(clean, false);
  result.rain_dimension = dimension(rainy, true);
  result.weight = compactness_weights(result.back_dimension, result.rain_dimension);
  return result;
}

}  // namespace nlcl
