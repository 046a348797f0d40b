// What to_image makes of O - B: as it is, and drawn as 4 (O - B) - 1.
#include <iostream>

#include "nlcl/io/image.hpp"

using namespace nlcl;

int main() {
  // Differences in the networks' range, where 2 is from black to white: B brighter than O, no rain, a little of it, much.
  const float differences[] = {-0.2f, -0.01f, 0, 0.05f, 0.2f, 0.5f};
  for (const float r : differences) {
    const Image as_it_is = to_image(Tensor<float>::full({1, 1, 1, 3}, r));
    const Image drawn = to_image(Tensor<float>::full({1, 1, 1, 3}, 4 * r - 1));
    std::cout << "O - B = " << r << ": level " << int{as_it_is.pixels[0]} << " as it is, "
              << int{drawn.pixels[0]} << " as 4 (O - B) - 1\n";
  }
}
