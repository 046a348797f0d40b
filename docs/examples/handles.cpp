// A tensor is a handle: copies share the values, and every write counts a version.
#include <iostream>

#include "nlcl/core/tensor.hpp"

using namespace nlcl;

int main() {
  Tensor<float> a({2, 3}, {1, 2, 3, 4, 5, 6});
  Tensor<float> copy = a;                 // another handle to the same values
  const Tensor<float> clone = a.clone();  // values of its own

  const auto version = a.version();
  copy.mutable_data()[0] = 10;
  std::cout << "a(0,0) is " << a(0, 0) << ", clone(0,0) is " << clone(0, 0) << '\n';
  std::cout << "a has been written to: " << std::boolalpha << (a.version() != version) << '\n';

  const Tensor<float> turned = a.reshaped({3, 2});
  std::cout << "shape " << turned.shape() << " shares the values: " << turned.shares_storage(a) << '\n';
  try {
    a.reshaped({4, 2});
  } catch (const ShapeError& error) {
    std::cout << "error: " << error.what() << '\n';
  }
}
