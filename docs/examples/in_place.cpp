// relu keeps its result for the backward pass. Whoever overwrites it is told, and gets no wrong gradient.
#include <iostream>

#include "nlcl/ops/relu.hpp"

using namespace nlcl;

int main() {
  const auto x = Tensor<double>({3}, {-1, 2, 3}).set_requires_grad(true);
  Tape<double> tape;
  Tensor<double> y = relu(x);
  y.mutable_data()[1] = 0;
  try {
    tape.backward(y, Tensor<double>::full({3}, 1));
  } catch (const TapeError& error) {
    std::cout << error.what() << '\n';
  }
}
