// A sum that does not depend on the number of threads: blocks of fixed size, joined in order.
#include <cstdio>
#include <vector>

#include "nlcl/core/parallel.hpp"

using namespace nlcl;

// 1 + 1/2 + 1/3 + ... + 1/count
float harmonic(Index count) {
  constexpr Index block = 1000;
  std::vector<float> sums(static_cast<std::size_t>((count + block - 1) / block));
  parallel_blocks(count, block, [&](Index begin, Index end) {
    float sum = 0;
    for (Index i = begin; i < end; ++i) sum += 1 / static_cast<float>(i + 1);
    sums[static_cast<std::size_t>(begin / block)] = sum;  // this block's own place
  });
  float total = 0;
  for (float sum : sums) total += sum;  // in order, whoever computed them
  return total;
}

int main() {
  const float large = 1e8f;
  std::printf("(1e8 + 1) - 1e8 = %g, but (1e8 - 1e8) + 1 = %g\n", static_cast<double>((large + 1) - large),
              static_cast<double>((large - large) + 1));
  for (int count : {1, 2, 3, 7}) {
    set_threads(count);
    std::printf("%d threads: %a\n", count, static_cast<double>(harmonic(1'000'000)));
  }
}
