#include "nlcl/model/projection.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "nlcl/ops/layer_contrast.hpp"
#include "nlcl/ops/patch_nce.hpp"
#include "nlcl/ops/sum.hpp"
#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

const auto some_centers = patch_centers({{0, 0, 0}, {1, 11, 14}, {0, 5, 7}, {1, 5, 7}, {1, 3, 2}});

template <class T>
std::vector<Tensor<T>> some_features(Random& random) {
  return {random_tensor<T>({2, 12, 15, 3}, random), random_tensor<T>({2, 6, 8, 32}, random)};
}

}  // namespace

TEST_CASE("the parameters of projection heads have the names of the published code, in their order",
          "[model]") {
  Random random(1);
  ProjectionHeads<float> heads({3, 64}, random);
  std::vector<std::string> names;
  std::vector<Shape> shapes;
  for_each_parameter(heads, [&](const std::string& name, const Tensor<float>& parameter) {
    names.push_back(name);
    shapes.push_back(parameter.shape());
    CHECK(parameter.requires_grad());
  });
  CHECK(names == std::vector<std::string>{"mlp_0.0.weight", "mlp_0.0.bias", "mlp_0.2.weight", "mlp_0.2.bias",
                                          "mlp_1.0.weight", "mlp_1.0.bias", "mlp_1.2.weight",
                                          "mlp_1.2.bias"});
  CHECK(shapes ==
        std::vector<Shape>{{256, 3}, {256}, {256, 256}, {256}, {256, 64}, {256}, {256, 256}, {256}});
}

TEST_CASE("initial weights of projection heads are normal with gain 0.02, biases zero", "[model]") {
  Random random(1);
  ProjectionHeads<float> heads({32, 256}, random);
  for_each_parameter(heads, [](const std::string& name, const Tensor<float>& parameter) {
    CAPTURE(name);
    if (parameter.shape().rank() == 1) {
      CHECK(max_abs(parameter) == 0);
      return;
    }
    double squares = 0;
    for (float value : parameter.values()) squares += std::pow(static_cast<double>(value), 2);
    const double count = static_cast<double>(parameter.size());
    const double expected =
        0.02 * std::sqrt(2 / static_cast<double>(parameter.shape()[0] + parameter.shape()[1]));
    CHECK(std::sqrt(squares / count) == Approx(expected).epsilon(5 / std::sqrt(2 * count)));
  });
}

TEMPLATE_TEST_CASE("projections are unit vectors, one for each tap and centre", "[model]", float, double) {
  Random random(1);
  const ProjectionHeads<TestType> heads({3, 32}, random);
  const auto vectors = heads(some_features<TestType>(random), some_centers, 12, 15);
  REQUIRE(vectors.size() == 2);
  for (const auto& z : vectors) {
    REQUIRE(z.shape() == Shape{5, 256});
    for (Index m = 0; m < 5; ++m) {
      double squares = 0;
      for (Index c = 0; c < 256; ++c) squares += std::pow(static_cast<double>(z(m, c)), 2);
      CHECK(std::sqrt(squares) ==
            Approx(1).epsilon(1e-2));  // vectors are so short at first that the 1e-7 shows
    }
  }
}

TEMPLATE_TEST_CASE("a projection is linear, ReLU, linear, normalised", "[model]", float, double) {
  Random random(1);
  ProjectionHeads<TestType> heads({3, 32}, random);
  for_each_parameter(
      heads, [&](const std::string&, Tensor<TestType>& parameter) { fill_uniform(parameter, 0.1, random); });
  const auto features = some_features<TestType>(random);
  const auto vectors = heads(features, some_centers, 12, 15);
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const auto& [first, second] = heads.heads[i];
    const auto x = gather_patches(features[i], some_centers, 12, 15);
    const auto z = linear(relu(linear(x, first.weight, first.bias)), second.weight, second.bias);
    CHECK(same_bits(vectors[i], l2_normalize(z, 1e-7)));
    CHECK_FALSE(same_bits(vectors[i], l2_normalize(z, 1e-1)));
  }
}

TEST_CASE("heads refuse another number of taps, or other channels", "[model]") {
  Random random(1);
  const ProjectionHeads<float> heads({3, 32, 32}, random);
  const auto features = some_features<float>(random);
  CHECK(message_of<ShapeError>([&] { heads(features, some_centers, 12, 15); }) ==
        "projection: 2 taps for 3 heads");
  CHECK(message_of<ShapeError>([&] {
          heads({features[1], features[1], features[1]}, some_centers, 12, 15);
        }) == "linear: weight expects [out,32], is [256,3] (x [5,32])");
}

TEST_CASE("a search with projections, losses and gradients on a CUDA device never asks the host", "[model]") {
  if constexpr (has_cuda) {
    if (!cuda_is_there()) return;
    Random random(1);
    auto heads = ProjectionHeads<float>({3, 32}, random);
    for_each_parameter(heads, [&](const std::string&, Tensor<float>& p) { fill_uniform(p, 0.1, random); });
    const auto features = some_features<float>(random);
    struct Result {
      Tensor<float> loss, gradient;
    };
    const auto step = [&](const std::vector<Tensor<float>>& maps, const Tensor<PatchCenter>& queries) {
      Tape<float> tape;
      const auto centers = nearest_patches(maps[0], queries, {.count = 9, .patch = 4, .window = 6});
      const auto z = heads(maps, centers, 12, 15);
      const auto loss = sum(patch_nce(z[0], z[1], 0.07, 2), layer_contrast(z[0], z[1], {}, 2));
      return Result{loss, tape.backward(loss).of(heads.heads[1].first.weight)};
    };
    const auto first = patch_centers({{0, 5, 6}, {1, 4, 9}}), second = patch_centers({{1, 7, 3}, {0, 9, 12}});
    const Result expected = step(features, second);

    for_each_parameter(
        heads, [](const std::string&, Tensor<float>& p) { p = p.to(cuda_device).set_requires_grad(true); });
    const auto maps = on_device(features, cuda_device);
    auto queries = first.to(cuda_device);
    Result found;
    const auto graph = cuda::record(cuda_device.index, [&] { found = step(maps, queries); });
    cuda::copy(queries.mutable_data(), cuda_device, second.data(), Device::cpu(),
               static_cast<std::size_t>(second.size()) * sizeof(PatchCenter));
    graph.replay();
    CHECK(relative_difference(found.loss.to(Device::cpu()), expected.loss) <= 1e-5);
    CHECK(relative_difference(found.gradient.to(Device::cpu()), expected.gradient) <= 1e-4);
    const Result again = step(maps, second.to(cuda_device));
    CHECK(same_bits(found.loss.to(Device::cpu()), again.loss.to(Device::cpu())));
    CHECK(same_bits(found.gradient.to(Device::cpu()), again.gradient.to(Device::cpu())));
  }
}
