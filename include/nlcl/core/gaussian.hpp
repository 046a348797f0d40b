// Images seen through a window that weighs what it shows: Gaussian, or flat.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// `taps` values of exp(-t^2 / (2 deviation^2)) round the middle, in pixels, of sum 1. A Gaussian over a square is the product
// of this column and the same row.
inline std::vector<double> gaussian_window(Index taps, double deviation) {
  require<ShapeError>(taps >= 1 && taps % 2 == 1 && deviation > 0, "gaussian: ", taps, " taps of deviation ",
                      deviation, ", expected an odd number and a positive deviation");
  std::vector<double> window(static_cast<std::size_t>(taps));
  const Index middle = taps / 2;
  for (Index k = 0; k < taps; ++k) {
    const double distance = static_cast<double>(k - middle) / deviation;
    window[static_cast<std::size_t>(k)] = std::exp(-distance * distance / 2);
  }
  const double sum = std::accumulate(window.begin(), window.end(), 0.0);
  for (double& weight : window) weight /= sum;
  return window;
}

// x [1,H,W,C] -> [1,H,W,C]: the window's mean round each pixel, down the columns and then along the rows. Beyond the border
// its pixels are repeated. Sums are taken in double, and the bits do not depend on the number of threads. Throws ShapeError
// for another shape.
template <class T>
Tensor<T> windowed_mean(const Tensor<T>& x, const std::vector<double>& window) {
  require<ShapeError>(x.shape().rank() == 4 && x.shape()[0] == 1 && x.size() > 0,
                      "windowed_mean: x expects [1,H,W,C], is ", x.shape());
  const Index height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3], row = width * channels;
  const Index taps = std::ssize(window), middle = taps / 2;
  Tensor<T> y(x.shape());
  T* const to = y.mutable_data();
  parallel_for(height, [&](Index i) {
    std::vector<double> down(static_cast<std::size_t>(row));
    for (Index k = 0; k < taps; ++k) {
      const T* const from = x.data() + std::clamp<Index>(i + k - middle, 0, height - 1) * row;
      const double weight = window[static_cast<std::size_t>(k)];
      for (Index e = 0; e < row; ++e)
        down[static_cast<std::size_t>(e)] += weight * static_cast<double>(from[e]);
    }
    for (Index j = 0; j < width; ++j)
      for (Index c = 0; c < channels; ++c) {
        double sum = 0;
        for (Index k = 0; k < taps; ++k)
          sum +=
              window[static_cast<std::size_t>(k)] *
              down[static_cast<std::size_t>(std::clamp<Index>(j + k - middle, 0, width - 1) * channels + c)];
        to[i * row + j * channels + c] = static_cast<T>(sum);
      }
  });
  return y;
}

// x [1,H,W,C] under a Gaussian of this deviation in pixels, cut off at three deviations.
template <class T>
Tensor<T> blurred(const Tensor<T>& x, double deviation) {
  return windowed_mean(x, gaussian_window(2 * static_cast<Index>(std::ceil(3 * deviation)) + 1, deviation));
}

}  // namespace nlcl
