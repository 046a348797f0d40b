// The gradient of instance norm without its last term, y mean(g y), beside the whole one: what is left along y.
#include <cstdio>
#include <vector>

#include "nlcl/ops/instance_norm.hpp"

using namespace nlcl;

int main() {
  const auto x = Tensor<double>({1, 2, 3, 1}, {5, 7, 1, 9, 2, 6}).set_requires_grad(true);
  const Tensor<double> g({1, 2, 3, 1}, {4, 0, 1, 0, 0, 1});
  Tape<double> tape;
  const Tensor<double> y = instance_norm(x);
  const Tensor<double> dx = tape.backward(y, g).of(x);

  const double m = 6;
  double mean = 0, square = 0, mean_g = 0, mean_gy = 0;
  for (Index p = 0; p < 6; ++p) {
    mean += x.data()[p] / m, square += x.data()[p] * x.data()[p] / m;
    mean_g += g.data()[p] / m, mean_gy += g.data()[p] * y.data()[p] / m;
  }
  const double r = 1 / std::sqrt(square - mean * mean + 1e-5);
  double along_one = 0, along_y = 0, apart = 0;
  for (Index p = 0; p < 6; ++p) {
    const double part = r * (g.data()[p] - mean_g);
    along_one += part / m, along_y += part * y.data()[p] / m;
    apart = std::max(apart, std::abs(part - r * y.data()[p] * mean_gy - dx.data()[p]));
  }
  std::printf("without the term: mean of dx %.4f, mean of dx y %.4f\n", std::abs(along_one), along_y);
  std::printf("r mean(g y) = %.4f; with the term it is the engine's: %s\n", r * mean_gy,
              apart < 1e-12 ? "yes" : "no");
}
