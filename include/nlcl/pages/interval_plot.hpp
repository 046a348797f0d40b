// A plot of two quantities and their intervals over some conditions, as SVG: for each condition a line with its name, the
// background in one colour above the rain in another.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/pages/axis.hpp"
#include "nlcl/pages/html.hpp"
#include "nlcl/pages/style.hpp"

namespace nlcl {

struct PlottedInterval {
  double value = 0, low = 0, high = 0;
};

struct PlotRow {
  std::string name;
  PlottedInterval background, rain;
};

// A whole SVG file that depends on no other. The axis begins at 0; the reader's browser chooses light or dark. Throws
// ShapeError if there is no row.
inline std::string interval_plot(const std::string& title, const std::string& quantity,
                                 const std::vector<PlotRow>& rows) {
  require<ShapeError>(!rows.empty(), "interval_plot: no rows, expected at least one");
  constexpr double left = 190, right = 690, top = 64, row_height = 38;
  const double bottom = top + row_height * static_cast<double>(rows.size());
  double highest = 0;
  for (const PlotRow& row : rows) highest = std::max({highest, row.background.high, row.rain.high});
  const Axis axis = Axis::around(0, highest);
  const auto rounded = [](double pixels) { return std::round(pixels * 10) / 10; };
  const auto x = [&](double value) {
    return rounded(left + (value - axis.low) / (axis.high - axis.low) * (right - left));
  };

  const auto colours = [](const Palette& p) {
    return text("--ink: ", p.ink, "; --soft: ", p.soft, "; --edge: ", p.edge, "; --back: ", p.blue,
                "; --rain: ", p.orange, "; background: ");
  };

  std::string svg = text(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 )", bottom + 52,
                         R"(" role="img" aria-label=")", escaped(title), R"(">
<style>
svg { )",
                         colours(light_palette), light_palette.card, R"(;
  font: 13px )",
                         sans_serif, R"(; }
@media (prefers-color-scheme: dark) {
  svg { )",
                         colours(dark_palette), dark_palette.page, R"(; } }
text { fill: var(--ink); } .soft { fill: var(--soft); } .mark { text-anchor: middle; } .name { text-anchor: end; }
.title { font-size: 15px; font-weight: 600; } .grid { stroke: var(--edge); }
.back { stroke: var(--back); fill: var(--back); } .rain { stroke: var(--rain); fill: var(--rain); }
path { stroke-width: 1.6; fill: none; } text.back, text.rain { stroke: none; }
</style>
<text class="title" x="16" y="24">)",
                         escaped(title), R"(</text>
<text class="back" x="16" y="46">● background</text><text class="rain" x="120" y="46">● rain</text>)",
                         "\n");
  for (const double mark : axis.marks())
    svg += text(R"(<path class="grid" d="M)", x(mark), ' ', top, 'V', bottom,
                R"("/><text class="soft mark" x=")", x(mark), R"(" y=")", bottom + 18, "\">",
                axis.label(mark), "</text>\n");
  svg += text(R"(<text class="soft mark" x=")", (left + right) / 2, R"(" y=")", bottom + 38, "\">",
              escaped(quantity), "</text>\n");
  double middle = top + row_height / 2;
  for (const PlotRow& row : rows) {
    svg += text(R"(<text class="name" x=")", left - 14, R"(" y=")", middle + 4, "\">", escaped(row.name),
                "</text>\n");
    double y = middle - 6;
    for (const auto& [layer, interval] : {std::pair("back", row.background), std::pair("rain", row.rain)}) {
      svg += text(R"(<path class=")", layer, R"(" d="M)", x(interval.low), ' ', y, 'H', x(interval.high), 'M',
                  x(interval.low), ' ', y - 4, "v8M", x(interval.high), ' ', y - 4, R"(v8"/><circle class=")",
                  layer, R"(" r="3.5" cx=")", x(interval.value), R"(" cy=")", y, "\"/>\n");
      y += 12;
    }
    middle += row_height;
  }
  return svg + "</svg>\n";
}

}  // namespace nlcl
