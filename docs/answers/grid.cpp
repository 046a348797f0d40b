// The dimension of the points of a square grid, exactly where they belong and moved a little.
#include <cstdio>

#include "nlcl/analysis/intrinsic_dimension.hpp"
#include "nlcl/core/random.hpp"

using namespace nlcl;

int main() {
  constexpr Index side = 30;
  for (const double move : {0.0, 0.001, 0.01, 0.1, 0.5}) {
    Tensor<float> points({side * side, 2});
    Random random(1);
    float* to = points.mutable_data();
    for (int row = 0; row < side; ++row)
      for (int column = 0; column < side; ++column) {
        *to++ = static_cast<float>(row + random.uniform(-move, move));
        *to++ = static_cast<float>(column + random.uniform(-move, move));
      }
    std::printf("moved by up to %5.3f: TwoNN %7.2g, Levina and Bickel with K = 10 %4.1f, with 40 %4.1f\n",
                move, two_nn(points), levina_bickel(points), levina_bickel(points, 40));
  }
}
