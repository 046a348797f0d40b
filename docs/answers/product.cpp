// The product of two tensors: checked against differences, and of a tensor with itself.
#include "product.hpp"

#include <iostream>

#include "nlcl/autograd/gradcheck.hpp"

using namespace nlcl;

int main() {
  const Tensor<double> a({3}, {1, -2, 3}), b({3}, {4, 5, -6});
  const GradcheckResult check = gradcheck([](const auto& in) { return product(in[0], in[1]); }, {a, b});
  std::cout << "both gradients agree with differences: " << std::boolalpha << (check.worst < 1e-7) << '\n';

  const auto x = Tensor<double>({4}, {-2, 0, 1, 3}).set_requires_grad(true);
  Tape<double> tape;
  const Tensor<double> y = product(x, x);
  const Tensor<double> dx = tape.backward(y, Tensor<double>::full({4}, 1)).of(x);
  for (Index i = 0; i < 4; ++i) std::cout << "x " << x(i) << "  y " << y(i) << "  dx " << dx(i) << '\n';
}
