// A curve over the steps of a run, as SVG.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/pages/axis.hpp"
#include "nlcl/pages/html.hpp"

namespace nlcl {

// Values at steps that grow.
struct Curve {
  std::string name;
  std::vector<double> steps, values;
};

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
                (left + right) / 2, R"(" y="200">step</text><g clip-path="url(#)", id, ")\">\n");
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

}  // namespace nlcl
