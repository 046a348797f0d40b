// Two layers that are one point each, at 90 degrees: how hard the layer contrast turns B, by the number of vectors of R.
#include <cmath>
#include <cstdio>

#include "nlcl/ops/l2_normalize.hpp"
#include "nlcl/ops/layer_contrast.hpp"

using namespace nlcl;

// `rows` unit vectors along x or along y.
Tensor<double> point(Index rows, Index axis) {
  auto vectors = Tensor<double>::zeros({rows, 2});
  for (Index i = 0; i < rows; ++i) vectors.mutable_data()[2 * i + axis] = 1;
  return vectors;
}

double pull(Index rain, bool decoupled) {
  const auto b = point(8, 0).set_requires_grad(true);
  Tape<double> tape;
  const Tensor<double> loss =
      layer_contrast(l2_normalize(b), point(rain, 1), {.temperature = {0.07, 0.07}, .decoupled = decoupled});
  const Tensor<double> db = tape.backward(loss).of(b);
  double turn = 0;
  for (Index i = 0; i < 8; ++i) turn += db(i, 1) * db(i, 1);
  return std::sqrt(turn);
}

int main() {
  const double e = std::exp(-1 / 0.07);  // of a pair at 90 degrees, beside 1 for one that is the same
  for (const Index rain : {128, 8}) {
    const auto n = static_cast<double>(rain);
    const double of_background = n * e / 7, of_rain = 8 * e / (n - 1);
    std::printf("R of %3d: pull %.1e, by hand (%.1e + %.1e) / (t sqrt 8) = %.1e; decoupled %.2f\n",
                static_cast<int>(rain), pull(rain, false), of_background, of_rain,
                (of_background + of_rain) / (0.07 * std::sqrt(8.0)), pull(rain, true));
  }
}
