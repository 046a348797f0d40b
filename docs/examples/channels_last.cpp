// An image of 2 x 2 pixels and 3 channels as it lies in memory, channels last.
#include <iostream>

#include "nlcl/core/tensor.hpp"

using namespace nlcl;

int main() {
  const Tensor<float> x({1, 2, 2, 3}, {111, 112, 113, 121, 122, 123, 211, 212, 213, 221, 222, 223});
  const Shape& s = x.shape();
  std::cout << "shape " << s << ", " << x.size() << " numbers:";
  for (float value : x.values()) std::cout << ' ' << value;

  const Index n = 0, i = 1, j = 0, c = 2;
  const Index offset = ((n * s[1] + i) * s[2] + j) * s[3] + c;
  std::cout << "\nrow 1, column 0, channel 2: offset " << offset;
  std::cout << ", value " << x.data()[offset] << " = " << x(n, i, j, c) << '\n';
}
