// Levels of 8 bits to [-1, 1] and back: every level survives, and what leaves the range is clamped.
#include <iostream>

#include "nlcl/io/image.hpp"

using namespace nlcl;

int main() {
  Image image{1, 256, 1, {}};
  for (int level = 0; level < 256; ++level) image.pixels.push_back(static_cast<std::uint8_t>(level));
  const Tensor<float> x = to_tensor(image);
  std::cout << "levels 0, 51, 255:";
  for (int level : {0, 51, 255}) std::cout << ' ' << x(0, 0, level, 0);

  const Image back = to_image(x);
  int changed = 0;
  for (std::size_t i = 0; i < 256; ++i) changed += back.pixels[3 * i] != image.pixels[i];
  std::cout << "\nlevels changed on the way there and back: " << changed << '\n';

  const Image clamped = to_image(Tensor<float>({1, 1, 1, 3}, {-1.5f, 0.0f, 1.5f}));
  std::cout << "levels of -1.5, 0, 1.5:";
  for (int level : clamped.pixels) std::cout << ' ' << level;
  std::cout << '\n';
}
