// The sum of chapter 2 cut into one block for each thread: other numbers meet, and round in another way.
#include <cstdio>
#include <vector>

#include "nlcl/core/parallel.hpp"

using namespace nlcl;

float harmonic(Index count) {
  const Index block = (count + threads() - 1) / threads();
  std::vector<float> sums(static_cast<std::size_t>((count + block - 1) / block));
  parallel_blocks(count, block, [&](Index begin, Index end) {
    float sum = 0;
    for (Index i = begin; i < end; ++i) sum += 1 / static_cast<float>(i + 1);
    sums[static_cast<std::size_t>(begin / block)] = sum;
  });
  float total = 0;
  for (float sum : sums) total += sum;
  return total;
}

int main() {
  for (int count : {1, 2, 3, 7}) {
    set_threads(count);
    const double sum = static_cast<double>(harmonic(1'000'000));
    std::printf("%d threads: %a = %.6f\n", count, sum, sum);
  }
  double exact = 0;
  for (int i = 1'000'000; i > 0; --i) exact += 1.0 / i;
  std::printf("in double: %.6f\n", exact);
}
