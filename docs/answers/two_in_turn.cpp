// Two places in shared memory that are filled in turn, as conv2d_tiles fills its own, and what becomes of it without
// the wait, or with the next copy before the barrier. The kernel runs in emulation.
#include <cstdio>
#include <vector>

#include "nlcl/core/block.cuh"

using namespace nlcl::cuda;

namespace {

constexpr int threads = 64, steps = 5;

struct Order {
  bool waits, fetches_late;
};

// Each thread copies 16 bytes of each step, and adds up what another one has copied.
__global__ void two_in_turn(const uint4* from, unsigned* sums, Order order) {
  __shared__ SharedArray<uint4, 2, threads> places;
  const int i = thread().x, other = threads - 1 - i;
  const auto fetch = [&](int step) {
    if (step >= steps) return;
    copy_16_bytes(places(step % 2, i), from + step * threads + i);
    copy_commit();
  };
  fetch(0), fetch(1);
  unsigned sum = 0;
  for (int step = 0; step < steps; ++step) {
    if (order.waits) copy_wait<0>();
    if (step > 0 && !order.fetches_late) fetch(step + 1);
    block_sync();
    if (step > 0 && order.fetches_late) fetch(step + 1);
    sum += places(step % 2, other).x;
  }
  sums[i] = sum;
}

int wrong_sums(Order order, bool late_copies) {
  std::vector<uint4> from(threads * steps);
  for (unsigned n = 0; n < from.size(); ++n) from[n] = {n, 0, 0, 0};
  std::vector<unsigned> sums(threads);

  const emulation::WithChoices with;
  with->late_copies = late_copies;
  const auto kernel = [&] { two_in_turn(from.data(), sums.data(), order); };
  emulation::Execution::instance().run(
      1, threads, 0, [](const void* run) { (*static_cast<const decltype(kernel)*>(run))(); }, &kernel);

  int wrong = 0;
  for (int i = 0; i < threads; ++i) {
    unsigned expected = 0;
    for (int step = 0; step < steps; ++step)
      expected += from[static_cast<unsigned>(step * threads + threads - 1 - i)].x;
    wrong += sums[static_cast<unsigned>(i)] != expected;
  }
  return wrong;
}

void print(const char* name, Order order) {
  std::printf("%-28s wrong sums of %d: %2d with late copies, %2d with early ones\n", name, threads,
              wrong_sums(order, true), wrong_sums(order, false));
}

}  // namespace

int main() {
  print("as it should be", {.waits = true, .fetches_late = true});
  print("nobody waits", {.waits = false, .fetches_late = true});
  print("fetched before the barrier", {.waits = true, .fetches_late = false});
}
