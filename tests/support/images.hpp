// Images for tests.
#pragma once

#include <cstdint>

#include "nlcl/core/random.hpp"
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

}  // namespace nlcl::test
