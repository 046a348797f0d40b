// Parts of pictures, larger and smaller, and what is drawn on pictures.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "nlcl/core/shape.hpp"
#include "nlcl/io/pixels.hpp"

namespace nlcl {

// In pixels.
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

// A part of an image, of any number of channels, on `height` x `width` pixels, which are no more than it has. Each is the
// mean of those that it stands for, to the nearest integer.
inline Image shrunk(const Image& image, const Rectangle& part, Index height, Index width) {
  Image result{height, width, image.channels, {}};
  result.pixels.reserve(static_cast<std::size_t>(height * width * image.channels));
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      const Index top = y * part.height / height, bottom = (y + 1) * part.height / height;
      const Index left = x * part.width / width, right = (x + 1) * part.width / width;
      const Index area = (bottom - top) * (right - left);
      for (Index c = 0; c < image.channels; ++c) {
        Index sum = area / 2;  // rounds to the nearest
        for (Index i = part.top + top; i < part.top + bottom; ++i)
          for (Index j = part.left + left; j < part.left + right; ++j)
            sum += image.pixels[static_cast<std::size_t>((i * image.width + j) * image.channels + c)];
        result.pixels.push_back(static_cast<std::uint8_t>(sum / area));
      }
    }
  return result;
}

// The image, not wider than `width`.
inline Image fitted(const Image& image, Index width) {
  if (image.width <= width) return image;
  return shrunk(image, {0, 0, image.height, image.width},
                std::max<Index>(1, image.height * width / image.width), width);
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

}  // namespace nlcl
