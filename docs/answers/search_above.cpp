// The search of chapter 10 with the copy above the query; and with a pixel of the query that is not a number.
#include <cstdio>
#include <limits>

#include "nlcl/ops/patch_search.hpp"

using namespace nlcl;

int main() {
  Tensor<double> x = Tensor<double>::zeros({1, 12, 12, 1});
  const auto put = [&](Index row, Index column, double a, double b, double c, double d) {
    double* const to = x.mutable_data();
    to[(row - 1) * 12 + column - 1] = a, to[(row - 1) * 12 + column] = b;
    to[row * 12 + column - 1] = c, to[row * 12 + column] = d;
  };
  const auto search = [&](const char* what) {
    const auto matches = patch_search(x, patch_centers({{0, 6, 6}}), {.count = 5, .patch = 2, .window = 24});
    std::printf("%s\n", what);
    for (Index k = 0; k < 5; ++k)
      std::printf("%d: row %2d, column %2d, d = %.3f\n", static_cast<int>(k),
                  static_cast<int>(matches.centers(k).row), static_cast<int>(matches.centers(k).column),
                  matches.distances(0, k));
  };
  put(6, 6, 5, 7, 7, 5);    // the query
  put(2, 9, 5, 7, 7, 7);    // S = 4
  put(2, 3, 5, 7, 7, 5);    // S = 0
  put(10, 10, 3, 7, 7, 5);  // S = 4 too
  search("the copy at row 2");
  put(6, 6, 5, 7, 7, std::numeric_limits<double>::quiet_NaN());
  search("a pixel of the query is not a number");
}
