// What a training is, and the rate of each of its steps.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nlcl/core/device.hpp"
#include "nlcl/model/networks.hpp"
#include "nlcl/model/objective.hpp"
#include "nlcl/train/adam.hpp"

namespace nlcl {

struct TrainerOptions {
  std::uint64_t seed = 0;
  std::uint64_t steps = 20000;       // of the whole run
  std::uint64_t decay_steps = 1000;  // at its end, while the learning rate falls linearly to zero
  double learning_rate = 2e-4;
  double discriminator_rate = 1;  // D's learning rate as a multiple of it
  AdamOptions adam;
  double average = 0;  // EMA of the generators: 0 keeps none, 0.999 a mean over about a thousand steps
  NetworkOptions networks;
  ObjectiveOptions<float> objective;
  Device device;
  bool graph = true;  // record a step on a CUDA device and replay it; a step of several batches never is
};

// The rate of a step, counted from 0.
inline double learning_rate(const TrainerOptions& o, std::uint64_t step) {
  const std::uint64_t decay = std::min(o.decay_steps, o.steps), constant = o.steps - decay;
  if (step < constant) return o.learning_rate;
  return o.learning_rate * (1 - static_cast<double>(step - constant + 1) / static_cast<double>(decay + 1));
}

}  // namespace nlcl
