// The background and the rain beside each other: the intrinsic dimension of both under several conditions, how sure their
// ratio is, and how well features tell them apart.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "nlcl/analysis/compactness.hpp"
#include "nlcl/analysis/measured_points.hpp"
#include "nlcl/analysis/patch_dimension.hpp"
#include "nlcl/analysis/separability.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/gaussian.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/pages/interval_plot.hpp"

namespace nlcl {

struct LayerDimensionOptions {
  std::vector<MeasuredPoints> points{MeasuredPoints()};
  std::vector<Index> neighbors{10};  // K
  PatchDimensionOptions measure{.groups = 200, .points = 64};
  Index replicates = 1000;  // of the bootstrap
};

// One way to measure both layers.
struct Condition {
  MeasuredPoints points;
  Index neighbors = 0;
  std::vector<PatchDimension> layers{};  // background and rain

  // The next image of one layer, [1,H,W,3]; `features` have looked at it.
  void add(bool is_rain, const Tensor<float>& layer, const LayerFeatures& features) {
    PatchDimension& meter = layers[is_rain];
    if (meter.is_complete()) return;
    if (points.is_feature())
      meter.add(layer, feature_points(features(points), layer.shape()[1], layer.shape()[2]));
    else
      meter.add(points.kind == MeasuredPoints::smooth ? blurred(layer, points.value) : layer);
  }
};

// All points with all numbers of neighbours, for that many images of the background and of the rain. Throws ShapeError as
// check_options.
inline std::vector<Condition> conditions_of(const LayerDimensionOptions& o,
                                            const std::array<Index, 2>& images) {
  std::vector<Condition> conditions;
  for (const MeasuredPoints& points : o.points)
    for (const Index neighbors : o.neighbors) {
      Condition& condition = conditions.emplace_back(Condition{points, neighbors});
      PatchDimensionOptions options = o.measure;
      options.neighbors = neighbors;
      if (points.kind == MeasuredPoints::pca) options.variance = points.value;
      for (const Index count : images) condition.layers.emplace_back(options, count);
    }
  return conditions;
}

// One image of one layer.
struct LayerImage {
  bool is_rain = false;
  Index index = 0;
};

// The order in which images are to be measured, so that both layers see the same draws: of each layer shuffled, and one
// layer after the other for each place.
inline std::vector<LayerImage> measuring_order(const std::array<Index, 2>& images, std::uint64_t seed) {
  const std::array<std::vector<Index>, 2> order{shuffled(images[0], seed), shuffled(images[1], seed)};
  std::vector<LayerImage> all;
  for (std::size_t i = 0; i < std::max(order[0].size(), order[1].size()); ++i)
    for (const bool is_rain : {false, true})
      if (i < order[is_rain].size()) all.push_back({is_rain, order[is_rain][i]});
  return all;
}

struct EstimatorInfo {
  const char *name, *title;  // in files, in tables
  double PatchGroup::*inverse;
};
inline constexpr std::array<EstimatorInfo, 2> dimension_estimators{
    {{"levina_bickel", "Levina-Bickel", &PatchGroup::levina_bickel},
     {"two_nn", "TwoNN", &PatchGroup::two_nn}}};

struct Dimensions {
  Estimate background, rain, ratio;  // ratio: of rain to background
};

// What one condition says.
struct LayerDimensions {
  MeasuredPoints points;
  Index neighbors = 0;
  std::string name;                      // points, and neighbours where there are several
  std::size_t groups = 0;                // of each layer
  std::array<Dimensions, 2> dimensions;  // of the estimators
  std::array<double, 2> weights{};       // as compactness_weights gives them
  std::optional<Separability> separability{};
};

// Throws ShapeError if a layer has no groups.
inline LayerDimensions dimensions_of(const Condition& condition, const LayerDimensionOptions& o) {
  std::vector<PatchGroup> background = condition.layers[0].groups(), rain = condition.layers[1].groups();
  for (const bool is_rain : {false, true})
    require<ShapeError>(!condition.layers[is_rain].groups().empty(), condition.points.name,
                        ": no image of the ", is_rain ? "rain" : "background", " has a place with ",
                        o.measure.points, " distinct patches in ", o.measure.window + o.measure.patch, " x ",
                        o.measure.window + o.measure.patch, " pixels");
  const std::size_t both = std::min(background.size(), rain.size());
  background.resize(both), rain.resize(both);
  LayerDimensions result{condition.points, condition.neighbors, condition.points.name, both, {}, {}, {}};
  if (o.neighbors.size() > 1) result.name += text(", K = ", condition.neighbors);
  for (std::size_t e = 0; e < dimension_estimators.size(); ++e) {
    Dimensions& d = result.dimensions[e];
    const auto inverse = dimension_estimators[e].inverse;
    d.background = dimension_of(background, inverse, o.replicates, o.measure.seed);
    d.rain = dimension_of(rain, inverse, o.replicates, o.measure.seed);
    d.ratio = combined(d.rain, d.background, std::divides<>());
  }
  result.weights =
      compactness_weights(result.dimensions[0].background.value, result.dimensions[0].rain.value);
  if (condition.points.kind == MeasuredPoints::pca) return result;  // each group has components of its own
  std::vector<LayerPoint> points;
  for (const bool is_rain : {false, true})
    for (const PatchGroup& group : is_rain ? rain : background)
      points.push_back({is_rain, group.image, group.query});
  try {
    result.separability = separability(points);
  } catch (const ShapeError&) {  // a single image has nothing to be compared with
  }
  return result;
}

// What the interval of a ratio says.
inline const char* verdict_of(const Estimate& ratio) {
  const auto [low, high] = ratio.interval();
  return high < 1 ? "rain is more compact" : low > 1 ? "background is more compact" : "undecided";
}

// The first group of each layer; of one image, where both layers have groups in it. Both have groups.
inline std::array<const PatchGroup*, 2> shown_groups(const Condition& condition) {
  const auto &background = condition.layers[0].groups(), &rain = condition.layers[1].groups();
  for (const PatchGroup& group : rain)
    if (const auto same = std::ranges::find(background, group.image, &PatchGroup::image);
        same != background.end())
      return {&*same, &group};
  return {&background.front(), &rain.front()};
}

// {"patch", "window", "count", "apart", "seed", "replicates", "conditions": [...]}
inline std::string json_text(const std::vector<LayerDimensions>& results, const LayerDimensionOptions& o) {
  using Json = nlohmann::ordered_json;
  const auto json_of = [](const Estimate& estimate) -> Json {
    const auto [low, high] = estimate.interval();
    return {{"value", estimate.value}, {"low", low}, {"high", high}};
  };
  Json all{{"patch", o.measure.patch},   {"window", o.measure.window}, {"count", o.measure.points},
           {"apart", o.measure.apart},   {"seed", o.measure.seed},     {"replicates", o.replicates},
           {"conditions", Json::array()}};
  for (const LayerDimensions& r : results) {
    Json condition{{"points", r.points.name}, {"neighbors", r.neighbors}, {"groups", r.groups}};
    for (std::size_t e = 0; e < dimension_estimators.size(); ++e)
      condition[dimension_estimators[e].name] = {{"background", json_of(r.dimensions[e].background)},
                                                 {"rain", json_of(r.dimensions[e].rain)},
                                                 {"ratio", json_of(r.dimensions[e].ratio)}};
    condition["weights"] = r.weights;
    if (const auto& s = r.separability)
      condition["separability"] = {{"cosine_background", s->within_background},
                                   {"cosine_rain", s->within_rain},
                                   {"cosine_between", s->between},
                                   {"nearest_mean", s->nearest_mean},
                                   {"nearest_point", s->nearest_point}};
    all["conditions"].push_back(condition);
  }
  return all.dump(2) + '\n';
}

// Levina and Bickel's estimates as SVG, see interval_plot.
inline std::string plot_text(const std::vector<LayerDimensions>& results, const std::string& title) {
  const auto plotted = [](const Estimate& e) {
    return PlottedInterval{e.value, e.interval()[0], e.interval()[1]};
  };
  std::vector<PlotRow> rows;
  rows.reserve(results.size());
  for (const LayerDimensions& r : results)
    rows.push_back({r.name, plotted(r.dimensions[0].background), plotted(r.dimensions[0].rain)});
  return interval_plot(title, "Levina and Bickel's estimate, 95 % intervals", rows);
}

}  // namespace nlcl
