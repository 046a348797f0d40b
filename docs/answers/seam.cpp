// An image derained whole, and as two halves side by side, with norms and without.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "nlcl/model/generator_plan.hpp"

using namespace nlcl;

constexpr Index image_rows = 48, image_columns = 192;

Tensor<float> columns(const Tensor<float>& x, Index begin, Index end) {
  Tensor<float> part({1, image_rows, end - begin, 3});
  for (Index i = 0; i < image_rows; ++i)
    std::copy_n(x.data() + (i * image_columns + begin) * 3, (end - begin) * 3,
                part.mutable_data() + i * (end - begin) * 3);
  return part;
}

int main() {
  Tensor<float> x({1, image_rows, image_columns, 3});
  Random random(1);
  fill_uniform(x, 1, random);
  for (const bool norms : {true, false}) {
    Generator<float> generator;
    generator.set_norm_free(!norms);
    const GeneratorPlan plan(generator);
    const Tensor<float> whole = plan(x);
    const Tensor<float> halves[] = {plan(columns(x, 0, image_columns / 2)),
                                    plan(columns(x, image_columns / 2, image_columns))};
    float largest = 0, near = 0, far = 0;
    for (Index i = 0; i < image_rows; ++i)
      for (Index j = 0; j < image_columns; ++j)
        for (Index c = 0; c < 3; ++c) {
          const float half = halves[j / (image_columns / 2)](0, i, j % (image_columns / 2), c);
          const float apart = std::abs(whole(0, i, j, c) - half);
          largest = std::max(largest, std::abs(whole(0, i, j, c)));
          const Index from_seam = j < image_columns / 2 ? image_columns / 2 - 1 - j : j - image_columns / 2;
          (from_seam < 36 ? near : far) = std::max(from_seam < 36 ? near : far, apart);
        }
    const auto share = [&](float apart) {
      return apart > 1e-2f * largest ? "yes" : apart > 1e-4f * largest ? "a little" : "no";
    };
    std::printf("%s norms: other numbers within 36 columns of the seam: %s; further away: %s\n",
                norms ? "with   " : "without", share(near), share(far));
  }
}
