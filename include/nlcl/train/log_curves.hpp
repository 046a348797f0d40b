// The log of a run as curves: one for each loss, and for what stands beside them.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/model/terms.hpp"
#include "nlcl/pages/chart.hpp"

namespace nlcl::detail {

// Absent if it is no number, or one that no sum can be taken of.
inline std::optional<double> number(const nlohmann::json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  return std::abs(value) < 1e100 ? std::optional(value) : std::nullopt;
}

// One curve per loss that was logged at least once, in the order of `meanings`; others of the log come after them.
inline std::vector<Curve> loss_curves(const std::vector<nlohmann::json>& log, const LossMeanings& meanings) {
  std::map<std::string, Curve> found;
  for (const auto& line : log) {
    const auto step = number(line, "step");
    const auto losses = line.find("losses");
    if (!step || losses == line.end() || !losses->is_object()) continue;
    for (const auto& [name, ignored] : losses->items())
      if (const auto value = number(*losses, name)) {
        Curve& curve = found[name];
        curve.steps.push_back(*step);
        curve.values.push_back(*value);
      }
  }
  std::vector<Curve> curves;
  const auto take = [&](const std::string& name) {
    if (auto node = found.extract(name))
      curves.push_back({name, std::move(node.mapped().steps), std::move(node.mapped().values)});
  };
  for (const auto& [name, ignored] : meanings) take(name);
  while (!found.empty()) take(std::string(found.begin()->first));
  return curves;
}

// One curve per term whose gradient at `part`, B or R, was logged and is not 0 throughout.
inline std::vector<Curve> gradient_curves(const std::vector<nlohmann::json>& log, const std::string& part) {
  std::vector<Curve> curves;
  for (const auto& line : log) {
    const auto step = number(line, "step");
    const auto gradients = line.find("gradients");
    if (!step || gradients == line.end() || !gradients->is_object()) continue;
    for (const auto& [term, parts] : gradients->items()) {
      const auto value = parts.is_object() ? number(parts, part) : std::nullopt;
      if (!value) continue;
      auto curve = std::ranges::find(curves, term, &Curve::name);
      if (curve == curves.end()) curve = curves.insert(curve, {term, {}, {}});
      curve->steps.push_back(*step);
      curve->values.push_back(*value);
    }
  }
  std::erase_if(curves, [](const Curve& curve) {
    return std::ranges::all_of(curve.values, [](double value) { return value == 0; });
  });
  return curves;
}

// Of what stands in a line beside the losses.
inline Curve curve_of(const std::vector<nlohmann::json>& log, const std::string& name) {
  Curve curve{name, {}, {}};
  for (const auto& line : log) {
    const auto step = number(line, "step"), value = number(line, name);
    if (!step || !value) continue;
    curve.steps.push_back(*step);
    curve.values.push_back(*value);
  }
  return curve;
}

}  // namespace nlcl::detail
