#include "nlcl/core/channel_statistics.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "nlcl/core/random.hpp"

using namespace nlcl;

namespace {

constexpr Index channels = 2;

// The sums of pixels [count, channels].
StripSums<double> strip_of(const std::vector<double>& pixels) {
  StripSums<double> strip;
  strip.start(static_cast<Index>(pixels.size()) / channels, pixels.data(), channels);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const double d = pixels[i] - strip.shift[i % channels];
    strip.sum[i % channels] += d;
    strip.square_sum[i % channels] += d * d;
  }
  return strip;
}

}  // namespace

TEST_CASE("a strip starts empty, around its first pixel", "[core]") {
  const std::vector<double> pixel{3, 5};
  StripSums<double> strip = strip_of({1, 2, 3, 4});
  strip.start(7, pixel.data(), channels);
  CHECK(strip.count == 7);
  CHECK(strip.shift == pixel);
  CHECK(strip.sum == std::vector<double>{0, 0});
  CHECK(strip.square_sum == std::vector<double>{0, 0});
}

TEST_CASE("joined strips have the statistics of all their pixels", "[core]") {
  const double eps = 1e-5;
  for (double offset : {0.0, 1e6}) {
    Random random(1);
    std::vector<double> all;
    std::vector<StripSums<double>> strips;
    for (int pixels : {1, 4, 3, 20}) {
      std::vector<double> strip;
      for (Index i = 0; i < pixels * channels; ++i)
        strip.push_back(offset + random.normal() * (i % channels ? 3 : 1));
      strips.push_back(strip_of(strip));
      all.insert(all.end(), strip.begin(), strip.end());

      const auto statistics = join_strips(strips, eps);
      const double count = static_cast<double>(all.size() / channels);
      for (std::size_t c = 0; c < channels; ++c) {
        double mean = 0, variance = 0;
        for (std::size_t i = c; i < all.size(); i += channels) mean += all[i] / count;
        for (std::size_t i = c; i < all.size(); i += channels) variance += std::pow(all[i] - mean, 2) / count;
        CHECK(statistics.mean[c] == Approx(mean).epsilon(1e-14).margin(1e-14));
        CHECK(statistics.inverse_deviation[c] == Approx(1 / std::sqrt(variance + eps)).epsilon(1e-8));
      }
    }
  }
}

TEST_CASE("a constant has its own value as mean, and no variance", "[core]") {
  Random random(1);
  for (int repeat = 0; repeat < 100; ++repeat) {
    const double value = random.uniform(-1e6, 1e6);
    std::vector<StripSums<double>> strips;
    for (std::size_t pixels : {7u, 7u, 5u}) {
      strips.push_back(strip_of(std::vector<double>(pixels * channels, value)));
      const auto statistics = join_strips(strips, 0.25);
      CHECK(statistics.mean[1] == value);
      CHECK(statistics.inverse_deviation[1] == 2);
    }
  }
}
