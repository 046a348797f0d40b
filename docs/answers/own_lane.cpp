// A row of patch_nce_rows: every number becomes its exponential in place, and the loss needs one of them as it was.
// Which lane may read it, and when? The kernel runs in emulation, which takes the lanes of a warp forward or
// backward, by lot.
#include <cmath>
#include <cstdio>
#include <vector>

#include "nlcl/core/block.cuh"

using namespace nlcl::cuda;

namespace {

constexpr int count = 40, rows = 40;

enum class Reads { owner, all, all_and_wait };

// A block of one warp for each row, whose positive is number `row` of it. The loss is log(sum of exp(s)) - s[row].
__global__ void losses_of_rows(float* numbers, double* losses, Reads reads) {
  const int own = block().x;
  float* const s = numbers + own * count;
  const int owner = reads == Reads::owner ? own % warp_size : 0;  // the lane that stores the loss
  const float positive = reads != Reads::owner || lane() == owner ? s[own] : 0;
  if (reads == Reads::all_and_wait) warp_sync();
  double sum = 0;
  for (int i = lane(); i < count; i += warp_size) sum += static_cast<double>(s[i] = std::exp(s[i]));
  sum = warp_sum(sum);
  if (lane() == owner) losses[own] = std::log(sum) - static_cast<double>(positive);
}

void print(const char* name, Reads reads) {
  std::vector<float> numbers(rows * count);
  for (unsigned n = 0; n < numbers.size(); ++n) numbers[n] = static_cast<float>(n * n % 17) / 4;
  std::vector<double> expected(rows), losses(rows);
  for (unsigned row = 0; row < rows; ++row) {
    double sum = 0;
    for (unsigned i = 0; i < count; ++i) sum += std::exp(static_cast<double>(numbers[row * count + i]));
    expected[row] = std::log(sum) - static_cast<double>(numbers[row * count + row]);
  }
  const auto kernel = [&] { losses_of_rows(numbers.data(), losses.data(), reads); };
  emulation::Execution::instance().run(
      rows, warp_size, 0, [](const void* run) { (*static_cast<const decltype(kernel)*>(run))(); }, &kernel);
  int wrong = 0;
  for (unsigned row = 0; row < rows; ++row) wrong += std::abs(losses[row] - expected[row]) > 1e-4;
  std::printf("%-40s %2d of %d losses are wrong\n", name, wrong, rows);
}

}  // namespace

int main() {
  print("the owner reads and stores", Reads::owner);
  print("all read, lane 0 stores", Reads::all);
  print("all read, wait, and lane 0 stores", Reads::all_and_wait);
}
