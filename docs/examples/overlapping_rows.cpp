// A convolution of one image row is a matrix product whose left matrix is the row itself, read with
// overlapping rows.
#include <iostream>

#include "nlcl/ops/conv2d.hpp"

using namespace nlcl;

int main() {
  // Four pixels of two channels between two pixels of zeros, and a kernel of three pixels.
  const Tensor<float> row({1, 1, 6, 2}, {0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0});
  const Tensor<float> weight({1, 3, 2, 1}, {1, 10, 100, 1000, 10000, 100000});

  const Index pixels = 4, window = 3 * 2, step = 2;  // what a pixel sees, and from there to the next pixel's
  std::cout << "A (row j begins at " << step << " * j)      A * w\n";
  for (Index j = 0; j < pixels; ++j) {
    const float* a = row.data() + j * step;
    float y = 0;
    for (Index k = 0; k < window; ++k) {
      std::cout << a[k] << ' ';
      y += a[k] * weight.data()[k];
    }
    std::cout << "                  " << y << '\n';
  }

  std::cout << "conv2d:";
  for (float value : conv2d(row, weight, {}).values()) std::cout << ' ' << value;
  std::cout << '\n';
}
