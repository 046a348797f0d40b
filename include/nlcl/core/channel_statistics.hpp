// Mean and deviation of every channel of an image, from sums over strips of rows.
//
// In a strip, sums of d = x - s and of d^2 are taken around a shift s, the strip's own first pixel, so that a
// large mean does not cancel a small variance. Strips are joined in order, in double (Chan, Golub and LeVeque
// 1983). Strips are cut by the image's size alone, so the bits do not depend on who computed which strip.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "nlcl/core/shape.hpp"

namespace nlcl {

inline constexpr Index statistics_strip = 4;  // rows whose sums are taken together

template <class T>
struct StripSums {
  Index count = 0;                      // pixels
  std::vector<T> shift;                 // [C]
  std::vector<double> sum, square_sum;  // [C], of d and of d^2

  // A strip that begins with the pixel at `first` [C].
  void start(Index pixels, const T* first, Index channels) {
    const auto size = static_cast<std::size_t>(channels);
    count = pixels;
    shift.assign(first, first + channels);
    sum.assign(size, 0);
    square_sum.assign(size, 0);
  }
};

template <class T>
struct ChannelStatistics {
  std::vector<T> mean, inverse_deviation;  // [C]; the latter is 1 / sqrt(var + eps), var the biased variance
};

// For two sets of n1 and n2 values whose means differ by delta, M2 = M2_1 + M2_2 + delta^2 * n1 * n2 / (n1 +
// n2), where M2 is the sum of squared deviations from the mean.
template <class T>
ChannelStatistics<T> join_strips(const std::vector<StripSums<T>>& strips, double eps) {
  const std::size_t channels = strips.front().shift.size();
  ChannelStatistics<T> result{std::vector<T>(channels), std::vector<T>(channels)};
  for (std::size_t c = 0; c < channels; ++c) {
    double count = 0, mean = 0, m2 = 0;
    for (const auto& strip : strips) {
      const double n = static_cast<double>(strip.count);
      const double strip_mean = static_cast<double>(strip.shift[c]) + strip.sum[c] / n;
      const double strip_m2 = strip.square_sum[c] - strip.sum[c] * strip.sum[c] / n;
      const double delta = strip_mean - mean, total = count + n;
      m2 += strip_m2 + delta * delta * count * n / total;
      mean += delta * (n / total);
      count = total;
    }
    result.mean[c] = static_cast<T>(mean);
    result.inverse_deviation[c] = static_cast<T>(1 / std::sqrt(std::max(0.0, m2) / count + eps));
  }
  return result;
}

}  // namespace nlcl
