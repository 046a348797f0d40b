// 100,000 operations, one after the other: the walk is a loop, and so is the destruction of the record.
#include <iostream>

#include "nlcl/ops/sum.hpp"

using namespace nlcl;

int main() {
  const auto x = Tensor<double>::scalar(1).set_requires_grad(true);
  Tape<double> tape;
  Tensor<double> y = x;
  for (int i = 0; i < 100'000; ++i) y = sum(y, x);
  const Tensor<double> dx = tape.backward(y).of(x);
  std::cout << "y = " << static_cast<int>(y.item()) << ", dy/dx = " << static_cast<int>(dx.item()) << '\n';
}
