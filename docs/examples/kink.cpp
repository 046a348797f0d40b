// ReLU where it is not smooth: at zeros of both signs, at infinity and at NaN.
#include <iostream>
#include <limits>

#include "nlcl/ops/relu.hpp"

using namespace nlcl;

int main() {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto x = Tensor<float>({6}, {-2, -0.0f, 0, 2, infinity, nan}).set_requires_grad(true);
  Tape<float> tape;
  const Tensor<float> y = relu(x);
  const Tensor<float> dx = tape.backward(y, Tensor<float>::full({6}, 1)).of(x);
  for (Index i = 0; i < x.size(); ++i)
    std::cout << "x " << x(i) << "\ty " << y(i) << "\tdx " << dx(i) << '\n';
}
