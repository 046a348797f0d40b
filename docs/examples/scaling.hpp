// How well a step of training in several processes would use them: a model of three terms, with what was measured and what is
// assumed side by side.
#pragma once

// Gradients that are added in a step, twice: D's, then those of generators and heads.
inline constexpr double discriminator = 2764737 * 4,
                        others = (2 * 316195 + 2 * 379648 + 371200) * 4;  // bytes

struct Machine {
  const char* name;
  int ranks;
  double compute;    // milliseconds of a rank's own part of a step
  double latency;    // microseconds of a call that all ranks take part in
  double bandwidth;  // GB/s through each rank
};

// Of a step: two sums of two calls each, in which all but one part of the gradients leaves a rank and comes back; and four
// calls that carry a few words.
inline double exchange(const Machine& m) {
  if (m.ranks == 1) return 0;
  const double moved = 2 * (discriminator + others) * (m.ranks - 1) / m.ranks;
  return 8 * m.latency / 1e3 + moved / m.bandwidth / 1e6;  // milliseconds
}

inline constexpr Machine machines[] = {
    {"a step on a GPU, alone", 1, 21.5, 0, 1},
    {"8 GPUs in a box", 8, 21.5, 58, 476},
    {"64 GPUs in eight boxes", 64, 21.5, 116, 46},
    {"8 GPUs, if a step took 4 ms", 8, 4, 58, 476},
    {"64 GPUs, if a step took 4 ms", 64, 4, 116, 46},
    {"the same, batches 8 times as large", 64, 32, 116, 46},
    {"two cores of one machine", 2, 680, 2, 1.7},
    {"two machines with 1 Gbit/s", 2, 680, 200, 0.117},
    {"64 machines with 1 Gbit/s", 64, 680, 200, 0.117},
};
