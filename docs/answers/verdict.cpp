// Which pixels a verdict sees: one channel of the discriminator without norms, and one pixel after the other that is
// not a number.
#include <cmath>
#include <cstdio>
#include <limits>

#include "nlcl/ops/blur_down.hpp"
#include "nlcl/ops/conv2d.hpp"
#include "nlcl/ops/leaky_relu.hpp"

using namespace nlcl;

// The convolutions and halvings of model/discriminator.hpp, with weights of one.
Tensor<double> verdicts(Tensor<double> x, bool halves) {
  const auto ones = Tensor<double>::full({4, 4, 1, 1}, 1);
  for (int layer = 0; layer < 5; ++layer) {
    x = conv2d(x, ones, {}, {.stride = halves || layer > 2 ? 1 : 2, .padding = 1});
    if (layer < 4) x = leaky_relu(x, 0.2);
    if (halves && layer < 3) x = blur_down(x);
  }
  return x;
}

void print_extent(const char* name, bool halves) {
  constexpr Index side = 256, row = side / 2;
  Index first = side, last = -1;
  Shape shape;
  for (Index column = 0; column < side; ++column) {
    auto x = Tensor<double>::zeros({1, side, side, 1});
    x.mutable_data()[row * side + column] = std::numeric_limits<double>::quiet_NaN();
    const Tensor<double> y = verdicts(x, halves);
    shape = y.shape();
    if (!std::isnan(y(0, shape[1] / 2, shape[2] / 2, 0))) continue;
    first = std::min(first, column);
    last = column;
  }
  std::printf("%s: %d x %d verdicts, each sees %d columns\n", name, static_cast<int>(shape[1]),
              static_cast<int>(shape[2]), static_cast<int>(last - first + 1));
}

int main() {
  print_extent("blur-down", true);
  print_extent("stride 2 ", false);
}
