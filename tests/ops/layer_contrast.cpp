#include "nlcl/ops/layer_contrast.hpp"

#include <cmath>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

LayerContrastOptions options(const Attributes& a) {
  const std::array<double, 2> even{1, 1}, usual{0.07, 0.07};
  return {a.value("pooled", false), a.value("weight", even), a.value("temperature", usual),
          a.value("decoupled", false), a.value("hardness", 0.0)};
}

Index groups(const Attributes& a) { return a.value("groups", 1); }

// Anchor by anchor and positive by positive: -log( exp(s_ip) / sum over a != i of exp(s_ia) ).
Pass<double> oracle_of_group(const Tensors<double>& inputs, const Tensor<double>& dy,
                             const Attributes& attributes) {
  const LayerContrastOptions o = options(attributes);
  const Index channels = inputs[0].shape()[1];
  std::array<Index, 2> members{inputs[0].shape()[0], inputs[1].shape()[0]};
  const Index count = members[0] + members[1];
  const auto layer_of = [&](Index i) { return static_cast<std::size_t>(i < members[0] ? 0 : 1); };
  const auto value = [&](Index i, Index c) {
    return i < members[0] ? inputs[0](i, c) : inputs[1](i - members[0], c);
  };
  std::array<Tensor<double>, 2> gradients{Tensor<double>::zeros(inputs[0].shape()),
                                          Tensor<double>::zeros(inputs[1].shape())};
  const auto gradient = [&](Index i, Index c) -> double& {
    return gradients[layer_of(i)].mutable_data()[(i - (i < members[0] ? 0 : members[0])) * channels + c];
  };

  double loss = 0;
  for (Index i = 0; i < count; ++i) {
    const std::size_t layer = layer_of(i);
    const double anchors = static_cast<double>(o.pooled ? count : members[layer]);
    const double weight = (o.pooled ? 1 : o.weight[layer]) / anchors;
    const auto similarity = [&](Index a) {
      double sum = 0;
      for (Index c = 0; c < channels; ++c) sum += value(i, c) * value(a, c);
      return sum / o.temperature[layer];
    };
    const auto give = [&](Index a, double slope) {  // d loss / d similarity(a)
      for (Index c = 0; c < channels; ++c) {
        gradient(i, c) += dy.item() * slope * value(a, c) / o.temperature[layer];
        gradient(a, c) += dy.item() * slope * value(i, c) / o.temperature[layer];
      }
    };
    // The sum, and what each of its members adds for a small change of its similarity.
    double total = 0, hard = 0, hard_weight = 0;
    for (Index a = 0; a < count; ++a) {
      if (layer_of(a) != layer) {
        hard += std::exp((1 + o.hardness) * similarity(a));
        hard_weight += std::exp(o.hardness * similarity(a));
      } else if (a != i && !o.decoupled) {
        total += std::exp(similarity(a));
      }
    }
    const auto others = static_cast<double>(members[1 - layer]);
    total += others * hard / hard_weight;
    const auto change = [&](Index a) {
      if (layer_of(a) == layer) return o.decoupled ? 0 : std::exp(similarity(a));
      return others *
             ((1 + o.hardness) * std::exp((1 + o.hardness) * similarity(a)) * hard_weight -
              hard * o.hardness * std::exp(o.hardness * similarity(a))) /
             (hard_weight * hard_weight);
    };
    for (Index p = 0; p < count; ++p) {
      if (p == i || layer_of(p) != layer) continue;
      const double share = weight / static_cast<double>(members[layer] - 1);
      loss -= share * std::log(std::exp(similarity(p)) / total);
      give(p, -share);
      for (Index a = 0; a < count; ++a)
        if (a != i) give(a, share * change(a) / total);
    }
  }
  return {Tensor<double>::scalar(loss), {gradients[0], gradients[1]}};
}

Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  const Index count = groups(attributes);
  const auto part = [&](const Tensor<double>& x, Index group) {
    const std::size_t size = static_cast<std::size_t>(x.size() / count);
    return Tensor<double>({x.shape()[0] / count, x.shape()[1]},
                          x.values().subspan(static_cast<std::size_t>(group) * size, size));
  };
  Pass<double> mean{Tensor<double>::scalar(0), {}};
  for (const auto& x : inputs) mean.gradients.push_back(Tensor<double>(x.shape()));
  for (Index g = 0; g < count; ++g) {
    const auto pass = oracle_of_group({part(inputs[0], g), part(inputs[1], g)}, dy, attributes);
    *mean.y.mutable_data() += pass.y.item() / static_cast<double>(count);
    for (std::size_t i = 0; i < 2; ++i)
      std::transform(pass.gradients[i].data(), pass.gradients[i].data() + pass.gradients[i].size(),
                     mean.gradients[i].mutable_data() + g * pass.gradients[i].size(),
                     [&](double gradient) { return gradient / static_cast<double>(count); });
  }
  return mean;
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](Index background, Index rain, Index channels, Attributes attributes,
                       bool smooth = true) {
    all.push_back({.name = "",
                   .shapes = {{background, channels}, {rain, channels}},
                   .attributes = std::move(attributes),
                   .adjust = unit_rows,
                   .smooth = smooth});
  };
  const Attributes warm{0.5, 0.5};
  for (bool pooled : {true, false})
    for (Index background : {2, 3, 8})
      for (Index rain : {2, 5, 17}) add(background, rain, 6, {{"pooled", pooled}, {"temperature", warm}});
  for (Index channels : {1, 3, 16, 33}) add(4, 6, channels, {{"temperature", warm}});
  add(4, 6, 5, {{"weight", {0.6, 1.4}}, {"temperature", {0.4, 0.9}}});
  add(4, 6, 5, {{"weight", {0, 2}}, {"temperature", warm}});
  add(4, 6, 5,
      {{"pooled", true}, {"weight", {5, 7}}, {"temperature", {0.4, 0.9}}});  // its weights do not count
  for (bool pooled : {true, false})
    for (Index count : {2, 3})
      add(count * 3, count * 5, 4,
          {{"groups", count}, {"pooled", pooled}, {"weight", {0.6, 1.4}}, {"temperature", {0.4, 0.9}}});
  for (bool decoupled : {true, false})
    for (double hardness : {0.0, 0.5, 1.0, 3.0})
      add(5, 9, 4, {{"decoupled", decoupled}, {"hardness", hardness}, {"temperature", {0.4, 0.9}}});
  add(2, 40, 7, {{"pooled", true}, {"decoupled", true}, {"hardness", 2}, {"temperature", warm}});
  // The third derivative goes with the cube of 1 / t, too far for the differences.
  for (bool pooled : {true, false}) add(8, 40, 16, {{"pooled", pooled}}, false);
  return all;
}

}  // namespace

TEST_CASE("layer_contrast", "[ops]") {
  const std::string expected =
      "layer_contrast: expects background and rain [n,C], at least two of each, are ";
  check_op({
      .inputs = {"back", "rain"},
      .call = [](const auto& in,
                 const Attributes& a) { return layer_contrast(in[0], in[1], options(a), groups(a)); },
      .oracle = oracle,
      .golden = {"layer_contrast"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{6}, {3, 6}}, .message = expected + "[6] and [3,6]"},
              {.shapes = {{3, 6}, {3, 2, 3}}, .message = expected + "[3,6] and [3,2,3]"},
              {.shapes = {{3, 6}, {3, 5}}, .message = expected + "[3,6] and [3,5]"},
              {.shapes = {{1, 6}, {3, 6}}, .message = expected + "[1,6] and [3,6]"},
              {.shapes = {{3, 6}, {1, 6}}, .message = expected + "[3,6] and [1,6]"},
              {.shapes = {{2, 6}, {3, 6}},
               .attributes = {{"temperature", {0, 1}}},
               .message = "layer_contrast: temperature is 0, expected more than 0"},
              {.shapes = {{2, 6}, {3, 6}},
               .attributes = {{"temperature", {1, -1}}},
               .message = "layer_contrast: temperature is -1, expected more than 0"},
              {.shapes = {{2, 6}, {3, 6}},
               .attributes = {{"hardness", -1}},
               .message = "layer_contrast: hardness is -1, expected at least 0"},
              {.shapes = {{4, 6}, {5, 6}},
               .attributes = {{"groups", 2}},
               .message = "layer_contrast: 4 and 5 rows in 2 groups"},
              {.shapes = {{2, 6}, {4, 6}},
               .attributes = {{"groups", 2}},
               .message = "layer_contrast: 2 and 4 rows in 2 groups"},
              {.shapes = {{4, 6}, {4, 6}},
               .attributes = {{"groups", 0}},
               .message = "layer_contrast: 4 and 4 rows in 0 groups"},
          },
  });
}

TEMPLATE_TEST_CASE("pooled is per layer with the layers' shares of the anchors as weights", "[ops]", float,
                   double) {
  using T = TestType;
  Random random(1);
  auto background = random_tensor<T>({8, 16}, random, -0.3, 0.3),
       rain = random_tensor<T>({24, 16}, random, -0.3, 0.3);
  background.set_requires_grad(true), rain.set_requires_grad(true);
  const auto pass = [&](const LayerContrastOptions& o) {
    Tape<T> tape;
    const auto y = layer_contrast(background, rain, o);
    return std::pair(y, tape.backward(y));
  };
  const auto [pooled, pooled_gradients] = pass({.pooled = true});
  const auto [layers, layers_gradients] = pass({.weight = {8.0 / 32, 24.0 / 32}});
  const double tolerance = sizeof(T) == 8 ? 1e-14 : 1e-6;
  CHECK(relative_difference(layers, pooled) <= tolerance);
  CHECK(relative_difference(layers_gradients.of(background), pooled_gradients.of(background)) <= tolerance);
  CHECK(relative_difference(layers_gradients.of(rain), pooled_gradients.of(rain)) <= tolerance);
}

TEMPLATE_TEST_CASE("layers apart have the loss of telling a layer's members from each other", "[ops]", float,
                   double) {
  using T = TestType;
  const Tensor<T> background({3, 2}, {1, 0, 1, 0, 1, 0}), rain({2, 2}, {-1, 0, -1, 0});
  const double of_background = std::log(2 + 2 * std::exp(-2 / 0.07)),
               of_rain = std::log1p(3 * std::exp(-2 / 0.07));
  CHECK(layer_contrast(background, rain).item() == Approx(of_background + of_rain).epsilon(1e-5));
  CHECK(layer_contrast(background, rain, {.pooled = true}).item() ==
        Approx((3 * of_background + 2 * of_rain) / 5).epsilon(1e-5));
}

TEMPLATE_TEST_CASE("layer_contrast does not overflow where it is very cold", "[ops]", float, double) {
  using T = TestType;
  const Tensor<T> background({2, 2}, {1, 0, 0, 1}), rain({2, 2}, {1, 0, 0, 1});
  const auto y = layer_contrast(background, rain, {.pooled = true, .temperature = {1e-4, 1e-4}});
  CHECK(y.item() == Approx(1e4));
}

TEMPLATE_TEST_CASE("decoupled, patches of one layer do not push each other", "[ops]", float, double) {
  using T = TestType;
  // Each layer one point, the two opposite: nothing in the sum but the other layer.
  const Tensor<T> background({3, 2}, {1, 0, 1, 0, 1, 0}), rain({2, 2}, {-1, 0, -1, 0});
  const auto y = layer_contrast(background, rain, {.temperature = {0.5, 0.5}, .decoupled = true});
  CHECK(y.item() == Approx(std::log(2 * std::exp(-2.0)) + std::log(3 * std::exp(-2.0)) - 4).epsilon(1e-5));
}

TEMPLATE_TEST_CASE("hardness weighs nothing where all of the other layer is far away", "[ops]", float,
                   double) {
  using T = TestType;
  const Tensor<T> background({2, 2}, {1, 0, 1, 0}), rain({2, 2}, {-1, 0, -1, 0});
  const LayerContrastOptions cold{.temperature = {1e-4, 1e-4}, .hardness = 2};
  CHECK(layer_contrast(background, rain, cold).item() == 0);
}
