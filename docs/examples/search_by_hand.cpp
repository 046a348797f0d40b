// A patch search on 12 x 12 pixels: patches of 2 x 2, and two candidates at the same distance.
#include <cstdio>

#include "nlcl/ops/patch_search.hpp"

using namespace nlcl;

int main() {
  // Dark, but for the query's patch, a copy of it, and two that differ in one pixel by 2: one brighter, one darker.
  Tensor<double> x = Tensor<double>::zeros({1, 12, 12, 1});
  const auto put = [&](Index row, Index column, double a, double b, double c, double d) {
    double* const to = x.mutable_data();
    to[(row - 1) * 12 + column - 1] = a, to[(row - 1) * 12 + column] = b;
    to[row * 12 + column - 1] = c, to[row * 12 + column] = d;
  };
  put(6, 6, 5, 7, 7, 5);    // the query
  put(2, 9, 5, 7, 7, 7);    // S = 4
  put(9, 3, 5, 7, 7, 5);    // S = 0
  put(10, 10, 3, 7, 7, 5);  // S = 4 too

  std::printf("    ");
  for (Index column = 0; column < 12; ++column) std::printf("%3d", static_cast<int>(column));
  std::printf("\n");
  for (Index row = 0; row < 12; ++row) {
    std::printf("%3d ", static_cast<int>(row));
    for (Index column = 0; column < 12; ++column) std::printf("%3g", x(0, row, column, 0));
    std::printf("\n");
  }

  const auto query = patch_centers({{0, 6, 6}});
  const auto matches = patch_search(x, query, {.count = 5, .patch = 2, .window = 24});
  for (Index k = 0; k < 5; ++k) {
    const PatchCenter center = matches.centers(k);
    std::printf("%d: row %2d, column %2d, d = %.3f\n", static_cast<int>(k), static_cast<int>(center.row),
                static_cast<int>(center.column), matches.distances(0, k));
  }
}
