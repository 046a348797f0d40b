// What cannot be seen as it is, made visible: rain, and errors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "nlcl/core/error.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/pixels.hpp"

namespace nlcl {

// Rain as a colour in [-1,1], four times as bright as it is: black where nothing was added to the image, white where 64
// of 255 levels or more were. Rain is in units of the network's range and rarely exceeds 0.5.
inline float rain_colour(float rain) { return 4 * rain - 1; }

// A rain layer [1,H,W,3] as such a picture. Throws as to_image.
inline Image rain_picture(const Tensor<float>& rain) {
  Tensor<float> drawn(rain.shape());
  std::transform(rain.data(), rain.data() + rain.size(), drawn.mutable_data(), rain_colour);
  return to_image(drawn);
}

// What an image differs from the truth in each channel, four times as bright as it is: black where both are equal, white
// where they differ by 64 of 255 levels or more. Throws ShapeError unless they are of one size.
inline Image error_picture(const Image& image, const Image& truth) {
  require<ShapeError>(
      image.height == truth.height && image.width == truth.width && image.channels == truth.channels,
      "error_picture: ", image.height, " x ", image.width, " pixels of ", image.channels,
      " channels, the truth has ", truth.height, " x ", truth.width, " of ", truth.channels);
  Image picture = image;
  for (std::size_t i = 0; i < picture.pixels.size(); ++i)
    picture.pixels[i] =
        static_cast<std::uint8_t>(std::min(255, 4 * std::abs(image.pixels[i] - truth.pixels[i])));
  return picture;
}

}  // namespace nlcl
