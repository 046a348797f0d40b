// Pictures of what a patch search found.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "nlcl/core/patch_center.hpp"  // PatchCenter
#include "nlcl/core/shape.hpp"
#include "nlcl/io/pixels.hpp"
#include "nlcl/pages/drawing.hpp"
#include "nlcl/pages/sheet.hpp"

namespace nlcl {

// What was searched for: sides of a patch and of the window that it was searched in, in pixels.
struct SearchedSides {
  Index patch = 16, window = 40;
};

// On the left the layer, with the search window in white; on the right that window, magnified: the query in
// orange, its matches in blue, stronger the nearer they are. The first few are boxes and the others only
// centres, since boxes round all of them would hide what they enclose.
inline Image matches_picture(const Image& layer, const PatchCenter& query,
                             std::span<const PatchCenter> matches, const SearchedSides& search = {}) {
  constexpr Colour white{255, 255, 255}, orange{255, 149, 0}, blue{64, 196, 255};
  constexpr std::size_t boxes = 8;

  const Index zoom = std::max<Index>(1, 512 / layer.height), size = zoom * layer.height;
  const Index side = std::min({search.window + search.patch + 8, layer.height, layer.width});
  const Rectangle window{std::clamp<Index>(query.row - side / 2, 0, layer.height - side),
                         std::clamp<Index>(query.column - side / 2, 0, layer.width - side), side, side};
  const auto in_layer = [&](const Rectangle& r) {
    return Rectangle{r.top * zoom, r.left * zoom, r.height * zoom, r.width * zoom};
  };
  const auto in_window = [&](const Rectangle& r) {
    return Rectangle{(r.top - window.top) * size / side, (r.left - window.left) * size / side,
                     r.height * size / side, r.width * size / side};
  };
  const auto patch = [&](const PatchCenter& center) {
    return Rectangle{center.row - search.patch / 2, center.column - search.patch / 2, search.patch,
                     search.patch};
  };

  Image whole = magnified(layer, {0, 0, layer.height, layer.width}, size, layer.width * zoom);
  outline(whole, in_layer(window), 2, white);
  outline(whole, in_layer(patch(query)), 2, orange);

  Image detail = magnified(layer, window, size, size);
  for (std::size_t rank = matches.size(); rank-- > 0;) {  // the nearest on top
    if (matches[rank] == query) continue;
    const double strength = 1 - 0.8 * static_cast<double>(rank) / static_cast<double>(matches.size());
    if (rank <= boxes) outline(detail, in_window(patch(matches[rank])), 2, blue, strength);
    fill(detail, in_window({matches[rank].row, matches[rank].column, 1, 1}), blue, strength);
  }
  outline(detail, in_window(patch(query)), 4, orange);
  outline(detail, {0, 0, size, size}, 2, white);
  return sheet_of({{whole, detail}});
}

}  // namespace nlcl
