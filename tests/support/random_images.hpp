// Images for a generator, the same each time.
#pragma once

#include "support/tensors.hpp"

namespace nlcl::test {

inline Tensor<float> random_images(Index batch, Index height, Index width) {
  Random random(5);
  return random_tensor<float>({batch, height, width, 3}, random);
}

}  // namespace nlcl::test
