// What instance norm does to an image and to a gradient: the mean and scale of x do not show in y, so dx has no
// part along either.
#include <cmath>
#include <cstdio>

#include "nlcl/autograd/gradcheck.hpp"
#include "nlcl/ops/instance_norm.hpp"

using namespace nlcl;

double mean_product(const Tensor<double>& a, const Tensor<double>& b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += a.data()[i] * b.data()[i];
  return std::abs(sum / static_cast<double>(a.size()));
}

int main() {
  const auto x = Tensor<double>({1, 2, 3, 1}, {5, 7, 1, 9, 2, 6}).set_requires_grad(true);
  const Tensor<double> dy({1, 2, 3, 1}, {4, 0, 1, 0, 0, 1}), ones = Tensor<double>::full(x.shape(), 1);
  Tape<double> tape;
  const Tensor<double> y = instance_norm(x);
  const Tensor<double> dx = tape.backward(y, dy).of(x);

  std::printf("mean of y   %.4f    mean of y^2    %.4f\n", mean_product(y, ones), mean_product(y, y));
  std::printf("mean of dy  %.4f    mean of dy y   %.4f\n", mean_product(dy, ones), mean_product(dy, y));
  std::printf("mean of dx  %.4f    mean of dx y   %.4f\n", mean_product(dx, ones), mean_product(dx, y));

  const GradcheckResult check = gradcheck([](const auto& inputs) { return instance_norm(inputs[0]); }, {x});
  std::printf("backward agrees with differences: %s\n", check.worst < 1e-7 ? "yes" : "no");
}
