// What results are worth: the quality of each image, the means and the gain, and all of it for other programs to read.
#pragma once

#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "nlcl/analysis/colour_shift.hpp"
#include "nlcl/analysis/metrics.hpp"
#include "nlcl/analysis/niqe.hpp"
#include "nlcl/analysis/rain_left.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/io/pixels.hpp"
#include "nlcl/pages/drawing.hpp"
#include "nlcl/pages/layer_pictures.hpp"

namespace nlcl {

// Of one image: the result, and what it was made of if that is known.
struct Verdict {
  std::string name;
  Quality result;
  std::optional<Quality> input{};
};

struct Evaluation {
  struct Failure {
    std::string name, reason;
  };

  std::vector<QualityInfo> columns;  // what is measured
  std::vector<Verdict> images;       // all of them with an input, or none
  std::vector<Failure> failures;

  bool has_input() const { return !images.empty() && images.front().input.has_value(); }

  // Means as mean_quality takes them: each over the images for which it is finite.
  Quality mean_of_results() const {
    std::vector<Quality> values;
    values.reserve(images.size());
    for (const Verdict& image : images) values.push_back(image.result);
    return mean_quality(values, columns);
  }
  Quality mean_of_inputs() const {  // if there are inputs
    std::vector<Quality> values;
    values.reserve(images.size());
    for (const Verdict& image : images) values.push_back(*image.input);
    return mean_quality(values, columns);
  }

  // The mean of result minus input, if there are inputs; of a single image the difference itself, finite or not.
  Quality gain() const {
    std::vector<Quality> values;
    for (const Verdict& image : images) {
      Quality& gain = values.emplace_back();
      for (const QualityInfo& info : columns)
        gain.*info.value = image.result.*info.value - *image.input.*info.value;
    }
    return values.size() == 1 ? values.front() : mean_quality(values, columns);
  }

  // Whose PSNR is infinite.
  std::size_t equal_to_truth() const {
    std::size_t count = 0;
    for (const Verdict& image : images) count += std::isinf(image.result.psnr) ? 1 : 0;
    return count;
  }
};

// What is measured without a truth.
struct BlindMeasures {
  const NiqeModel* niqe = nullptr;
  bool rain = false;  // what is left of it, and where there is an input how far the colours have moved
};

inline std::vector<QualityInfo> quality_columns(bool has_truth, bool has_input, const BlindMeasures& blind) {
  std::vector<QualityInfo> columns;
  if (has_truth) columns.assign(quality_table.begin(), quality_table.end());
  if (blind.niqe) columns.push_back(niqe_info);
  if (blind.rain) columns.push_back(rain_left_info);
  if (blind.rain && has_input) columns.push_back(colour_shift_info);
  return columns;
}

// One image and what there is to judge it by; what is not given has no pixels. RGB, all of one size.
struct JudgedImages {
  Image result, truth{}, input{};
};

// Of the result or the input. Throws as quality and the measures.
inline Quality quality_of(const Image& image, const JudgedImages& images, const BlindMeasures& blind) {
  Quality values = images.truth.pixels.empty() ? Quality() : quality(image, images.truth);
  if (blind.niqe) values.niqe = niqe(image, *blind.niqe);
  if (blind.rain) values.rain_left = rain_left(image);
  return values;
}

inline Verdict verdict_on(const std::string& name, const JudgedImages& images, const BlindMeasures& blind) {
  Verdict verdict{name, quality_of(images.result, images, blind)};
  if (images.input.pixels.empty()) return verdict;
  verdict.input = quality_of(images.input, images, blind);  // whose colours have not moved
  if (blind.rain) verdict.result.colour_shift = colour_shift(images.result, images.input);
  return verdict;
}

// Input, result, truth and error, as far as they are given, each not wider than `width`: a row of a sheet.
inline std::vector<Image> sheet_row(const JudgedImages& images, Index width) {
  const auto& [result, truth, input] = images;
  std::vector<Image> row;
  for (const Image* image : {&input, &result, &truth})
    if (!image->pixels.empty()) row.push_back(fitted(*image, width));
  if (!truth.pixels.empty()) row.push_back(fitted(error_picture(result, truth), width));
  return row;
}

namespace detail {

inline nlohmann::ordered_json json_of(const Quality& quality, const std::vector<QualityInfo>& columns) {
  nlohmann::ordered_json values;
  for (const QualityInfo& info : columns)  // JSON knows no infinity
    if (std::isfinite(quality.*info.value))
      values[info.name] = quality.*info.value;
    else
      values[info.name] = nullptr;
  return values;
}

// In quotes where it has to be (RFC 4180).
inline std::string csv_field(const std::string& plain) {
  if (plain.find_first_of(",\"\r\n") == std::string::npos) return plain;
  std::string quoted = "\"";
  for (const char c : plain) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

}  // namespace detail

// {"images": [{"image", "result", "input"}], "mean": {"result", "input"}, "gain", "failed": [{"image", "reason"}]}, where
// each value of a quality goes by its name; null where it is not finite. Of at least one image.
inline std::string json_text(const Evaluation& evaluation) {
  using Json = nlohmann::ordered_json;
  const auto json_of = [&](const Quality& quality) { return detail::json_of(quality, evaluation.columns); };
  Json images = Json::array(), failures = Json::array();
  for (const auto& [name, result, input] : evaluation.images) {
    Json& image = images.emplace_back(Json{{"image", name}, {"result", json_of(result)}});
    if (input) image["input"] = json_of(*input);
  }
  for (const auto& [name, reason] : evaluation.failures)
    failures.push_back({{"image", name}, {"reason", reason}});
  Json all{{"images", images}, {"mean", {{"result", json_of(evaluation.mean_of_results())}}}};
  if (evaluation.has_input()) {
    all["mean"]["input"] = json_of(evaluation.mean_of_inputs());
    all["gain"] = json_of(evaluation.gain());
  }
  all["failed"] = failures;
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

// A line for each image and one for the means: the name, the result, the input with `input_` before the names of its
// columns. Numbers have all their digits. Of at least one image.
inline std::string csv_text(const Evaluation& evaluation) {
  std::string csv = "image";
  for (const char* prefix : {"", "input_"})
    if (*prefix == 0 || evaluation.has_input())
      for (const QualityInfo& info : evaluation.columns) csv += text(',', prefix, info.name);
  csv += '\n';
  const auto add = [&](const Quality& quality) {
    for (const QualityInfo& info : evaluation.columns) {
      const double value = quality.*info.value;
      csv += ',' + (std::isfinite(value) ? nlohmann::ordered_json(value).dump() : text(value));
    }
  };
  for (const auto& [name, result, input] : evaluation.images) {
    csv += detail::csv_field(name);
    add(result);
    if (input) add(*input);
    csv += '\n';
  }
  csv += "mean";
  add(evaluation.mean_of_results());
  if (evaluation.has_input()) add(evaluation.mean_of_inputs());
  return csv + '\n';
}

}  // namespace nlcl
