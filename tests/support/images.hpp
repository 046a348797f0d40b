// Images for tests.
#pragma once

#include <cstdint>

#include "nlcl/core/random.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image.hpp"

namespace nlcl::test {

// Every level equally likely.
inline Image random_image(Index height, Index width, Index channels, std::uint64_t seed = 0) {
  Random random(seed);
  Image image{height, width, channels, {}};
  for (Index i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  return image;
}

// Levels of 0 to 255 [H,W,C], as golden files have them.
inline Image image_of(const Tensor<double>& levels) {
  Image image{levels.shape()[0], levels.shape()[1], levels.shape()[2], {}};
  for (const double level : levels.values()) image.pixels.push_back(static_cast<std::uint8_t>(level));
  return image;
}

}  // namespace nlcl::test
