// The variance of 65,536 numbers near 100: E[x^2] - E[x]^2 in float, and sums around a shift, strip by strip.
#include <cstdio>

#include "nlcl/core/channel_statistics.hpp"
#include "nlcl/core/elementwise.hpp"

using namespace nlcl;

float mean(const Tensor<float>& x) {
  float sum = 0;
  for (float value : x.values()) sum += value;
  return sum / static_cast<float>(x.size());
}

int main() {
  Tensor<float> x({256, 256, 1});  // 99.9 and 100.1 in turn: mean 100, variance 0.01
  float* const to = x.mutable_data();
  for (Index i = 0; i < x.size(); ++i) to[i] = i % 2 ? 100.1f : 99.9f;

  const double mean_of_squares = static_cast<double>(mean(map(x, [](float value) { return value * value; })));
  const double plain_mean = static_cast<double>(mean(x));
  const double variance = mean_of_squares - plain_mean * plain_mean;
  std::printf("E[x^2] - E[x]^2: mean %.4f, variance %.4f\n", plain_mean, variance);

  const Index strip_pixels = statistics_strip * 256;
  std::vector<StripSums<float>> strips;
  for (Index first = 0; first < x.size(); first += strip_pixels) {
    StripSums<float>& strip = strips.emplace_back();
    strip.start(strip_pixels, x.data() + first, 1);
    for (Index i = first; i < first + strip_pixels; ++i) {
      const float d = x.data()[i] - strip.shift[0];
      strip.sum[0] += static_cast<double>(d);
      strip.square_sum[0] += static_cast<double>(d * d);
    }
  }
  const ChannelStatistics<float> joined = join_strips(strips, 0);
  const double joined_mean = static_cast<double>(joined.mean[0]);
  const double deviation = 1 / static_cast<double>(joined.inverse_deviation[0]);
  std::printf("shifted strips:  mean %.4f, variance %.4f\n", joined_mean, deviation * deviation);
}
