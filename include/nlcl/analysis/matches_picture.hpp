// Pictures of what a patch search found.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "nlcl/io/image.hpp"
#include "nlcl/ops/patch_search.hpp"

namespace nlcl {

// RGB images of one height, from left to right.
inline Image side_by_side(const std::vector<Image>& images) {
  Image row{images.front().height, 0, 3, {}};
  for (const Image& image : images) row.width += image.width;
  for (Index y = 0; y < row.height; ++y)
    for (const Image& image : images) {
      const auto line = image.pixels.begin() + y * image.width * 3;
      row.pixels.insert(row.pixels.end(), line, line + image.width * 3);
    }
  return row;
}

// RGB images from top to bottom, on white where they are narrower than others.
inline Image one_above_the_other(const std::vector<Image>& images) {
  Image column{0, 0, 3, {}};
  for (const Image& image : images) column.width = std::max(column.width, image.width);
  for (const Image& image : images) {
    column.height += image.height;
    for (Index y = 0; y < image.height; ++y) {
      const auto line = image.pixels.begin() + y * image.width * 3;
      column.pixels.insert(column.pixels.end(), line, line + image.width * 3);
      column.pixels.resize(column.pixels.size() + static_cast<std::size_t>((column.width - image.width) * 3),
                           255);
    }
  }
  return column;
}

struct Rectangle {
  Index top = 0, left = 0, height = 0, width = 0;
};

// A part of an RGB image on `height` x `width` pixels. Pixels stay squares, so that one can count them.
inline Image magnified(const Image& image, const Rectangle& part, Index height, Index width) {
  Image result{height, width, 3, {}};
  result.pixels.reserve(static_cast<std::size_t>(height * width * 3));
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      const Index row = part.top + y * part.height / height, column = part.left + x * part.width / width;
      const auto pixel = image.pixels.begin() + (row * image.width + column) * 3;
      result.pixels.insert(result.pixels.end(), pixel, pixel + 3);
    }
  return result;
}

using Colour = std::array<std::uint8_t, 3>;

// Paints over what is there; parts outside of the image are left out.
inline void fill(Image& image, const Rectangle& area, const Colour& colour, double opacity) {
  for (Index y = std::max<Index>(area.top, 0); y < std::min(area.top + area.height, image.height); ++y)
    for (Index x = std::max<Index>(area.left, 0); x < std::min(area.left + area.width, image.width); ++x)
      for (Index c = 0; c < 3; ++c) {
        std::uint8_t& value = image.pixels[static_cast<std::size_t>((y * image.width + x) * 3 + c)];
        value = static_cast<std::uint8_t>(
            std::lrint(value + opacity * (colour[static_cast<std::size_t>(c)] - value)));
      }
}

// The lines lie inside of the box.
inline void outline(Image& image, const Rectangle& box, Index line, const Colour& colour,
                    double opacity = 1) {
  const auto& [top, left, height, width] = box;
  fill(image, {top, left, line, width}, colour, opacity);
  fill(image, {top + height - line, left, line, width}, colour, opacity);
  fill(image, {top + line, left, height - 2 * line, line}, colour, opacity);
  fill(image, {top + line, left + width - line, height - 2 * line, line}, colour, opacity);
}

// On the left the layer, with the search window in white; on the right that window, magnified: the query in
// orange, its matches in blue, stronger the nearer they are. The first few are boxes and the others only
// centres, since boxes round all of them would hide what they enclose.
inline Image matches_picture(const Image& layer, const PatchCenter& query,
                             std::span<const PatchCenter> matches, const PatchSearchOptions& search = {}) {
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
  return side_by_side({whole, detail});
}

}  // namespace nlcl
