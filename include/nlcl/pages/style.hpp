// How pages and charts look: the colours, in light and in dark, the type, and the style sheet of a page.
#pragma once

#include <string>

#include "nlcl/core/error.hpp"

namespace nlcl {

// Colours as CSS writes them.
struct Palette {
  const char *page, *card, *edge;  // behind everything, behind a part, and between parts
  const char *ink, *soft;          // text, and text beside it
  const char *blue, *orange;       // of curves
};
inline constexpr Palette light_palette{"#fbfbfa", "#fff",    "#e4e4e0", "#1d1f21",
                                       "#6b7076", "#1f6fb2", "#c2571a"};
inline constexpr Palette dark_palette{"#14171a", "#1c2024", "#30363c", "#e6e8ea",
                                      "#98a0a8", "#6cb6f5", "#f0965a"};

inline constexpr const char* sans_serif =
    R"(system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif)";

// Headings, cards in a grid, facts, pictures with captions, and charts. The reader's browser chooses light or dark.
inline std::string page_style() {
  const auto colours = [](const Palette& p) {
    return text("--page: ", p.page, "; --card: ", p.card, "; --edge: ", p.edge, "; --ink: ", p.ink,
                "; --soft: ", p.soft, "; --curve: ", p.blue, "; }\n");
  };
  return text(R"(
:root { color-scheme: light dark;
  )",
              colours(light_palette), R"(@media (prefers-color-scheme: dark) {
  :root {
    )",
              colours(dark_palette), R"(}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 40px 24px 64px; max-width: 1232px; color: var(--ink); background: var(--page);
  font: 16px/1.5 )",
              sans_serif, R"(; }
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
)");
}

}  // namespace nlcl
