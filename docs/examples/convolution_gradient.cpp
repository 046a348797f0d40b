// The gradient of a convolution with respect to its input is a convolution: of dy, with the weight turned by
// 180 degrees and its channels exchanged.
#include <iostream>

#include "nlcl/ops/conv2d.hpp"

using namespace nlcl;

// Small whole numbers, so that every sum is exact.
Tensor<double> numbers(const Shape& shape, int seed) {
  Tensor<double> result(shape);
  double* const to = result.mutable_data();
  for (Index i = 0; i < result.size(); ++i) to[i] = static_cast<double>((i * 7 + seed) % 11 - 5);
  return result;
}

int main() {
  const auto x = numbers({1, 5, 6, 2}, 1).set_requires_grad(true);
  const Tensor<double> weight = numbers({3, 3, 2, 4}, 2), dy = numbers({1, 5, 6, 4}, 3);

  Tape<double> tape;
  const Tensor<double> y = conv2d(x, weight, {}, {.padding = 1});
  const Tensor<double> dx = tape.backward(y, dy).of(x);

  Tensor<double> turned({3, 3, 4, 2});
  double* to = turned.mutable_data();
  for (Index u = 0; u < 3; ++u)
    for (Index v = 0; v < 3; ++v)
      for (Index o = 0; o < 4; ++o)
        for (Index c = 0; c < 2; ++c) *to++ = weight(2 - u, 2 - v, c, o);
  const Tensor<double> by_convolution = conv2d(dy, turned, {}, {.padding = 1});

  std::cout << "dx " << dx.shape() << ", the same by convolution: " << std::boolalpha
            << std::equal(dx.data(), dx.data() + dx.size(), by_convolution.data()) << '\n';
}
