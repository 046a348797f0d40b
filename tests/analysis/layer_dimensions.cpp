#include "nlcl/analysis/layer_dimensions.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

// A background of noise, and rain whose pixels are all alike but for a wave.
Tensor<float> layer_of(bool is_rain, std::uint64_t seed) {
  Random random(seed, is_rain);
  Tensor<float> x = random_tensor<float>({1, 60, 64, 3}, random, 0, is_rain ? 0.01 : 1);
  if (is_rain)
    for (Index i = 0; i < x.size(); ++i)
      x.mutable_data()[i] += static_cast<float>(std::sin(static_cast<double>(i / 3 % 64) * 0.7));
  return x;
}

LayerDimensionOptions options() {
  LayerDimensionOptions o;
  o.points = {*parse_points("pixels"), *parse_points("pca:0.9")};
  o.neighbors = {4, 8};
  o.measure = {.groups = 6, .points = 24, .patch = 8, .window = 16};
  o.replicates = 100;
  return o;
}

std::vector<LayerDimensions> measured(const LayerDimensionOptions& o, std::vector<Condition>& conditions) {
  conditions = conditions_of(o, {3, 3});
  LayerFeatures features(o.points, std::nullopt, std::nullopt);
  for (const LayerImage& image : measuring_order({3, 3}, o.measure.seed)) {
    const Tensor<float> x = layer_of(image.is_rain, static_cast<std::uint64_t>(image.index));
    features.look_at(x);
    for (Condition& condition : conditions) condition.add(image.is_rain, x, features);
  }
  std::vector<LayerDimensions> results;
  for (const Condition& condition : conditions) results.push_back(dimensions_of(condition, o));
  return results;
}

}  // namespace

TEST_CASE("layer dimensions: each condition, both layers", "[analysis]") {
  const LayerDimensionOptions o = options();
  std::vector<Condition> conditions;
  const std::vector<LayerDimensions> results = measured(o, conditions);
  REQUIRE(results.size() == 4);
  CHECK(results[0].name == "pixels, K = 4");
  CHECK(results[3].name == "pca:0.9, K = 8");
  for (const LayerDimensions& r : results) {
    CHECK(r.groups == 6);
    CHECK(r.weights[0] + r.weights[1] == Approx(2));
    for (const Dimensions& d : r.dimensions)
      CHECK(d.ratio.value == Approx(d.rain.value / d.background.value));
    CHECK(r.separability.has_value() == (r.points.kind == MeasuredPoints::pixels));
  }
  const auto shown = shown_groups(conditions.front());
  CHECK(shown[0]->image == shown[1]->image);

  const auto json = nlohmann::json::parse(json_text(results, o));
  CHECK(json["window"] == 16);
  CHECK(json["conditions"][3]["neighbors"] == 8);
  CHECK(json["conditions"][0]["two_nn"]["rain"]["value"] == results[0].dimensions[1].rain.value);
  CHECK_FALSE(json["conditions"][3].contains("separability"));
  CHECK_THAT(plot_text(results, "a & b"), Contains("pca:0.9, K = 8") && Contains("a &amp; b"));
}

TEST_CASE("layer dimensions: the verdict is that of the interval", "[analysis]") {
  const auto ratio = [](double low, double high) { return Estimate{(low + high) / 2, {low, high}}; };
  CHECK(std::string(verdict_of(ratio(0.5, 0.9))) == "rain is more compact");
  CHECK(std::string(verdict_of(ratio(1.1, 1.5))) == "background is more compact");
  CHECK(std::string(verdict_of(ratio(0.9, 1.5))) == "undecided");
}

TEST_CASE("layer dimensions: the order takes one layer after the other", "[analysis]") {
  const std::vector<LayerImage> order = measuring_order({2, 4}, 7);
  REQUIRE(order.size() == 6);
  CHECK((!order[0].is_rain && order[1].is_rain && !order[2].is_rain));
  CHECK((order[3].is_rain && order[4].is_rain && order[5].is_rain));
  std::set<std::pair<bool, Index>> different;
  for (const LayerImage& image : order) different.insert({image.is_rain, image.index});
  CHECK(different.size() == 6);
}

TEST_CASE("layer dimensions: what cannot be measured", "[analysis]") {
  LayerDimensionOptions o = options();
  const std::vector<Condition> empty = conditions_of(o, {0, 0});
  CHECK_THAT(
      message_of<ShapeError>([&] { dimensions_of(empty.front(), o); }),
      Contains("pixels: no image of the background has a place with 24 distinct patches in 24 x 24 pixels"));
  o.neighbors = {24};
  CHECK_THAT(message_of<ShapeError>([&] {
               conditions_of(o, {1, 1});
             }),
             Contains("24 points and 24 neighbours"));
}
