// The report of a training run: one HTML page with everything in it, to be opened without a network.
//
//     RUN/samples/step-NNNNNNNN-layers.png         a rainy image, its clean layer and its rain layer
//     RUN/samples/step-NNNNNNNN-back-matches.png   a patch of the clean layer and those that are most like it
//     RUN/samples/step-NNNNNNNN-rain-matches.png   the same in the rain layer
//     RUN/report.html                              written from these, from log.jsonl and from config.toml
//
// The page depends on the files of the run and on nothing else, so it can be written again at any time. It
// holds no script: curves are SVG, pictures are data: URIs, and the reader's browser chooses light or dark.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/analysis/axis.hpp"
#include "nlcl/analysis/matches_picture.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/model/objective.hpp"
#include "nlcl/ops/patch_search.hpp"
#include "nlcl/train/run_directory.hpp"
#include "nlcl/version.hpp"

namespace nlcl {

namespace detail {

// ---- Pictures ---------------------------------------------------------------------------------------------

inline std::filesystem::path sample_path(const RunDirectory& run, std::uint64_t step, const char* what) {
  char name[64];
  std::snprintf(name, sizeof name, "step-%08llu-%s.png", static_cast<unsigned long long>(step), what);
  return run.path() / "samples" / name;
}

// ---- Numbers and text -------------------------------------------------------------------------------------

inline std::string base64(ByteSpan bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string code;
  code.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0);
    for (std::size_t i = 0; i < 4; ++i) code += i <= count ? digits[group >> (18 - 6 * i) & 63] : '=';
  }
  return code;
}

// 12345 as 12,345.
inline std::string grouped(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

inline std::string duration(double seconds) {
  if (seconds < 90) return text(std::lround(seconds), " s");
  const long minutes = std::lround(seconds / 60);
  return minutes < 90 ? text(minutes, " min") : text(minutes / 60, " h ", minutes % 60, " min");
}

// ---- Curves -----------------------------------------------------------------------------------------------

// The values of one name in the log, where it has them.
struct Curve {
  std::string name;
  std::vector<double> steps, values;
};

// Absent if it is no number, or one that no sum can be taken of.
inline std::optional<double> number(const nlohmann::json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  return std::abs(value) < 1e100 ? std::optional(value) : std::nullopt;
}

// What the losses are, in the order of the page. Others of the log come after them.
inline const std::vector<std::pair<std::string, std::string>>& known_losses() {
  static const std::vector<std::pair<std::string, std::string>> losses{
      {"total", "what the generators minimise"},
      {"discriminator", "mean of D(B)² and (D(clean) − 1)²"},
      {"adversarial", "(D(B) − 1)²"},
      {"location_rainy", "patches of O found again in B"},
      {"location_clean", "patches of a clean image found again"},
      {"layer", "patches of B told from patches of R"},
      {"consistency", "(B + R − O)²"},
      {"sparsity", "|O − B|"},
      {"chroma", "what is not grey in O − B"},
      {"identity", "|G_B(clean) − clean|"},
      {"recomposition", "a clean image, put into this rain, found again"},
  };
  return losses;
}

// One curve per loss that was logged at least once.
inline std::vector<Curve> loss_curves(const std::vector<nlohmann::json>& log) {
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
  for (const auto& [name, ignored] : known_losses()) take(name);
  while (!found.empty()) take(std::string(found.begin()->first));
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

// The mean of each value and its neighbours on both sides, of a twentieth of the curve; of fewer at its
// start, where losses fall fast. It does not lag behind, as a mean of the past would.
inline std::vector<double> smoothed(const std::vector<double>& values) {
  std::vector<double> sums{0}, means;
  for (const double value : values) sums.push_back(sums.back() + value);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t reach = std::min(i, values.size() / 40), end = std::min(i + reach + 1, values.size());
    means.push_back((sums[end] - sums[i - reach]) / static_cast<double>(end - (i - reach)));
  }
  return means;
}

// The value that `share` of the values lie under.
inline double quantile(std::vector<double> values, double share) {
  const auto at = values.begin() + std::lround(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// A curve as SVG: every value faint, `line` over them, a dot at its end. Of many values in one place the band
// between their extremes is drawn. Outliers do not stretch the axis, they leave the picture.
class Chart {
 public:
  Chart(const Curve& curve, std::vector<double> line) : curve_(curve), line_(std::move(line)) {
    x_ = Axis::from_zero(std::max(1.0, *std::ranges::max_element(curve.steps)));
    const auto [lowest, highest] = std::ranges::minmax(line_);
    double low = std::min(lowest, quantile(curve.values, 0.01));
    const double high = std::max(highest, quantile(curve.values, 0.99));
    if (low > 0 && low < high / 2) low = 0;
    y_ = Axis::around(low, high);
  }

  double first() const { return line_.front(); }
  double last() const { return line_.back(); }

  std::string svg(const std::string& id) const {
    std::string out =
        text(R"(<svg viewBox="0 0 360 204" role="img" aria-label=")", escaped(curve_.name), ", from ",
             short_number(first()), " to ", short_number(last()), R"("><clipPath id=")", id, R"("><rect x=")",
             left, R"(" y=")", top - 2, R"(" width=")", right - left, R"(" height=")", bottom - top + 4,
             "\"/></clipPath>\n");
    for (const double mark : y_.marks())
      out += text(R"(<path class="grid" d="M)", left, ' ', y(mark), 'H', right, R"("/><text class="y" x=")",
                  left - 6, R"(" y=")", y(mark) + 4, "\">", y_.label(mark), "</text>\n");
    for (const double mark : x_.marks())
      out +=
          text(R"(<path class="tick" d="M)", x(mark), ' ', bottom, R"(v4"/><text x=")", x(mark), R"(" y=")",
               bottom + 17, "\">", mark < 1000 ? text(mark) : text(mark / 1000, 'k'), "</text>\n");
    out += text(R"(<path class="axis" d="M)", left, ' ', bottom, 'H', right, R"("/><text x=")",
                (left + right) / 2, R"(" y="200">step</text><g clip-path="url(#)", id, R"(")>)", "\n");
    out += values() + shape("polyline", "line", sampled_line());
    return out + text(R"(</g><circle class="end" r="3" cx=")", x(curve_.steps.back()), R"(" cy=")", y(last()),
                      "\"/></svg>\n");
  }

 private:
  using Points = std::vector<std::pair<double, double>>;  // step and value

  static constexpr double left = 46, right = 348, top = 10, bottom = 164;
  static constexpr std::size_t groups = 400;  // more than there are pixels in a chart

  double x(double step) const {
    return rounded(left + (step - x_.low) / (x_.high - x_.low) * (right - left));
  }
  double y(double value) const {
    return rounded(
        std::clamp(bottom - (value - y_.low) / (y_.high - y_.low) * (bottom - top), -100.0, 400.0));
  }
  static double rounded(double pixels) { return std::round(pixels * 10) / 10; }

  // body(begin, end) for each of at most `groups` runs of neighbours.
  void for_each_group(const auto& body) const {
    const std::size_t count = curve_.values.size(), used = std::min(groups, count);
    for (std::size_t g = 0; g < used; ++g) body(g * count / used, (g + 1) * count / used);
  }

  std::string values() const {
    Points low, high;
    for_each_group([&](std::size_t begin, std::size_t end) {
      const auto [lowest, highest] =
          std::ranges::minmax(std::span(curve_.values).subspan(begin, end - begin));
      low.emplace_back(curve_.steps[(begin + end) / 2], lowest);
      high.emplace_back(curve_.steps[(begin + end) / 2], highest);
    });
    if (low == high) return shape("polyline", "values", low);
    low.insert(low.end(), high.rbegin(), high.rend());
    return shape("polygon", "band", low);
  }

  Points sampled_line() const {
    Points points{{curve_.steps.front(), line_.front()}};
    for_each_group([&](std::size_t begin, std::size_t end) {
      points.emplace_back(curve_.steps[(begin + end) / 2], line_[(begin + end) / 2]);
    });
    points.emplace_back(curve_.steps.back(), line_.back());
    return points;
  }

  std::string shape(const char* element, const char* kind, const Points& points) const {
    std::string out = text('<', element, R"( class=")", kind, R"(" points=")");
    for (const auto& [step, value] : points) out += text(x(step), ',', y(value), ' ');
    out.back() = '"';
    return out + "/>\n";
  }

  const Curve& curve_;
  std::vector<double> line_;
  Axis x_, y_;
};

// ---- The page ---------------------------------------------------------------------------------------------

inline constexpr std::string_view report_style = R"(
:root { color-scheme: light dark;
  --page: #fbfbfa; --card: #fff; --edge: #e4e4e0; --ink: #1d1f21; --soft: #6b7076; --curve: #1f6fb2; }
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1c2024; --edge: #30363c; --ink: #e6e8ea; --soft: #98a0a8; --curve: #6cb6f5; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 40px 24px 64px; max-width: 1232px; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
h1 { margin: 0; font-size: 30px; line-height: 1.2; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { margin: 48px 0 4px; font-size: 20px; }
h3 { margin: 0; font-size: 15px; }
p { margin: 0 0 16px; max-width: 80ch; text-wrap: pretty; color: var(--soft); }
figure { margin: 0; }
.cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
.pairs { display: grid; gap: 24px 16px; margin-top: 24px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); }
.facts { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr));
  margin: 24px 0 0; }
.facts div, .card, pre { background: var(--card); border: 1px solid var(--edge); border-radius: 8px; }
.facts div, .card { padding: 14px 16px; }
dt, small, .labels { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-size: 20px; font-variant-numeric: tabular-nums; }
.card header { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
.card output { font-variant-numeric: tabular-nums; font-size: 15px; white-space: nowrap; }
.card svg { display: block; width: 100%; margin-top: 8px; }
svg text { fill: var(--soft); font-size: 11px; text-anchor: middle; font-variant-numeric: tabular-nums; }
svg .y { text-anchor: end; }
.grid, .axis, .tick { stroke: var(--edge); fill: none; }
.axis, .tick { stroke: var(--soft); }
.values, .line { fill: none; stroke: var(--curve); stroke-linejoin: round; }
.values { opacity: 0.35; stroke-width: 0.8; }
.band { fill: var(--curve); opacity: 0.22; }
.line { stroke-width: 1.8; }
.end { fill: var(--curve); }
img { display: block; width: 100%; height: auto; border-radius: 4px; }
figcaption { font-size: 14px; margin-top: 6px; }
.labels { display: grid; grid-template-columns: repeat(3, 1fr); margin-bottom: 4px; }
pre { margin: 12px 0 0; padding: 16px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, "SF Mono", Consolas, "Liberation Mono", monospace; }
footer { margin-top: 48px; color: var(--soft); font-size: 13px; }
@media (max-width: 600px) {
  body { padding: 24px 16px 48px; }
  h1 { font-size: 25px; }
  dd { font-size: 17px; }
  .facts { grid-template-columns: 1fr 1fr; gap: 10px; }
  .facts div:last-child:nth-child(odd) { grid-column: 1 / -1; }
}
)";

// The value of `key = value` in the configuration, without quotes; empty if it is not there.
inline std::string config_value(const std::string& config, const std::string& key) {
  const auto trimmed = [](std::string_view word) {
    const auto is_outer = [](char c) {
      return std::isspace(static_cast<unsigned char>(c)) || c == '"' || c == '\'';
    };
    while (!word.empty() && is_outer(word.front())) word.remove_prefix(1);
    while (!word.empty() && is_outer(word.back())) word.remove_suffix(1);
    return std::string(word);
  };
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);)
    if (const auto equals = line.find('=');
        equals != std::string::npos && trimmed(line.substr(0, equals)) == key)
      return trimmed(line.substr(equals + 1));
  return {};
}

class Report {
 public:
  explicit Report(const RunDirectory& run)
      : run_(run),
        log_(run.read_log()),
        curves_(loss_curves(log_)),
        rate_(curve_of(log_, "learning_rate")),
        steps_(sample_steps()) {
    const auto config = run.path() / "config.toml";
    if (std::filesystem::is_regular_file(config)) {
      const auto bytes = read_file(config);
      config_ = text_of(bytes);
    }
  }

  std::string html() const {
    const std::string name = escaped(std::filesystem::weakly_canonical(run_.path()).filename().string());
    return text(R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>)",
                name, R"( · training report</title>
<style>)",
                report_style, R"(</style>
</head>
<body>
<h1>)",
                name, "</h1>\n", facts(), losses(), samples(), configuration(), "<footer>nlcl ", version,
                "</footer>\n</body>\n</html>\n");
  }

 private:
  std::string facts() const {
    std::string out = "<dl class=\"facts\">\n";
    const auto fact = [&](const char* term, const std::string& value) {
      if (!value.empty()) out += text("<div><dt>", term, "</dt><dd>", value, "</dd></div>\n");
    };
    const Curve seconds = curve_of(log_, "seconds");
    const double last = log_.empty() ? 0 : number(log_.back(), "step").value_or(0);
    const auto done = static_cast<std::uint64_t>(std::clamp(last, 0.0, 1e18));
    const std::string planned = config_value(config_, "steps");
    const bool is_number = !planned.empty() && planned.size() < 19 &&
                           planned.find_first_not_of("0123456789") == std::string::npos;
    fact("steps", grouped(done) + (is_number ? " of " + grouped(std::stoull(planned)) : ""));
    fact("objective", escaped(config_value(config_, "objective")));
    if (!seconds.values.empty()) {
      const double median = quantile(seconds.values, 0.5);
      fact("seconds per step", short_number(median));
      fact("computing time", duration(median * static_cast<double>(done)));
    }
    for (const Curve& curve : curves_)
      if (curve.name == "total")
        fact("total loss, first and last",
             short_number(curve.values.front()) + " → " + short_number(curve.values.back()));
    return out + "</dl>\n";
  }

  std::string losses() const {
    std::string out = "<h2>Losses</h2>\n";
    if (curves_.empty() && rate_.values.empty()) return out + "<p>The log has no steps yet.</p>\n";
    out += "<p>Faint: every logged step. Line: means over a twentieth of them. Numbers: its two ends.</p>\n";
    out += "<div class=\"cards\">\n";
    const std::map<std::string, std::string> meaning(known_losses().begin(), known_losses().end());
    std::size_t id = 0;
    const auto card = [&](const Curve& curve, std::vector<double> line, const std::string& about) {
      const Chart chart(curve, std::move(line));
      std::string title = curve.name;
      std::ranges::replace(title, '_', ' ');
      out += text("<section class=\"card\"><header><h3>", escaped(title), "</h3><output>",
                  short_number(chart.first()), " → ", short_number(chart.last()), "</output></header><small>",
                  about, "</small>\n", chart.svg(text("plot", id++)), "</section>\n");
    };
    for (const Curve& curve : curves_)
      card(curve, smoothed(curve.values), meaning.contains(curve.name) ? meaning.at(curve.name) : "");
    if (!rate_.values.empty()) card(rate_, rate_.values, "of the generators");
    return out + "</div>\n";
  }

  std::string samples() const {
    std::string out = "<h2>Samples</h2>\n";
    if (steps_.empty()) return out + "<p>No pictures have been drawn yet.</p>\n";
    out +=
        "<p>One rainy image of the training data, split into its layers by the generators of that step. The "
        "rain layer is drawn four times as bright as it is.</p>\n";
    out += layers(steps_.back());
    out += "<div class=\"pairs\">\n";
    out += matches("back", "Clean layer: a patch (orange) and those most like it (blue).");
    out += matches("rain", "Rain layer: the same. The nearest are boxes, the others dots in their centres.");
    out += "</div>\n";
    const std::size_t count = std::min<std::size_t>(9, steps_.size());
    if (count < 2) return out;
    out += "<h2>On the way</h2>\n<div class=\"pairs\">\n";
    for (std::size_t i = 0; i + 1 < count; ++i) out += layers(steps_[i * (steps_.size() - 1) / (count - 1)]);
    return out + "</div>\n";
  }

  std::string configuration() const {
    if (config_.empty()) return {};
    return text("<h2>Configuration</h2>\n<pre>", escaped(config_), "</pre>\n");
  }

  // The steps that have a picture of their layers.
  std::vector<std::uint64_t> sample_steps() const {
    std::vector<std::uint64_t> steps;
    for (const auto& entry : std::filesystem::directory_iterator(run_.path() / "samples")) {
      unsigned long long step = 0;
      if (std::sscanf(entry.path().filename().string().c_str(), "step-%18llu", &step) == 1 &&
          entry.path() == sample_path(run_, step, "layers"))
        steps.push_back(step);
    }
    std::ranges::sort(steps);
    return steps;
  }

  std::string layers(std::uint64_t step) const {
    return text(R"(<figure><div class="labels">)",
                "<span>rainy</span><span>clean layer</span><span>rain layer</span></div>",
                picture(sample_path(run_, step, "layers"),
                        text("rainy image, clean layer and rain layer at step ", step)),
                "<figcaption>step ", grouped(step), "</figcaption></figure>\n");
  }

  std::string matches(const std::string& layer, const char* caption) const {
    const auto path = sample_path(run_, steps_.back(), (layer + "-matches").c_str());
    if (!std::filesystem::is_regular_file(path)) return {};
    return text("<figure>",
                picture(path, text("matched patches of the ", layer, " layer at step ", steps_.back())),
                "<figcaption>", caption, "</figcaption></figure>\n");
  }

  // As JPEG, a sixth of the size: the PNGs are still there for those who look at single levels.
  static std::string picture(const std::filesystem::path& path, const std::string& alt) try {
    const Image image = without_alpha(read_image(path));
    return text(R"(<img alt=")", alt, R"(" width=")", image.width, R"(" height=")", image.height,
                R"(" src="data:image/jpeg;base64,)", base64(encode_jpeg(image, 92)), R"(">)");
  } catch (const FormatError&) {
    return text("<p>", alt, ": the file is damaged</p>");
  }

  const RunDirectory& run_;
  std::vector<nlohmann::json> log_;
  std::vector<Curve> curves_;
  Curve rate_;
  std::vector<std::uint64_t> steps_;
  std::string config_;
};

}  // namespace detail

// Draws the layers of one image [1,H,W,3] in [-1, 1], and what the layer contrast matches in them: the first
// query of back and of rain. Throws ShapeError, IoError, and FormatError for values that are no numbers.
inline void write_samples(const RunDirectory& run, std::uint64_t step, const Tensor<float>& rainy,
                          const Tensor<float>& back, const Tensor<float>& rain, const Queries& queries,
                          const ObjectiveOptions& options) {
  require<ShapeError>(rainy.shape() == back.shape() && rainy.shape() == rain.shape(), "samples: rainy ",
                      rainy.shape(), ", back ", back.shape(), ", rain ", rain.shape());
  require<ShapeError>(queries.back.size() > 0 && queries.rain.size() > 0,
                      "samples: expected a query of each layer");
  const Image back_image = to_image(back), rain_image = rain_picture(rain);
  const auto matches = [&](const char* what, const Tensor<float>& layer, const Image& image,
                           const PatchCenter& query, Index count) {
    write_image(detail::sample_path(run, step, what),
                matches_picture(image, query,
                                nearest_patches(layer, patch_centers({query}), {.count = count}).values()));
  };
  matches("back-matches", back, back_image, queries.back(0), options.back_patches);
  matches("rain-matches", rain, rain_image, queries.rain(0), options.rain_patches);
  write_image(detail::sample_path(run, step, "layers"),
              side_by_side({to_image(rainy), back_image, rain_image}));
}

// Writes RUN/report.html, complete or not at all. What is missing in the run is left out, or said to be
// missing. Throws IoError.
inline void write_report(const RunDirectory& run) {
  write_file_atomically(run.path() / "report.html", bytes_of(detail::Report(run).html()));
}

}  // namespace nlcl
