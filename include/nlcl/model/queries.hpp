// Where a step searches: a patch of each image, and for each of the four searches another one.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "nlcl/core/random.hpp"
#include "nlcl/ops/patch_search.hpp"

namespace nlcl {

// Row and column uniform in [16, H-16] and [16, W-16], for each image of x [N,H,W,C] -> [N]. Throws ShapeError for
// sides below 33.
inline Tensor<PatchCenter> draw_queries(const Shape& x, Random& random) {
  constexpr Index margin = 16;
  require<ShapeError>(x.rank() == 4 && x[1] > 2 * margin && x[2] > 2 * margin,
                      "queries: images expect sides above ", 2 * margin, ", x is ", x);
  const auto draw = [&](Index size) {
    return margin + static_cast<Index>(random.below(static_cast<std::uint32_t>(size - 2 * margin + 1)));
  };
  std::vector<PatchCenter> queries;
  for (Index n = 0; n < x[0]; ++n) {
    const Index row = draw(x[1]);
    queries.push_back({n, row, draw(x[2])});
  }
  return patch_centers(queries);
}

// One query for each image of the batch and each of the four searches.
struct Queries {
  Tensor<PatchCenter> rainy, clean, background, rain;  // [N]: in features of O and of clean, in B, in R

  static constexpr auto searches() {
    return std::array{&Queries::rainy, &Queries::clean, &Queries::background, &Queries::rain};
  }

  // Drawn in the order of the searches. Throws as draw_queries().
  static Queries draw(const Shape& x, Random& random) {
    Queries queries;
    for (const auto search : searches()) queries.*search = draw_queries(x, random);
    return queries;
  }

  Queries to(Device device) const {
    Queries there;
    for (const auto search : searches()) there.*search = (this->*search).to(device);
    return there;
  }
};

}  // namespace nlcl
