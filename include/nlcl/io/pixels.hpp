// An image in memory: 8 or 16 bits per channel, and the tensors in [-1, 1] that the model works on.
//
// Pixels are what a file holds, whatever its format: no colour profile, no gamma. Files are read and written in
// image.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/region.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// Rows from the top, channels interleaved: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
template <class Level>
struct BasicImage {
  static constexpr int white = std::numeric_limits<Level>::max();

  Index height = 0, width = 0, channels = 0;
  std::vector<Level> pixels;  // height * width * channels

  bool has_alpha() const { return channels == 2 || channels == 4; }
};

using Image = BasicImage<std::uint8_t>;
using DeepImage = BasicImage<std::uint16_t>;

namespace detail {

template <class Level>
void check_image(const BasicImage<Level>& image) {
  require<ShapeError>(
      image.height > 0 && image.width > 0 && image.channels >= 1 && image.channels <= 4 &&
          image.pixels.size() == static_cast<std::size_t>(image.height * image.width * image.channels),
      "image: ", image.pixels.size(), " values for ", image.height, " x ", image.width, " pixels of ",
      image.channels, " channels");
}

// The image as it was meant to be seen. `orientation` as EXIF counts it: 2 to 4 mirror or turn by 180 degrees, 5 to 8 also
// swap rows and columns.
template <class Level>
BasicImage<Level> turned_upright(BasicImage<Level> image, int orientation) {
  if (orientation <= 1) return image;
  const bool is_transposed = orientation >= 5;
  const bool is_bottom_up = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool is_right_to_left = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  BasicImage<Level> result{is_transposed ? image.width : image.height,
                           is_transposed ? image.height : image.width, image.channels,
                           std::vector<Level>(image.pixels.size())};
  auto* out = result.pixels.data();
  for (Index y = 0; y < result.height; ++y)
    for (Index x = 0; x < result.width; ++x) {
      const Index up = is_bottom_up ? result.height - 1 - y : y;
      const Index left = is_right_to_left ? result.width - 1 - x : x;
      const Index from = is_transposed ? left * image.width + up : up * image.width + left;
      out = std::copy_n(image.pixels.data() + from * image.channels, image.channels, out);
    }
  return result;
}

// 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), to the nearest integer.
template <class Level>
Level grey_of(const Level* rgb) {
  return static_cast<Level>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

}  // namespace detail

// The colours of row y as [W,3], p / white * 2 - 1. Grey is repeated, alpha left out.
template <class Level>
void read_row(const BasicImage<Level>& image, Index y, float* rgb) {
  const Level* p = image.pixels.data() + y * image.width * image.channels;
  for (Index x = 0; x < image.width; ++x, p += image.channels)
    for (Index c = 0; c < 3; ++c)
      *rgb++ = static_cast<float>(p[image.channels < 3 ? 0 : c]) / image.white * 2.0f - 1.0f;
}

// The colours rgb [W,3] as row y: values clamped to [-1, 1], (x + 1) / 2 * white to the nearest integer, of a grey image as
// to_grey() does; alpha stays. Throws FormatError for a value that is no number.
template <class Level>
void write_row(BasicImage<Level>& image, Index y, const float* rgb) {
  Level* p = image.pixels.data() + y * image.width * image.channels;
  for (Index x = 0; x < image.width; ++x, p += image.channels, rgb += 3) {
    Level level[3];
    for (int c = 0; c < 3; ++c) {
      require<FormatError>(!std::isnan(rgb[c]), "image: value ", 3 * x + c, " of row ", y,
                           " is not a number");
      level[c] =
          static_cast<Level>(std::lrint((std::clamp(rgb[c], -1.0f, 1.0f) + 1.0f) * (0.5f * image.white)));
    }
    if (image.channels < 3)
      p[0] = detail::grey_of(level);
    else
      std::copy_n(level, 3, p);
  }
}

// The colours as [1,H,W,3], all rows of them.
template <class Level = std::uint8_t>
Tensor<float> to_tensor(const BasicImage<Level>& image) {
  detail::check_image(image);
  Tensor<float> rgb({1, image.height, image.width, 3});
  float* const rows = rgb.mutable_data();
  for (Index y = 0; y < image.height; ++y) read_row(image, y, rows + y * image.width * 3);
  return rgb;
}

// The RGB image of [1,H,W,3], all rows of it. Throws ShapeError for another shape, FormatError for a value that is no
// number.
template <class Level = std::uint8_t>
BasicImage<Level> to_image(const Tensor<float>& rgb) {
  const Shape& shape = rgb.shape();
  require<ShapeError>(shape.rank() == 4 && shape[0] == 1 && shape[3] == 3 && shape.size() > 0,
                      "to_image: expects [1,H,W,3], the shape is ", shape);
  BasicImage<Level> image{shape[1], shape[2], 3, std::vector<Level>(static_cast<std::size_t>(rgb.size()))};
  for (Index y = 0; y < image.height; ++y) write_row(image, y, rgb.data() + y * image.width * 3);
  return image;
}

// The colours alone: 1 or 3 channels.
template <class Level = std::uint8_t>
BasicImage<Level> without_alpha(const BasicImage<Level>& image) {
  detail::check_image(image);
  if (!image.has_alpha()) return image;
  const auto colours = static_cast<std::size_t>(image.channels - 1);
  BasicImage<Level> result{image.height, image.width, image.channels - 1, {}};
  for (std::size_t at = 0; at < image.pixels.size(); at += colours + 1)
    result.pixels.insert(result.pixels.end(), &image.pixels[at], &image.pixels[at] + colours);
  return result;
}

// The colours of `image` with the alpha of `source`; without one if `source` has none. Throws ShapeError when
// the sizes differ.
template <class Level = std::uint8_t>
BasicImage<Level> with_alpha_of(const BasicImage<Level>& image, const BasicImage<Level>& source) {
  detail::check_image(source);
  BasicImage<Level> colour = without_alpha(image);
  require<ShapeError>(colour.height == source.height && colour.width == source.width,
                      "with_alpha_of: ", colour.height, " x ", colour.width, " pixels, the source has ",
                      source.height, " x ", source.width);
  if (!source.has_alpha()) return colour;
  BasicImage<Level> result{colour.height, colour.width, colour.channels + 1, {}};
  result.pixels.reserve(static_cast<std::size_t>(result.height * result.width * result.channels));
  const auto colours = static_cast<std::size_t>(colour.channels),
             step = static_cast<std::size_t>(source.channels);
  for (std::size_t i = 0; i * step < source.pixels.size(); ++i) {
    const Level* from = &colour.pixels[i * colours];
    result.pixels.insert(result.pixels.end(), from, from + colours);
    result.pixels.push_back(source.pixels[i * step + step - 1]);
  }
  return result;
}

// One channel, or two with alpha: grey_of().
template <class Level = std::uint8_t>
BasicImage<Level> to_grey(const BasicImage<Level>& image) {
  detail::check_image(image);
  if (image.channels < 3) return image;
  BasicImage<Level> result{image.height, image.width, image.channels - 2, {}};
  for (std::size_t at = 0; at < image.pixels.size(); at += static_cast<std::size_t>(image.channels)) {
    const Level* p = &image.pixels[at];
    result.pixels.push_back(detail::grey_of(p));
    if (image.channels == 4) result.pixels.push_back(p[3]);
  }
  return result;
}

// A part of an image. Throws ShapeError for a region that does not lie within it.
template <class Level>
BasicImage<Level> cropped(const BasicImage<Level>& image, const Region& region) {
  require_within(region, image.height, image.width);
  BasicImage<Level> part{region.height, region.width, image.channels, {}};
  for (Index y = region.top; y < region.top + region.height; ++y) {
    const auto from = image.pixels.begin() + (y * image.width + region.left) * image.channels;
    part.pixels.insert(part.pixels.end(), from, from + region.width * image.channels);
  }
  return part;
}

// Three channels, as the model sees an image: grey is repeated, alpha left out.
template <class Level = std::uint8_t>
BasicImage<Level> to_rgb(const BasicImage<Level>& image) {
  BasicImage<Level> colours = without_alpha(image);
  if (colours.channels == 3) return colours;
  BasicImage<Level> result{colours.height, colours.width, 3, {}};
  result.pixels.reserve(3 * colours.pixels.size());
  for (const Level level : colours.pixels) result.pixels.insert(result.pixels.end(), 3, level);
  return result;
}

// With 8 bits, to the nearest level.
inline const Image& to_8_bits(const Image& image) { return image; }
inline Image to_8_bits(const DeepImage& image) {
  Image result{image.height, image.width, image.channels, {}};
  result.pixels.reserve(image.pixels.size());
  for (const int level : image.pixels)
    result.pixels.push_back(static_cast<std::uint8_t>((level * 255 + 32767) / 65535));
  return result;
}

}  // namespace nlcl
