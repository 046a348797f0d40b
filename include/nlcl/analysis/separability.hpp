// How well features tell the two layers apart: the angles between their points, and how often a simple classifier is right.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

struct LayerPoint {
  bool is_rain = false;
  Index image = 0;
  std::vector<float> values;
};

struct Separability {
  // Mean cosines of points of different images.
  double within_background = 0, within_rain = 0, between = 0;
  // The share of points whose layer is that of the nearest mean, or of the nearest point, by the angle. What a point is
  // compared with comes from other images; the mean of both layers' shares, so that 0.5 is chance.
  double nearest_mean = 0, nearest_point = 0;
};

// Throws ShapeError unless every image has points of both layers to be compared with in other images, and all are of one
// length.
inline Separability separability(const std::vector<LayerPoint>& points) {
  const std::size_t n = points.size(), dims = n > 0 ? points.front().values.size() : 0;
  std::vector<std::vector<double>> unit(n, std::vector<double>(dims));
  for (std::size_t i = 0; i < n; ++i) {
    require<ShapeError>(points[i].values.size() == dims, "separability: ", points[i].values.size(),
                        " values, expected ", dims);
    double square = 0;
    for (const float v : points[i].values) square += static_cast<double>(v) * static_cast<double>(v);
    for (std::size_t k = 0; k < dims; ++k)
      unit[i][k] = square > 0 ? static_cast<double>(points[i].values[k]) / std::sqrt(square) : 0;
  }
  const auto dot = [&](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t k = 0; k < dims; ++k) sum += a[k] * b[k];
    return sum;
  };

  double cosines[2][2]{}, pairs[2][2]{}, right[2][2]{}, count[2]{};  // right: [layer][by mean, by point]
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> mean[2] = {std::vector<double>(dims), std::vector<double>(dims)};
    double nearest[2] = {-2, -2};
    const std::size_t own = points[i].is_rain;
    for (std::size_t j = 0; j < n; ++j) {
      if (points[j].image == points[i].image) continue;
      const std::size_t other = points[j].is_rain;
      const double cosine = dot(unit[i], unit[j]);
      cosines[own][other] += cosine;
      ++pairs[own][other];
      nearest[other] = std::max(nearest[other], cosine);
      for (std::size_t k = 0; k < dims; ++k) mean[other][k] += unit[j][k];
    }
    require<ShapeError>(nearest[0] > -2 && nearest[1] > -2,
                        "separability: expected points of both layers in at least two images");
    const auto towards = [&](std::size_t layer) {
      return dot(unit[i], mean[layer]) / std::sqrt(dot(mean[layer], mean[layer]) + 1e-300);
    };
    right[own][0] += towards(own) > towards(1 - own);
    right[own][1] += nearest[own] > nearest[1 - own];
    ++count[own];
  }
  require<ShapeError>(count[0] > 0 && count[1] > 0, "separability: ", count[0],
                      " points of the background and ", count[1], " of rain, expected some of both");
  const auto share = [&](std::size_t classifier) {
    return (right[0][classifier] / count[0] + right[1][classifier] / count[1]) / 2;
  };
  return {cosines[0][0] / pairs[0][0], cosines[1][1] / pairs[1][1], cosines[0][1] / pairs[0][1], share(0),
          share(1)};
}

}  // namespace nlcl
