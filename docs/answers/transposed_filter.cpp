// The filter of blur_down for a line of 4 pixels, and its transpose: which elements make each element, with which weights.
#include <cstdio>

#include "nlcl/ops/blur_down.hpp"

using namespace nlcl;

void print(const char* result, const char* from, const detail::LineFilter& filter) {
  for (std::size_t i = 0; i < filter.size(); ++i) {
    std::printf("%s[%zu] =", result, i);
    for (std::size_t k = 0; k < filter[i].size(); ++k)
      std::printf("%s %g %s[%d]", k == 0 ? "" : " +", filter[i][k].weight, from,
                  static_cast<int>(filter[i][k].from));
    std::printf("\n");
  }
}

int main() {
  const detail::LineFilter filter = detail::blur_down_filter(4);
  print("y", "x", filter);
  print("dx", "dy", detail::transposed(filter, 4));
}
