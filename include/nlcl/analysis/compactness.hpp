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
#include <functional>
#include <vector>

#include "nlcl/analysis/patch_dimension.hpp"
#include "nlcl/core/gaussian.hpp"
#include "nlcl/io/dataset.hpp"

namespace nlcl {

struct Compactness {
  double background_dimension = 0, rain_dimension = 0;
  std::array<double, 2> weight{1, 1};  // of background and rain
};

// The weights that follow from two intrinsic dimensions.
inline std::array<double, 2> compactness_weights(double background_dimension, double rain_dimension) {
  const double background = 2 * (1 / background_dimension) / (1 / background_dimension + 1 / rain_dimension);
  const double clipped = std::clamp(background, 0.5, 1.5);
  return {clipped, 2 - clipped};
}

// x [1,H,W,C] minus its mean over 15 x 15 pixels, each channel by itself; beyond the border its pixels are repeated, so that
// flat places stay flat up to it. The mean that recomposition takes in training (model/objective.hpp) is another: that of all
// channels, with black outside, as a convolution that a recorded step runs on either device.
inline Tensor<float> without_local_mean(const Tensor<float>& x) {
  const Tensor<float> mean = windowed_mean(x, std::vector<double>(15, 1.0 / 15));
  Tensor<float> y(x.shape());
  std::transform(x.data(), x.data() + x.size(), mean.data(), y.mutable_data(), std::minus<>());
  return y;
}

// Measures both layers on groups of similar patches (PatchDimension), as many groups, patches and neighbours
// for one as for the other. Throws ShapeError if no image of a folder is large enough or has any texture.
inline Compactness measure_compactness(const ImageFolder& rainy, const ImageFolder& clean,
                                       std::uint64_t seed) {
  const PatchDimensionOptions options{.seed = seed};
  const auto dimension = [&](const ImageFolder& folder, bool is_rain) {
    PatchDimension layer(options, folder.size());
    for (const Index image : shuffled(folder.size(), seed)) {
      if (layer.is_complete()) break;
      const Tensor<float> x = to_tensor(*folder.image(image));
      layer.add(is_rain ? without_local_mean(x) : x);
    }
    const Index side = options.window + options.patch;
    require<ShapeError>(!layer.groups().empty(), "compactness: no image of ", folder.root().string(), " has ",
                        side, " x ", side, " pixels of texture");
    return dimension_of(layer.groups(), &PatchGroup::levina_bickel).value;
  };
  Compactness result;
  result.background_dimension = dimension(clean, false);
  result.rain_dimension = dimension(rainy, true);
  result.weight = compactness_weights(result.background_dimension, result.rain_dimension);
  return result;
}

}  // namespace nlcl
