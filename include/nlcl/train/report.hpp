// The report of a training run: one HTML page with everything in it, to be opened without a network.
//
//     RUN/report.html     written from RUN/samples, log.jsonl, run.json and config.toml
//
// The page depends on the files of the run and on nothing else, so it can be written again at any time. It
// holds no script: curves are SVG, pictures are data: URIs, and the reader's browser chooses light or dark.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/printable.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/pages/axis.hpp"
#include "nlcl/pages/chart.hpp"
#include "nlcl/pages/html.hpp"
#include "nlcl/pages/style.hpp"
#include "nlcl/train/log_curves.hpp"
#include "nlcl/train/run_directory.hpp"
#include "nlcl/train/samples.hpp"
#include "nlcl/version.hpp"

namespace nlcl {

namespace detail {

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

class Report {
 public:
  Report(const RunDirectory& run, const LossMeanings& meanings)
      : run_(run),
        log_(run.read_log()),
        meanings_(meanings.begin(), meanings.end()),
        curves_(loss_curves(log_, meanings)),
        rate_(curve_of(log_, "learning_rate")),
        steps_(sample_steps()) {
    const auto config = run.path() / "config.toml";
    std::error_code ignored;
    if (std::filesystem::is_regular_file(config, ignored)) {
      const auto bytes = read_file(config);
      config_ = text_of(bytes);
    }
  }

  std::string html() const {
    std::error_code ignored;  // a path that cannot be resolved has no name
    const std::string name =
        printable(std::filesystem::weakly_canonical(run_.path(), ignored).filename().string());
    return html_page(name + " · training report", page_style(),
                     text("<h1>", escaped(name), "</h1>\n", facts(), losses(), gradients(), samples(),
                          configuration(), "<footer>nlcl ", version, "</footer>\n"));
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
    const RunFacts known = run_.facts();
    fact("steps", grouped(done) + (known.steps ? " of " + grouped(*known.steps) : ""));
    fact("objective", escaped(known.objective));
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
    std::size_t id = 0;
    for (const Curve& curve : curves_)
      out += card(text("plot", id++), curve, smoothed(curve.values),
                  meanings_.contains(curve.name) ? meanings_.at(curve.name) : "");
    if (!rate_.values.empty()) out += card(text("plot", id), rate_, rate_.values, "of the generators");
    return out + "</div>\n";
  }

  // What --log-gradients has noted.
  std::string gradients() const {
    std::string cards;
    for (const char* layer : {"B", "R"})
      for (const Curve& curve : gradient_curves(log_, layer))
        cards += card(text("gradient-", layer, '-', escaped(curve.name)), curve, smoothed(curve.values),
                      text("at ", layer));
    if (cards.empty()) return {};
    return text(
        "<h2>Gradients</h2>\n<p>How hard each term pulls at the layers: the norm of its weighted gradient, "
        "over ",
        "all pixels of a batch.</p>\n<div class=\"cards\">\n", cards, "</div>\n");
  }

  static std::string card(const std::string& id, const Curve& curve, std::vector<double> line,
                          const std::string& about) {
    const Chart chart(curve, std::move(line));
    std::string title = curve.name;
    std::ranges::replace(title, '_', ' ');
    return text("<section class=\"card\"><header><h3>", escaped(title), "</h3><output>",
                short_number(chart.first()), " → ", short_number(chart.last()), "</output></header><small>",
                escaped(about), "</small>\n", chart.svg(id), "</section>\n");
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
    for (const std::filesystem::path& file : entries_of(run_.path() / "samples")) {
      unsigned long long step = 0;
      if (std::sscanf(file.filename().string().c_str(), "step-%18llu", &step) == 1 &&
          file == sample_path(run_, step, "layers"))
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
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) return {};
    return text("<figure>",
                picture(path, text("matched patches of the ", layer, " layer at step ", steps_.back())),
                "<figcaption>", caption, "</figcaption></figure>\n");
  }

  // As JPEG, a sixth of the size: the PNGs are still there for those who look at single levels.
  static std::string picture(const std::filesystem::path& path, const std::string& alt) try {
    const Image image = without_alpha(read_image(path));
    return picture_element(image.height, image.width, "image/jpeg", encode_jpeg(image, 92), alt);
  } catch (const FormatError&) {
    return text("<p>", alt, ": the file is damaged</p>");
  }

  const RunDirectory& run_;
  std::vector<nlohmann::json> log_;
  std::map<std::string, std::string> meanings_;  // of losses
  std::vector<Curve> curves_;
  Curve rate_;
  std::vector<std::uint64_t> steps_;
  std::string config_;
};

}  // namespace detail

// Writes RUN/report.html, complete or not at all. What is missing in the run is left out, or said to be
// missing. `meanings` are the captions of the losses. Throws IoError.
inline void write_report(const RunDirectory& run, const LossMeanings& meanings = loss_meanings()) {
  write_file_atomically(run.path() / "report.html", bytes_of(detail::Report(run, meanings).html()));
}

}  // namespace nlcl
