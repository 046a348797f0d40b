#include "nlcl/nn/init.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("fill_uniform draws from the whole of its interval", "[nn]") {
  Tensor<float> x({100, 100});
  Random random(1);
  fill_uniform(x, 0.25, random);
  double sum = 0, square_sum = 0;
  for (float value : x.values()) {
    sum += static_cast<double>(value);
    square_sum += std::pow(static_cast<double>(value), 2);
  }
  CHECK(max_abs(x) <= 0.25);
  CHECK(max_abs(x) > 0.249);
  CHECK(sum / 1e4 == Approx(0).margin(5 * 0.25 / std::sqrt(3e4)));
  CHECK(square_sum / 1e4 == Approx(0.25 * 0.25 / 3).epsilon(0.05));
}

TEST_CASE("fill_uniform goes on where the random numbers are", "[nn]") {
  Tensor<float> together({6}), first({2}), second({4});
  Random random(1), same(1);
  fill_uniform(together, 1, random);
  fill_uniform(first, 1, same);
  fill_uniform(second, 1, same);
  for (Index i = 0; i < 6; ++i) CHECK(together(i) == (i < 2 ? first(i) : second(i - 2)));
  CHECK(random.state() == same.state());
}

TEST_CASE("weights of PyTorch's default are uniform in 1 / sqrt(fan_in), biases too", "[nn]") {
  Tensor<float> weight({3, 3, 16, 40}), bias({40});
  Random random(1);
  initialize(weight, bias, 3 * 3 * 16, 3 * 3 * 40, Init::kaiming_uniform(), random);
  const double bound = 1.0 / 12;
  CHECK(max_abs(weight) <= bound);
  CHECK(max_abs(weight) > 0.99 * bound);
  CHECK(max_abs(bias) <= bound);
  CHECK(max_abs(bias) > 0.5 * bound);
}

TEST_CASE("weights by Xavier are normal with gain 0.02, biases zero", "[nn]") {
  Tensor<float> weight({100, 300}), bias({100});
  Random random(1);
  initialize(weight, bias, 300, 100, Init::xavier_normal(), random);
  const double deviation = 0.02 * std::sqrt(2.0 / 400);
  double sum = 0, square_sum = 0;
  for (float value : weight.values()) {
    sum += static_cast<double>(value);
    square_sum += std::pow(static_cast<double>(value), 2);
  }
  CHECK(sum / 3e4 == Approx(0).margin(5 * deviation / std::sqrt(3e4)));
  CHECK(std::sqrt(square_sum / 3e4) == Approx(deviation).epsilon(0.03));
  CHECK(max_abs(weight) > 3 * deviation);
  CHECK(max_abs(bias) == 0);
}
