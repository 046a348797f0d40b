#include "nlcl/nn/linear_layer.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("a linear layer is the linear map with its parameters", "[nn]") {
  Random random(1);
  const LinearLayer<float> layer(3, 5, random);
  const auto x = random_tensor<float>({7, 3}, random);
  CHECK(same_bits(layer(x), linear(x, layer.weight, layer.bias)));
  CHECK_THROWS_AS(layer(random_tensor<float>({7, 4}, random)), ShapeError);
}

TEST_CASE("the parameters of a linear layer", "[nn]") {
  Random random(1);
  LinearLayer<float> layer(16, 5, random);
  CHECK(layer.weight.shape() == Shape{5, 16});
  CHECK(layer.bias.shape() == Shape{5});
  std::vector<std::string> names;
  layer.parameters("mlp.0", [&](const std::string& name, const Tensor<float>& parameter) {
    names.push_back(name);
    CHECK(parameter.requires_grad());
    CHECK(max_abs(parameter) > 0);
    CHECK(max_abs(parameter) <= 0.25);  // 1 / sqrt(in)
  });
  CHECK(names == std::vector<std::string>{"mlp.0.weight", "mlp.0.bias"});
  CHECK(max_abs(LinearLayer<float>(16, 5, random, Init::xavier_normal()).bias) == 0);
}
