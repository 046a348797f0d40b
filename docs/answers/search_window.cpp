// The rows that are searched for queries near a border, in an image of 256 rows.
#include <cstdio>

#include "nlcl/ops/patch_search.hpp"

using namespace nlcl;

int main() {
  const PatchSearchOptions search;  // patches of 16, a window of 40
  for (const Index row : {8, 10, 27, 28, 128, 228, 229, 248}) {
    const detail::IndexRange rows = detail::candidate_range(row, 256, search);
    std::printf("query at row %3d: centres in rows %3d to %3d, %2d of them\n", static_cast<int>(row),
                static_cast<int>(rows.begin), static_cast<int>(rows.end - 1), static_cast<int>(rows.size()));
  }
}
