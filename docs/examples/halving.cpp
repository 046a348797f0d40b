// Every second pixel of a line of fine stripes, taken as it is and after the blur of blur_down; then the same for the line moved
// by one pixel.
#include <cstdio>

#include "nlcl/ops/blur_down.hpp"

using namespace nlcl;

int main() {
  for (const Index moved : {0, 1}) {
    Tensor<double> stripes({1, 12, 12, 1});
    for (Index i = 0; i < stripes.size(); ++i) stripes.mutable_data()[i] = (i % 12 + moved) % 2 == 0 ? 1 : 0;
    const Tensor<double> blurred = blur_down(stripes);
    std::printf("line      ");
    for (Index j = 0; j < 12; ++j) std::printf("%3g", stripes(0, 5, j, 0));
    std::printf("\nas it is  ");
    for (Index j = 0; j < 6; ++j) std::printf("%3g", stripes(0, 5, 2 * j, 0));
    std::printf("\nblur_down ");
    for (Index j = 0; j < 6; ++j) std::printf(" %g", blurred(0, 2, j, 0));
    std::printf("\n");
  }
}
