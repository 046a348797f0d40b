// A batch of two, and two batches of one whose gradients are added: is it the same step?
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "nlcl/train/trainer.hpp"

using namespace nlcl;

constexpr Index side = 40, image_size = side * side * 3;

Tensor<float> noise(Index images, std::uint64_t seed) {
  Tensor<float> x({images, side, side, 3});
  Random random(seed);
  fill_uniform(x, 1, random);
  return x;
}

Tensor<float> image(const Tensor<float>& x, Index i) {
  Tensor<float> one({1, side, side, 3});
  std::copy_n(x.data() + i * image_size, image_size, one.mutable_data());
  return one;
}

// The largest relative difference of a loss between the two forms, in their first step and in their second.
void compare(const char* what, bool with_queries) {
  TrainerOptions options;
  for (Term<float>& term : options.objective.terms)
    if (!with_queries && (term.name.starts_with("location") || term.name == "layer")) term.weight = 0;
  const Batch both{noise(2, 1), noise(2, 2)};
  const std::vector<Batch> one_by_one{{image(both.rainy, 0), image(both.clean, 0)},
                                      {image(both.rainy, 1), image(both.clean, 1)}};
  Trainer a(options), b(options);
  double worst = 0;
  for (int step = 0; step < 2; ++step) {
    const Losses first = a.run({both}), second = b.run(one_by_one);
    for (std::size_t i = 0; i < first.size(); ++i)
      worst =
          std::max(worst, std::abs(first[i].second - second[i].second) / (1e-3 + std::abs(first[i].second)));
  }
  std::printf("%s: losses differ by %s\n", what, worst < 1e-3 ? "rounding" : "more than rounding");
}

int main() {
  compare("all terms                 ", true);
  compare("those that search nothing ", false);
}
