// The tree of sum_over_rows, with its barriers and without. The kernel runs in emulation, which takes the threads of
// a block forward or backward, by lot, and whose shared memory is full of NaN when a block begins.
#include <cmath>
#include <cstdio>
#include <vector>

#include "nlcl/core/block.cuh"

using namespace nlcl::cuda;

namespace {

constexpr int rows = 32, columns = 8, blocks = 100;

// Each row brings 1, so the sum is 32.
__global__ void sum_of_rows(float* sums, bool has_barrier) {
  __shared__ SharedArray<float, rows * columns> shared;
  const int row = thread().y, mine = row * columns + thread().x;
  float value = shared[mine] = 1;
  for (int half = rows / 2; half > 0; half /= 2) {
    if (has_barrier) block_sync();
    if (row < half) shared[mine] = value += shared[mine + half * columns];
  }
  if (row == 0) sums[block().x * columns + thread().x] = value;
}

void print(const char* name, bool has_barrier) {
  std::vector<float> sums(blocks * columns);
  const auto kernel = [&] { sum_of_rows(sums.data(), has_barrier); };
  emulation::Execution::instance().run(
      blocks, dim3(columns, rows), 0, [](const void* run) { (*static_cast<const decltype(kernel)*>(run))(); },
      &kernel);

  int right = 0, no_number = 0;
  for (const float sum : sums) right += sum == rows, no_number += std::isnan(sum);
  std::printf("%s: of %zu sums %d are right, %d are no numbers\n", name, sums.size(), right, no_number);
}

}  // namespace

int main() {
  print("with the barrier   ", true);
  print("without the barrier", false);
}
