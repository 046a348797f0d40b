#include "nlcl/model/discriminator.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// A discriminator whose verdicts differ: with its initial weights, of gain 0.02, they are all but the same.
template <class T>
Discriminator<T> spread_discriminator() {
  Discriminator<T> net;
  Random random(2);
  for_each_parameter(net, [&](const std::string&, Tensor<T>& parameter) {
    const Shape& shape = parameter.shape();
    const Index fan_in = shape.rank() == 4 ? shape[0] * shape[1] * shape[2] : 1;
    fill_uniform(parameter, 1 / std::sqrt(static_cast<double>(fan_in)), random);
  });
  return net;
}

template <class T>
std::vector<Shape> shapes(const std::vector<Tensor<T>>& tensors) {
  std::vector<Shape> result;
  for (const auto& tensor : tensors) result.push_back(tensor.shape());
  return result;
}

}  // namespace

TEST_CASE("the parameters of the discriminator have the names of the published code, in their order",
          "[model]") {
  Discriminator<float> net;
  std::vector<std::string> names;
  std::vector<Shape> shapes;
  for_each_parameter(net, [&](const std::string& name, const Tensor<float>& parameter) {
    names.push_back(name);
    shapes.push_back(parameter.shape());
    CHECK(parameter.requires_grad());
  });
  CHECK(names == std::vector<std::string>{"model.0.weight", "model.0.bias", "model.3.weight", "model.3.bias",
                                          "model.7.weight", "model.7.bias", "model.11.weight",
                                          "model.11.bias", "model.14.weight", "model.14.bias"});
  CHECK(shapes == std::vector<Shape>{{4, 4, 3, 64},
                                     {64},
                                     {4, 4, 64, 128},
                                     {128},
                                     {4, 4, 128, 256},
                                     {256},
                                     {4, 4, 256, 512},
                                     {512},
                                     {4, 4, 512, 1},
                                     {1}});
  CHECK(parameter_count(net) == 2'764'737);
}

TEST_CASE("initial weights of the discriminator are normal with gain 0.02, biases zero", "[model]") {
  Discriminator<float> net{Random(1)}, again{Random(1)}, other{Random(2)};
  for (std::size_t i = 0; i < net.convs.size(); ++i) {
    CAPTURE(i);
    const Tensor<float>& weight = net.convs[i].weight;
    const double fans = 16 * static_cast<double>(weight.shape()[2] + weight.shape()[3]);
    const double expected = 0.02 * std::sqrt(2 / fans), count = static_cast<double>(weight.size());
    double sum = 0, squares = 0;
    for (float value : weight.values()) {
      sum += static_cast<double>(value);
      squares += std::pow(static_cast<double>(value), 2);
    }
    CHECK(sum / count == Approx(0).margin(5 * expected / std::sqrt(count)));
    CHECK(std::sqrt(squares / count) == Approx(expected).epsilon(5 / std::sqrt(2 * count)));
    CHECK(max_abs(net.convs[i].bias) == 0);
    CHECK(same_bits(weight, again.convs[i].weight));
    CHECK_FALSE(same_bits(weight, other.convs[i].weight));
  }
}

TEST_CASE("the discriminator judges a crop of 256 in 30 x 30 patches", "[model][large]") {
  const Discriminator<float> net;
  Random random(1);
  const auto x = random_tensor<float>({1, 256, 256, 3}, random);
  const auto output = net.run(x);
  CHECK(shapes(output.features) ==
        std::vector<Shape>{{1, 256, 256, 3}, {1, 255, 255, 64}, {1, 127, 127, 128}, {1, 63, 63, 256}});
  CHECK(output.verdict.shape() == Shape{1, 30, 30, 1});
  CHECK_FALSE(has_nan(output.verdict));
}

TEST_CASE("the discriminator takes any sides of at least 24", "[model][large]") {
  const Discriminator<float> net;
  Random random(1);
  struct Size {
    Index image, verdicts;
  };
  const Size sizes[] = {{24, 1}, {25, 1}, {31, 1}, {32, 2}, {33, 2}, {40, 3}, {70, 6}, {72, 7}};
  for (const Size& height : sizes)
    for (const Size& width : {sizes[0], sizes[5]}) {
      CAPTURE(height.image, width.image);
      const auto y = net(random_tensor<float>({2, height.image, width.image, 3}, random));
      CHECK(y.shape() == Shape{2, height.verdicts, width.verdicts, 1});
      CHECK_FALSE(has_nan(y));
    }
  CHECK_THROWS_AS(net(random_tensor<float>({1, 23, 24, 3}, random)), ShapeError);
  CHECK_THROWS_AS(net(random_tensor<float>({1, 24, 23, 3}, random)), ShapeError);
}

TEMPLATE_TEST_CASE(
    "the taps are the image, what the first leaky ReLU gives, and two convolutions before their norm",
    "[model]", float, double) {
  const auto net = spread_discriminator<TestType>();
  Random random(1);
  const auto x = random_tensor<TestType>({1, 26, 33, 3}, random);
  const auto features = net.features(x);
  REQUIRE(features.size() == Discriminator<TestType>::taps);
  for (std::size_t i = 0; i < features.size(); ++i)
    CHECK(features[i].shape()[3] == Discriminator<TestType>::tap_channels[i]);

  const auto conv = [&](std::size_t i, const Tensor<TestType>& in) {
    return conv2d(in, net.convs[i].weight, net.convs[i].bias, {.padding = 1});
  };
  const auto active = [](const Tensor<TestType>& in) { return leaky_relu(instance_norm(in), 0.2); };
  CHECK(same_bits(features[0], x));
  CHECK(same_bits(features[1], leaky_relu(conv(0, x), 0.2)));
  CHECK(same_bits(features[2], conv(1, blur_down(features[1]))));
  CHECK(same_bits(features[3], conv(2, blur_down(active(features[2])))));

  const auto output = net.run(x);
  for (std::size_t i = 0; i < features.size(); ++i) CHECK(same_bits(output.features[i], features[i]));
  CHECK(same_bits(output.verdict, conv(4, active(conv(3, blur_down(active(features[3])))))));
  CHECK(same_bits(net(x), output.verdict));
}

TEST_CASE("features need no layer above the last tap", "[model]") {
  auto net = spread_discriminator<float>();
  Random random(1);
  const auto x = random_tensor<float>({1, 26, 33, 3}, random);
  const auto features = net.features(x);
  net.convs[3].weight = net.convs[4].weight = {};
  CHECK(same_bits(net.features(x).back(), features.back()));
  CHECK_THROWS_AS(net(x), ShapeError);
}

TEST_CASE("the discriminator judges each image of a batch alone", "[model]") {
  const auto net = spread_discriminator<float>();
  Random random(1);
  const auto batch = random_tensor<float>({2, 26, 33, 3}, random);
  const auto part = [](const Tensor<float>& x, std::size_t n) {
    const std::size_t size = static_cast<std::size_t>(x.size()) / 2;
    const Shape& shape = x.shape();
    return Tensor<float>({1, shape[1], shape[2], shape[3]}, x.values().subspan(n * size, size));
  };
  const auto y = net(batch);
  CHECK_FALSE(same_bits(part(y, 0), part(y, 1)));
  for (std::size_t n : {0u, 1u}) CHECK(same_bits(part(y, n), net(part(batch, n))));
}

TEST_CASE("the discriminator gives the same bits on any number of threads", "[model][large]") {
  const auto net = spread_discriminator<float>();
  Random random(1);
  const auto x = random_tensor<float>({1, 41, 37, 3}, random).set_requires_grad(true);
  const auto pass = [&](int count) {
    const WithThreads with(count);
    Tape<float> tape;
    const auto y = net(x);
    return std::pair(y, tape.backward(y, Tensor<float>::full(y.shape(), 1)));
  };
  const auto [y, gradients] = pass(1);
  for (int count : {2, 3, 7}) {
    CAPTURE(count);
    const auto [same_y, same_gradients] = pass(count);
    CHECK(same_bits(same_y, y));
    CHECK(same_bits(same_gradients.of(x), gradients.of(x)));
    CHECK(same_bits(same_gradients.of(net.convs[1].weight), gradients.of(net.convs[1].weight)));
  }
}

TEST_CASE("the discriminator refuses images of another number of channels", "[model]") {
  const Discriminator<float> net;
  CHECK(message_of<ShapeError>([&] {
          net(Tensor<float>::zeros({1, 32, 32, 1}));
        }) == "conv2d: weight expects 3 input channels, x has 1 (x [1,32,32,1], weight [4,4,3,64])");
}
