// sum returns one gradient for both inputs, the same tensor twice. The tape copies it before it adds to it.
#include <iostream>

#include "nlcl/ops/sum.hpp"

using namespace nlcl;

void print(const char* name, const Tensor<double>& x) {
  std::cout << name << ' ' << x(0) << ' ' << x(1) << '\n';
}

int main() {
  const auto a = Tensor<double>({2}, {1, 2}).set_requires_grad(true), b = a.clone().set_requires_grad(true);
  const Tensor<double> dy({2}, {10, 20});
  {
    Tape<double> tape;
    const Gradients<double> gradients = tape.backward(sum(a, b), dy);
    const bool shared = gradients.of(a).shares_storage(gradients.of(b));
    std::cout << "a + b: da and db are one storage: " << std::boolalpha << shared << '\n';
  }
  Tape<double> tape;
  const Gradients<double> gradients = tape.backward(sum(sum(a, b), a), dy);
  const bool shared = gradients.of(a).shares_storage(gradients.of(b));
  std::cout << "a + b + a: da and db are one storage: " << shared << '\n';
  print("da", gradients.of(a));
  print("db", gradients.of(b));
  print("dy", dy);
}
