// The first step of the soft choice of chapter 10 at three temperatures: the weights, and what moves the distances.
#include <cstdio>

#include "nlcl/ops/pixel_losses.hpp"
#include "nlcl/ops/soft_match.hpp"

using namespace nlcl;

int main() {
  const Tensor<double> features({3, 1}, {0.5, 0, 1}), wanted = Tensor<double>::full({1, 1}, 1);
  const auto distances = Tensor<double>({1, 3}, {0, 0.2, 0.4}).set_requires_grad(true);
  std::printf("   t  weights              dd                        sum of dd, rounded\n");
  for (const double t : {0.02, 0.2, 2.0}) {
    Tape<double> tape;
    const Tensor<double> y = soft_match(distances, features, t);
    const Tensor<double> dd = tape.backward(mean_squared_error(y, wanted)).of(distances);
    double weight[3], total = 0, sum = 0;
    for (Index k = 0; k < 3; ++k) total += weight[k] = std::exp(-distances(0, k) / t);
    std::printf("%4g ", t);
    for (Index k = 0; k < 3; ++k) std::printf(" %.4f", weight[k] / total);
    for (Index k = 0; k < 3; ++k) std::printf(" %8.4f", dd(0, k)), sum += dd(0, k);
    std::printf("   %.10f\n", std::abs(sum));
  }
}
