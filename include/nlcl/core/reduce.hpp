// Sums over all elements, on all threads, with bits that do not depend on their number.
#pragma once

#include <numeric>
#include <vector>

#include "nlcl/core/parallel.hpp"

namespace nlcl {

// The sum of f(i) for i in 0 .. count-1, in double: blocks of fixed size are summed each on its own and then
// in order.
template <class F>
double ordered_sum(Index count, const F& f) {
  std::vector<double> partial(static_cast<std::size_t>((count + elements_per_task - 1) / elements_per_task));
  parallel_blocks(count, elements_per_task, [&](Index begin, Index end) {
    double sum = 0;
    for (Index i = begin; i < end; ++i) sum += f(i);
    partial[static_cast<std::size_t>(begin / elements_per_task)] = sum;
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

}  // namespace nlcl
