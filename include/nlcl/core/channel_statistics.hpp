// Mean and deviation of every channel of an image, from sums over strips of rows.
//
// In a strip, sums of d = x - s and of d^2 are taken around a shift s, the strip's own first pixel, so that a
// large mean does not cancel a small variance. Strips are joined in order, in double (Chan, Golub and LeVeque
// 1983). Strips are cut by the image's size alone, so the bits do not depend on who computed which strip.
#pragma once

#include <cmath>
#include <vector>

#include "nlcl/core/device.hpp"
#include "nlcl/core/shape.hpp"

namespace nlcl {

inline constexpr Index statistics_strip = 4;  // rows whose sums are taken together

// What is known of a set of values: their number, their mean, and M2, the sum of squared deviations from the mean.
struct ChannelMoments {
  double count, mean, m2;

  // From sums of d = x - shift and of d^2.
  NLCL_BOTH static ChannelMoments of_strip(double count, double shift, double sum, double square_sum) {
    return {count, shift + sum / count, square_sum - sum * sum / count};
  }

  // Two sets of n1 and n2 values whose means differ by delta: M2 = M2_1 + M2_2 + delta^2 * n1 * n2 / (n1 + n2).
  NLCL_BOTH void join(const ChannelMoments& other) {
    if (other.count == 0) return;
    const double delta = other.mean - mean, total = count + other.count;
    m2 += other.m2 + delta * delta * count * other.count / total;
    mean += delta * (other.count / total);
    count = total;
  }

  // 1 / sqrt(var + eps), var the biased variance.
  NLCL_BOTH double inverse_deviation(double eps) const {
    return 1 / std::sqrt((m2 > 0 ? m2 : 0.0) / count + eps);
  }
};

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
  std::vector<T> mean, inverse_deviation;  // [C]
};

template <class T>
ChannelStatistics<T> join_strips(const std::vector<StripSums<T>>& strips, double eps) {
  const std::size_t channels = strips.front().shift.size();
  ChannelStatistics<T> result{std::vector<T>(channels), std::vector<T>(channels)};
  for (std::size_t c = 0; c < channels; ++c) {
    ChannelMoments moments{};
    for (const auto& strip : strips)
      moments.join(ChannelMoments::of_strip(static_cast<double>(strip.count),
                                            static_cast<double>(strip.shift[c]), strip.sum[c],
                                            strip.square_sum[c]));
    result.mean[c] = static_cast<T>(moments.mean);
    result.inverse_deviation[c] = static_cast<T>(moments.inverse_deviation(eps));
  }
  return result;
}

}  // namespace nlcl
