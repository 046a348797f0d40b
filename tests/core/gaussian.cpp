#include "nlcl/core/gaussian.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "support/errors.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("gaussian: a window of sum 1", "[analysis]") {
  const std::vector<double> window = gaussian_window(7, 7.0 / 6);
  CHECK(std::accumulate(window.begin(), window.end(), 0.0) == Approx(1));
  CHECK(window[0] == window[6]);
  CHECK(window[4] / window[3] == Approx(std::exp(-0.5 * 36 / 49)));
  CHECK(message_of<ShapeError>([] { gaussian_window(4, 1); }) ==
        "gaussian: 4 taps of deviation 1, expected an odd number and a positive deviation");
}

TEST_CASE("gaussian: the mean in a window, with the border repeated", "[analysis]") {
  Random random(1);
  const Tensor<double> x = random_tensor<double>({1, 6, 5, 2}, random);
  const std::vector<double> window{0.2, 0.5, 0.3};
  const Tensor<double> y = windowed_mean(x, window);
  for (Index i = 0; i < 6; ++i)
    for (Index j = 0; j < 5; ++j)
      for (Index c = 0; c < 2; ++c) {
        double expected = 0;
        for (Index a = 0; a < 3; ++a)
          for (Index b = 0; b < 3; ++b)
            expected += window[static_cast<std::size_t>(a)] * window[static_cast<std::size_t>(b)] *
                        x(0, std::clamp<Index>(i + a - 1, 0, 5), std::clamp<Index>(j + b - 1, 0, 4), c);
        CHECK(y(0, i, j, c) == Approx(expected));
      }
  const WithThreads with(3);
  CHECK(same_bits(windowed_mean(x, window), y));
  CHECK(message_of<ShapeError>([&] {
          windowed_mean(Tensor<double>::zeros({2, 3}), window);
        }) == "windowed_mean: x expects [1,H,W,C], is [2,3]");
}

TEST_CASE("gaussian: blurred noise has less of it", "[analysis]") {
  Random random(2);
  Tensor<float> x({1, 60, 60, 1});
  for (float& v : std::span(x.mutable_data(), 3600)) v = static_cast<float>(random.normal());
  const Tensor<float> y = blurred(x, 2.0);
  double square = 0;
  for (Index i = 10; i < 50; ++i)
    for (Index j = 10; j < 50; ++j) square += std::pow(y(0, i, j, 0), 2) / 1600;
  CHECK(std::sqrt(square) == Approx(1 / (2 * 2 * std::sqrt(3.14159))).epsilon(0.15));
}
