// Which input pixels one output pixel depends on, read off the gradient: of the convolutions, of the generator.
#include <algorithm>
#include <iostream>

#include "nlcl/model/generator.hpp"

using namespace nlcl;

template <class T>
void print_extent(const char* name, Tensor<T> x, const auto& f) {
  const Index size = x.shape()[1], channels = x.shape()[3], centre = size / 2;
  x.set_requires_grad(true);
  auto dy = Tensor<T>::zeros(x.shape());
  dy.mutable_data()[(centre * size + centre) * channels] = 1;  // one number of the pixel in the middle

  Tape<T> tape;
  const Tensor<T> y = f(x);
  const Tensor<T> dx = tape.backward(y, dy).of(x);
  Index top = size, bottom = -1, left = size, right = -1;
  for (Index i = 0; i < size; ++i)
    for (Index j = 0; j < size; ++j)
      if (dx(0, i, j, 0) != 0) {
        top = std::min(top, i), bottom = std::max(bottom, i);
        left = std::min(left, j), right = std::max(right, j);
      }
  std::cout << name << ": " << bottom - top + 1 << " x " << right - left + 1;
  std::cout << " of " << size << " x " << size << " pixels\n";
}

int main() {
  const Index size = 81;
  const auto ones = Tensor<double>::full({3, 3, 1, 1}, 1);  // no term can cancel another
  const auto zeros = Tensor<double>::zeros({1, size, size, 1});
  print_extent("36 convolutions", zeros, [&](Tensor<double> y) {
    for (int i = 0; i < 36; ++i) y = conv2d(y, ones, {}, {.padding = 1});
    return y;
  });

  const Generator<float> generator;
  Tensor<float> image({1, size, size, 3});
  Random random(1);
  fill_uniform(image, 1, random);
  print_extent("the generator", image, [&](const Tensor<float>& x) { return generator(x); });
}
