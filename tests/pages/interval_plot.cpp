#include "nlcl/pages/interval_plot.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

TEST_CASE("interval_plot: a line for each condition, on an axis from 0", "[pages]") {
  const std::string svg =
      interval_plot("Title & more", "quantity",
                    {{"first <one>", {4, 3, 5}, {2, 1, 3}}, {"second", {10, 9, 10}, {5, 4, 6}}});
  CHECK_THAT(svg, Catch::StartsWith("<svg xmlns=") && Catch::EndsWith("</svg>\n"));
  CHECK_THAT(svg, Contains("Title &amp; more") && Contains("first &lt;one&gt;") && Contains(">second<"));
  // The axis of 500 pixels ends at 10: 50 for each.
  CHECK_THAT(svg, Contains(R"(<circle class="back" r="3.5" cx="390")"));
  CHECK_THAT(svg, Contains(R"(<circle class="rain" r="3.5" cx="290")"));
  CHECK_THAT(svg, Contains("M340 77H440"));
  CHECK_THAT(svg, !Contains("nan") && !Contains("inf"));
  CHECK(message_of<ShapeError>([] { interval_plot("", "", {}); }) ==
        "interval_plot: no rows, expected at least one");
}
