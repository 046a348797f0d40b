// What an emulated device counts, and what the plan and a step of training may ask of a device. All else that is counted
// stands in docs/gpu-counts.md, which a test of its own holds against the program.
#if __has_include("counters.hpp")
#include <catch2/catch.hpp>
#include <cstdint>

#include "counters.hpp"
#include "device.hpp"
#include "nlcl/core/storage.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/ops/sum.hpp"
#include "nlcl/train/trainer.hpp"
#include "support/cuda.hpp"
#include "support/precision.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr std::int64_t tensor_bytes = 1000 * 4;  // of those here

template <class Work>
emulation::Counts counts_of(const Work& work) {
  const WithSynchronous with(false);
  emulation::counts() = {};
  work();
  return emulation::counts();
}

Tensor<float> values(float value) { return Tensor<float>::full({1000}, value, cuda_device); }

}  // namespace

TEST_CASE("an emulated device counts launches, and what their kernels are given", "[cuda]") {
  const Tensor<float> a = values(1), b = values(2);
  const emulation::Counts of_two = counts_of([&] { sum(a, b); });
  CHECK(of_two.launches == 1);
  CHECK(of_two.bytes >= 3 * tensor_bytes);
  CHECK(of_two.bytes < 3 * tensor_bytes + 3 * 64);  // blocks are multiples of 64 bytes
  REQUIRE(of_two.kernels.size() == 1);
  CHECK(of_two.kernels.begin()->second.count == 1);
  CHECK(of_two.kernels.begin()->second.bytes == of_two.bytes);
  CHECK(of_two.copies + of_two.fills + of_two.waits == 0);
  // One block of memory counts once, whatever a kernel does with it.
  CHECK(counts_of([&] { sum(a, a); }).bytes < 2 * tensor_bytes + 2 * 64);
}

TEST_CASE("an emulated device counts copies, fills and waits", "[cuda]") {
  const Tensor<float> a = values(1);
  const emulation::Counts to_host = counts_of([&] { a.to(Device::cpu()); });
  CHECK(to_host.copies == 1);
  CHECK(to_host.bytes == tensor_bytes);  // on this side
  CHECK(to_host.waits == 2);             // for what is copied, and for the copy
  const emulation::Counts within = counts_of([&] { a.clone(); });
  CHECK(within.copies == 1);
  CHECK(within.bytes == 2 * tensor_bytes);
  CHECK(within.waits == 0);
  const emulation::Counts filled = counts_of([] { Tensor<float>::zeros({1000}, cuda_device); });
  CHECK(filled.fills == 1);
  CHECK(filled.bytes == tensor_bytes);
  CHECK(filled.launches + filled.copies + filled.waits == 0);
}

TEST_CASE("what is recorded counts when it is replayed", "[cuda]") {
  const Tensor<float> a = values(1), b = values(2);
  const std::int64_t bytes = counts_of([&] { sum(a, b); }).bytes;
  cuda::Graph graph;
  CHECK(counts_of([&] { graph = cuda::record(cuda_device.index, [&] { sum(a, b); }); }).launches == 0);
  const emulation::Counts twice = counts_of([&] {
    graph.replay();
    graph.replay();
  });
  CHECK(twice.launches == 2);
  CHECK(twice.bytes == 2 * bytes);
}

TEST_CASE("what is only counted is not done", "[cuda]") {
  Tensor<float> a = values(1);
  {
    const emulation::WithChoices with;
    with->only_counts = true;
    const emulation::Counts counts = counts_of([&] { a.assign(values(2)); });
    CHECK(counts.launches == 1);
    CHECK(counts.copies == 1);
    CHECK(max_abs(a.to(Device::cpu())) == 0);
  }
  CHECK(max_abs(a.to(Device::cpu())) == 1);
}

TEST_CASE("the plan waits for nothing, and has few launches", "[cuda]") {
  Generator<float> generator(Random(3));
  generator.set_skip(true);
  to(generator, cuda_device);
  const auto counts = [&](Index tile) {
    generator.set_tile(tile);
    const WithPrecision with_precision(Precision::bf16);
    const emulation::WithChoices with;
    with->only_counts = true;
    const GeneratorPlan plan(generator);
    const Tensor<float> x({1, 512, 1024, 3}, cuda_device);
    return counts_of([&] { plan(x); });
  };
  for (const Index tile : {0, 96}) {
    CAPTURE(tile);
    const emulation::Counts of_plan = counts(tile);
    CHECK(of_plan.waits == 0);
    CHECK(of_plan.launches + of_plan.copies + of_plan.fills <= (tile == 0 ? 37 : 40));
  }
  cuda::pool(cuda_device.index).trim();  // nobody finds memory there that was never filled
}

TEST_CASE("a step of training has few launches, and moves little", "[cuda]") {
  const emulation::WithChoices with;
  with->only_counts = true;
  emulation::Device& emulated = emulation::Device::at(cuda_device.index);
  const std::size_t limit = emulated.memory_limit();
  emulated.set_memory_limit(~std::size_t{0});  // none of it is touched
  for (const auto& [precision, most_megabytes] :
       {std::pair(Precision::tf32, 19630), {Precision::bf16, 14140}}) {
    CAPTURE(text(precision));
    const WithPrecision with_precision(precision);
    TrainerOptions options;
    options.objective.layer_contrast.pooled = true;
    options.device = cuda_device;
    Trainer trainer(options);
    const auto image = Tensor<float>::zeros({1, 256, 256, 3});
    const auto step = [&] { trainer.start({{image, image, {}}}); };
    step(), step();  // computed, and recorded
    const emulation::Counts of_step = counts_of(step);
    CHECK(of_step.launches + of_step.copies + of_step.fills <= 970);
    CHECK(of_step.bytes <= std::int64_t{most_megabytes} * 1'000'000);
  }
  emulated.set_memory_limit(limit);
  cuda::pool(cuda_device.index).trim();
}
#endif
