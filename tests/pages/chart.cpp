#include "nlcl/pages/chart.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace nlcl;
using Catch::Contains;

TEST_CASE("chart: the smoothed line starts where the curve does and keeps a straight one", "[pages]") {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(3 - 0.01 * i);
  const std::vector<double> line = smoothed(values);
  CHECK(line[0] == values[0]);
  for (std::size_t i = 0; i < 390; ++i) CHECK(line[i] == Approx(values[i]).margin(1e-9));
}

TEST_CASE("chart: quantiles are values that occur", "[pages]") {
  CHECK(quantile({5, 1, 3}, 0) == 1);
  CHECK(quantile({5, 1, 3}, 0.5) == 3);
  CHECK(quantile({5, 1, 3}, 1) == 5);
}

TEST_CASE("chart: a curve of few values is a line, one of many a band", "[pages]") {
  const auto chart_of = [](int count) {
    Curve curve{"a <b>", {}, {}};
    for (int i = 1; i <= count; ++i) {
      curve.steps.push_back(i);
      curve.values.push_back(i % 2 ? 1 : 3);
    }
    const Chart chart(curve, smoothed(curve.values));
    CHECK(chart.first() == 1);
    return chart.svg("id");
  };
  const std::string few = chart_of(10), many = chart_of(5000);
  for (const std::string& svg : {few, many}) {
    CHECK_THAT(svg, Catch::StartsWith("<svg ") && Catch::EndsWith("</svg>\n"));
    CHECK_THAT(svg, Contains("aria-label=\"a &lt;b&gt;, from 1 to ") && !Contains("nan") && !Contains("inf"));
    CHECK_THAT(
        svg, Contains("<polyline class=\"line\"") && Contains("clipPath id=\"id\"") && Contains("url(#id)"));
  }
  CHECK_THAT(few, Contains("<polyline class=\"values\"") && !Contains("<polygon"));
  CHECK_THAT(many, Contains("<polygon class=\"band\"") && Contains(">5k<"));
  CHECK(many.size() < 25'000);
}

TEST_CASE("chart: one value", "[pages]") {
  const Curve curve{"x", {7}, {2}};
  CHECK_THAT(Chart(curve, curve.values).svg("id"), !Contains("nan") && !Contains("inf"));
}
