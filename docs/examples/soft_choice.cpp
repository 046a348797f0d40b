// A gradient through a choice. The query's patch is a little more like one that carries the feature 0 than like one that
// carries 1. The hard choice of the nearest has no gradient; the soft one says how to change the picture so that the
// choice becomes the other.
#include <cstdio>
#include <iostream>

#include "nlcl/ops/gather_patches.hpp"
#include "nlcl/ops/patch_search.hpp"
#include "nlcl/ops/pixel_losses.hpp"
#include "nlcl/ops/soft_match.hpp"

using namespace nlcl;

// Patches of 2 x 2 pixels in a strip: the query at column 1, others at 4 and at 7, and bright pixels between them.
Tensor<double> strip() {
  Tensor<double> x({1, 3, 9, 1});
  const double row[9] = {0.5, 0.5, 9, 0.4, 0.4, 9, 0.7, 0.7, 9};
  for (Index i = 0; i < x.size(); ++i) x.mutable_data()[i] = row[i % 9];
  return x.set_requires_grad(true);
}

int main() {
  const PatchSearchOptions search{.count = 3, .patch = 2, .window = 20};
  const auto query = patch_centers({{0, 1, 1}});
  auto feature = Tensor<double>::full({1, 3, 9, 1}, 0.5);
  feature.mutable_data()[9 + 4] = 0, feature.mutable_data()[9 + 7] = 1;
  const auto wanted = Tensor<double>::full({1, 1}, 1);

  Tensor<double> x = strip();
  {
    Tape<double> tape;
    const auto nearest = gather_patches(feature, nearest_patches(x, query, search), 3, 9);
    try {
      tape.backward(nearest, Tensor<double>::full(nearest.shape(), 1));
    } catch (const TapeError& error) {
      std::cout << "hard choice: " << error.what() << '\n';
    }
  }
  for (int step = 0; step <= 30; ++step) {
    Tape<double> tape;
    const PatchMatches<double> matches = patch_search(x, query, search);
    const Tensor<double> features = gather_patches(feature, matches.centers, 3, 9);
    const Tensor<double> y = soft_match(matches.distances, features, 0.2);
    const Tensor<double> dx = tape.backward(mean_squared_error(y, wanted)).of(x);
    if (step % 10 == 0)
      std::printf("step %2d: nearest at column %d, distances %.2f and %.2f, y = %.2f\n", step,
                  static_cast<int>(matches.centers(1).column), matches.distances(0, 1),
                  matches.distances(0, 2), y(0, 0));
    Tensor<double> next = x.detached().clone();
    update(next, dx, [](double value, double d) { return value - 0.01 * d; });
    x = next.set_requires_grad(true);
  }
}
