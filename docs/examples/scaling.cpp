// How well a step of training in several processes would use them: a model of three terms, with what was measured and what is
// assumed side by side.
#include <cstdio>

// Gradients that are added in a step, twice: D's, then those of generators and heads.
constexpr double discriminator = 2764737 * 4, others = (2 * 316195 + 2 * 379648 + 371200) * 4;  // bytes

struct Machine {
  const char* name;
  int ranks;
  double compute;    // milliseconds of a rank's own part of a step
  double latency;    // microseconds of a call that all ranks take part in
  double bandwidth;  // GB/s through each rank
};

// Of a step: two sums of two calls each, in which all but one part of the gradients leaves a rank and comes back; and four
// calls that carry a few words.
double exchange(const Machine& m) {
  if (m.ranks == 1) return 0;
  const double moved = 2 * (discriminator + others) * (m.ranks - 1) / m.ranks;
  return 8 * m.latency / 1e3 + moved / m.bandwidth / 1e6;  // milliseconds
}

int main() {
  const Machine machines[] = {
      {"a small step on a GPU, alone", 1, 4, 0, 1},
      {"8 GPUs in a box", 8, 4, 58, 476},
      {"64 GPUs in eight boxes", 64, 4, 116, 46},
      {"the same, batches 8 times as large", 64, 32, 116, 46},
      {"two cores of one machine", 2, 680, 2, 1.7},
      {"two machines with 1 Gbit/s", 2, 680, 200, 0.117},
      {"64 machines with 1 Gbit/s", 64, 680, 200, 0.117},
  };
  std::printf("%-36s %5s  %7s  %8s  %10s\n", "", "ranks", "compute", "exchange", "efficiency");
  for (const Machine& m : machines)
    std::printf("%-36s %5d  %4.0f ms  %5.1f ms  %8.0f %%\n", m.name, m.ranks, m.compute, exchange(m),
                100 * m.compute / (m.compute + exchange(m)));
}
