// Training on a device: the results of the CPU, and a recorded step like one that is not.
#include "nlcl/train/trainer.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "nlcl/train/staging.hpp"
#include "support/cuda.hpp"
#include "support/tensors.hpp"

#if __has_include("execution.hpp")  // an emulated device, whose memory can be taken away
#define NLCL_TEST_LITTLE_MEMORY
#include "device.hpp"
#endif

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr Index side = 33;  // the smallest that has room for a query: emulation is slow

Batch batch(std::uint64_t seed) {
  Random random(seed);
  const Tensor<float> rainy = random_tensor<float>({1, side, side, 3}, random);
  const Tensor<float> clean = random_tensor<float>({1, side, side, 3}, random);
  return {rainy, clean, random_tensor<float>({1, side, side, 3}, random)};
}

TrainerOptions options_on(Device device, bool graph) {
  TrainerOptions options;
  options.seed = 3;
  options.steps = 3;
  options.decay_steps = 2;
  options.average = 0.5;
  options.networks.discriminator_gain = 0.4;
  for (const char* term : {"chroma", "identity", "recomposition", "drawn"})
    options.objective.set_weight(term, 0.5);
  options.objective.recomposition = {.gain = 1.5, .high_pass = 0.5, .threshold = 0.01};
  options.adam.eps = 1e-3;  // where a gradient is nothing but rounding errors, so is the step
  options.device = device;
  options.graph = graph;
  return options;
}

double largest_difference(const StateFile& a, const StateFile& b, const std::string& name) {
  const auto left = to_tensor<double>(a.at(name)), right = to_tensor<double>(b.at(name));
  double largest = 0;
  for (Index i = 0; i < left.size(); ++i)
    largest = std::max(largest, std::abs(left.data()[i] - right.data()[i]));
  return largest;
}

// Of a and b, by the L2 norm.
double relative_difference(const StateFile& a, const StateFile& b, const std::string& name) {
  const auto left = to_tensor<double>(a.at(name)), right = to_tensor<double>(b.at(name));
  double difference = 0, norm = 0;
  for (Index i = 0; i < left.size(); ++i) {
    difference += (left.data()[i] - right.data()[i]) * (left.data()[i] - right.data()[i]);
    norm += right.data()[i] * right.data()[i];
  }
  return std::sqrt(difference / norm);
}

// Without what takes minutes in emulation: the searches and the discriminator.
TrainerOptions little_options(bool graph) {
  TrainerOptions options = options_on(cuda_device, graph);
  for (const char* term : {"location", "layer", "adversarial"}) options.objective.set_weight(term, 0);
  return options;
}

void check_same(const StateFile& found, const StateFile& expected) {
  REQUIRE(found.tensors.size() == expected.tensors.size());
  for (std::size_t i = 0; i < found.tensors.size(); ++i) {
    INFO(found.tensors[i].name);
    CHECK(found.tensors[i].bytes == expected.tensors[i].bytes);
  }
}

}  // namespace

TEST_CASE("a step on a device is that of the CPU, and its recording repeats it to the bit", "[cuda][.long]") {
  if (!cuda_is_there()) return;
  Trainer here(options_on(Device::cpu(), false)), there(options_on(cuda_device, true));
  check_same(there.state(), here.state());

  Staging staging(cuda_device);
  staging.put({batch(0)});
  StateFile before_last;
  Losses last_losses;
  for (std::uint64_t step = 0; step < 3; ++step) {  // computed, recorded, replayed on other values
    CAPTURE(step);
    if (step == 2) before_last = there.state();
    there.start(staging.take());
    staging.put({batch(step + 1)});
    last_losses = there.finish();
    if (step > 0) continue;

    const Losses expected_losses = here.run({batch(0)});
    REQUIRE(last_losses.size() == expected_losses.size());
    for (std::size_t i = 0; i < last_losses.size(); ++i) {
      CHECK(last_losses[i].first == expected_losses[i].first);
      CHECK(last_losses[i].second == Approx(expected_losses[i].second).epsilon(1e-4));
    }
    const StateFile found = there.state(), expected = here.state();
    for (const RawTensor& tensor : expected.tensors) {
      INFO(tensor.name);
      // The first mean of a gradient is half of it. Biases before a norm have none but rounding errors. A ReLU
      // whose input is within rounding of 0 can fall to the other side, which moves single gradients by a few
      // percent, as in the test of the generator.
      if (tensor.name.ends_with("weight.mean"))
        CHECK(relative_difference(found, expected, tensor.name) <= 0.05);
      // Where a gradient is next to nothing, Adam's step may have either sign.
      if (tensor.name.ends_with("weight")) CHECK(largest_difference(found, expected, tensor.name) <= 4.02e-4);
    }
  }

  // From the state before it a trainer that records nothing takes the same last step.
  Trainer resumed(options_on(cuda_device, false));
  resumed.load(before_last);
  CHECK(resumed.run({batch(2)}) == last_losses);
  check_same(resumed.state(), there.state());
}

TEST_CASE("a loss that is not a number ends the step on a device", "[cuda][thorough]") {
  if (!cuda_is_there()) return;
  Trainer trainer(little_options(true));
  Batch broken = batch(0);
  broken.rainy.mutable_data()[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(trainer.run({broken}), Catch::Contains("train: the loss 'consistency' is nan at step 0"));
  CHECK(trainer.step() == 0);
}

#if defined(NLCL_TEST_LITTLE_MEMORY)
TEST_CASE("a step that has too little memory to be recorded can be taken again", "[cuda][thorough]") {
  Trainer trainer(little_options(true));
  trainer.run({batch(0)});
  emulation::Device& device = emulation::Device::at(cuda_device.index);
  const std::size_t limit = device.memory_limit();
  cuda::pool(cuda_device.index).trim();
  const std::size_t before = device.in_use();
  device.set_memory_limit(before + 2'000'000);
  CHECK_THROWS_WITH(trainer.run({batch(1)}), Catch::Contains("bytes cannot be had on cuda:0") &&
                                                 Catch::Contains("are kept for what is recorded"));
  device.set_memory_limit(limit);
  CHECK(device.in_use() == before);
  CHECK(trainer.step() == 1);

  const Losses losses = trainer.run({batch(1)});
  Trainer other(little_options(false));
  other.run({batch(0)});
  CHECK(other.run({batch(1)}) == losses);
  check_same(trainer.state(), other.state());
}
#endif
