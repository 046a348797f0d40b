// PatchNCE on three vectors, the numbers of the chapter beside those of the operation; and the layer contrast where each layer
// is one point, which two heads reach without looking at the pictures.
#include <cmath>
#include <cstdio>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/ops/l2_normalize.hpp"
#include "nlcl/ops/layer_contrast.hpp"
#include "nlcl/ops/patch_nce.hpp"

using namespace nlcl;

void three_vectors() {
  // Places 0 and 1 kept their features, place 2 took those of place 1.
  const Tensor<double> keys({3, 2}, {1, 0, 0, 1, -1, 0});
  const auto queries = Tensor<double>({3, 2}, {1, 0, 0, 1, 0, 1}).set_requires_grad(true);
  const double t = 0.5;

  double mean = 0;
  for (Index i = 0; i < 3; ++i) {
    double s[3], sum = 0;
    for (Index j = 0; j < 3; ++j) {
      s[j] = (queries(i, 0) * keys(j, 0) + queries(i, 1) * keys(j, 1)) / t;
      sum += std::exp(s[j]);
    }
    const double loss = std::log(sum) - s[i];
    std::printf("place %d: s = %2g %2g %2g   p = %.2f %.2f %.2f   loss %.3f\n", static_cast<int>(i), s[0],
                s[1], s[2], std::exp(s[0]) / sum, std::exp(s[1]) / sum, std::exp(s[2]) / sum, loss);
    mean += loss / 3;
  }
  Tape<double> tape;
  const Tensor<double> loss = patch_nce(queries, keys, t);
  const Tensor<double> dq = tape.backward(loss).of(queries);
  std::printf("by hand %.3f, patch_nce %.3f; the query of place 2 is pulled along (%.2f, %.2f)\n", mean,
              loss.item(), -dq(2, 0), -dq(2, 1));
}

// 8 vectors of B and 128 of R, each layer at one point, at an angle to each other: the loss, and how hard it still turns B.
void two_points(double temperature, bool decoupled, double degrees) {
  const double angle = degrees * std::acos(-1.0) / 180;
  Tensor<double> b({8, 2}), r({128, 2});
  for (Index i = 0; i < 8; ++i) b.mutable_data()[2 * i] = 1, b.mutable_data()[2 * i + 1] = 0;
  for (Index i = 0; i < 128; ++i)
    r.mutable_data()[2 * i] = std::cos(angle), r.mutable_data()[2 * i + 1] = std::sin(angle);
  b.set_requires_grad(true);
  Tape<double> tape;
  const Tensor<double> loss = layer_contrast(
      l2_normalize(b), l2_normalize(r), {.temperature = {temperature, temperature}, .decoupled = decoupled});
  const Tensor<double> db = tape.backward(loss).of(b);
  double turn = 0;
  for (Index i = 0; i < 8; ++i) turn += db(i, 1) * db(i, 1);
  std::printf("%4g degrees, t = %.2f%s: loss %7.3f, pull %.1e\n", degrees, temperature,
              decoupled ? ", decoupled" : "           ", loss.item(), std::sqrt(turn));
}

int main() {
  three_vectors();
  std::printf("log 7 + log 127 = %.3f\n", std::log(7.0) + std::log(127.0));
  for (const double degrees : {30.0, 90.0, 170.0}) {
    two_points(0.07, false, degrees);
    two_points(0.5, false, degrees);
    two_points(0.07, true, degrees);
  }
}
