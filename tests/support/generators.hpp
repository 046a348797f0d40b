// Generators for tests.
#pragma once

#include "nlcl/model/generator.hpp"

namespace nlcl::test {

// With a skip, and tiles of this side.
inline Generator<float> generator_with_tile(Index side) {
  Generator<float> generator(Random(3));
  generator.set_skip(true);
  generator.set_tile(side);
  return generator;
}

}  // namespace nlcl::test
