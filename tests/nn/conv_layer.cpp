#include "nlcl/nn/conv_layer.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("a conv layer is the convolution with its parameters", "[nn]") {
  Random random(1);
  const ConvLayer<float> layer(3, 5, 4, {.stride = 2, .padding = 1}, random);
  const auto x = random_tensor<float>({2, 7, 9, 3}, random);
  CHECK(same_bits(layer(x), conv2d(x, layer.weight, layer.bias, {.stride = 2, .padding = 1})));
}

TEST_CASE("the parameters of a conv layer", "[nn]") {
  Random random(1), same(1), other(2);
  const ConvLayer<float> layer(8, 5, 3, {}, random), repeated(8, 5, 3, {}, same), another(8, 5, 3, {}, other);
  CHECK(layer.weight.shape() == Shape{3, 3, 8, 5});
  CHECK(layer.bias.shape() == Shape{5});
  CHECK(layer.weight.requires_grad());
  CHECK(layer.bias.requires_grad());

  for (const auto& parameter : {layer.weight, layer.bias})
    CHECK(max_abs(parameter) <= 1 / std::sqrt(3 * 3 * 8.0));
  CHECK(same_bits(layer.weight, repeated.weight));
  CHECK(same_bits(layer.bias, repeated.bias));
  CHECK_FALSE(same_bits(layer.weight, another.weight));
  CHECK(max_abs(layer.bias) > 0);
  CHECK(max_abs(ConvLayer<float>(8, 5, 3, {}, random, Init::xavier_normal()).bias) == 0);
}

TEST_CASE("initial weights of a conv layer depend on both its numbers of channels", "[nn]") {
  Random random(1), same(1);
  const ConvLayer<double> layer(6, 20, 3, {}, random, Init::xavier_normal());
  Tensor<double> weight({3, 3, 6, 20}), bias({20});
  initialize(weight, bias, 3 * 3 * 6, 3 * 3 * 20, Init::xavier_normal(), same);
  CHECK(same_bits(layer.weight, weight));
}

TEST_CASE("a conv layer refuses other numbers of channels", "[nn]") {
  Random random(1);
  const ConvLayer<float> layer(3, 5, 3, {}, random);
  CHECK(message_of<ShapeError>([&] {
          layer(Tensor<float>::zeros({1, 8, 8, 4}));
        }) == "conv2d: weight expects 3 input channels, x has 4 (x [1,8,8,4], weight [3,3,3,5])");
}
