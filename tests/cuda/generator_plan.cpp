// The plan over the two plans, on a CUDA device: there tiles are cut, run in batches and blended.
#include "nlcl/model/generator_plan.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <initializer_list>

#include "support/cuda.hpp"
#include "support/precision.hpp"
#include "support/random_images.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr Index side = Tiling::smallest_side;

Generator<float> generator_on(Device device, Index tile) {
  Generator<float> generator(Random(3));
  generator.set_skip(true);
  generator.set_tile(tile);
  to(generator, device);
  return generator;
}

Tensor<float> by_plan(const auto& plan, const Tensor<float>& x) {
  return plan(x.to(cuda_device)).to(Device::cpu());
}

// So that a batch has this many tiles of images of this height, at the most.
GeneratorPlan plan_in_batches(const Generator<float>& generator, Index tiles, Index height) {
  return GeneratorPlan(
      generator, 32, static_cast<std::size_t>(tiles) * CudaPlan::activation_bytes(height, side, precision()));
}

}  // namespace

TEST_CASE("a plan and its image are on one device", "[cuda]") {
  if (!cuda_is_there()) return;
  const GeneratorPlan here(generator_on(Device::cpu(), 0)), there(generator_on(cuda_device, 0));
  const Tensor<float> x = random_images(1, 4, 4);
  CHECK_THROWS_WITH(there(x), "generator: x is on cpu, the plan on cuda:0");
  CHECK_THROWS_WITH(here(x.to(cuda_device)), "generator: x is on cuda:0, the plan on cpu");
  CHECK_THROWS_AS(there(Tensor<float>({4, 4, 3}, cuda_device)), ShapeError);
  CHECK(same_bits(by_plan(there, x), by_plan(CudaPlan(generator_on(cuda_device, 0)), x)));
  CHECK(there.memory(40, 50) == CudaPlan::memory(1, 40, 50, precision()));
}

// Both plans are within 3e-5 of the operations, as their tests say. A tile in another place would show as 1e-1.
TEST_CASE("tiles on a device are those of the CPU", "[cuda]") {
  if (!cuda_is_there()) return;
  const GeneratorPlan here(generator_on(Device::cpu(), side)), there(generator_on(cuda_device, side));
  CHECK(there.tile() == side);
  for (const Tensor<float>& x :
       {random_images(1, 3, 61), random_images(2, 47, 5), random_images(1, 33, 35)}) {
    INFO(x.shape());
    const Tensor<float> found = there(x.to(cuda_device));
    CHECK(found.device() == cuda_device);
    CHECK(relative_difference(found.to(Device::cpu()), converted<double>(here(x))) <= 6e-5);
  }
}

TEST_CASE("batches of tiles change no bit, in any precision", "[cuda][thorough]") {
  if (!cuda_is_there()) return;
  const Generator<float> generator = generator_on(cuda_device, side);
  const Tiling tiling(4, 60, side);
  REQUIRE(tiling.size() == 3);
  const auto check = [&](Precision wanted, Index images, std::initializer_list<Index> sizes) {
    CAPTURE(wanted);
    const WithPrecision with(wanted);
    const Tensor<float> x = random_images(images, 4, 60);
    // Through the plan of whole images, cut and blended on the CPU.
    const Tensor<float> expected =
        tiling.blend(by_plan(CudaPlan(generator), tiling.cut(x, 0, images * tiling.size())));
    for (Index most : sizes) {
      CAPTURE(most);
      CHECK(same_bits(by_plan(plan_in_batches(generator, most, 4), x), expected));
    }
  };
  check(Precision::float32, 3, {0, 5, 100});  // nine of 1, two of 5, which share a tile, one of 9
  check(Precision::tf32, 1, {2});             // two of 2, which share a tile
  check(Precision::bf16, 1, {2});
}

TEST_CASE("an image in strips, whose tiles go to a device, has the bits of the whole", "[cuda]") {
  if (!cuda_is_there()) return;
  const Index height = 33, width = 35, row = width * 3;
  const Tensor<float> x = random_images(1, height, width);
  const Generator<float> generator = generator_on(cuda_device, side);
  const Tensor<float> expected = by_plan(GeneratorPlan(generator), x);
  for (const Index most : {3, 100}) {  // one row of tiles at a time, and both
    Tensor<float> found(x.shape());
    float* const rows = found.mutable_data();
    plan_in_batches(generator, most, side)
        .in_strips(
            height, width, whole_image(height, width),
            [&](Index y, float* values) { std::copy_n(x.data() + y * row, row, values); },
            [&](Index y, const float* values) { std::copy_n(values, row, rows + y * row); }, [](Index) {});
    CHECK(same_bits(found, expected));
  }
}

// What is being recorded may neither copy to the CPU or from it nor wait: both throw.
TEST_CASE("a device that takes an image in tiles asks nothing of the CPU", "[cuda]") {
  if (!cuda_is_there()) return;
  const GeneratorPlan plan = plan_in_batches(generator_on(cuda_device, side), 2, 4);
  const Tensor<float> first = random_images(1, 4, 60);
  Tensor<float> other = first.clone(), x = first.to(cuda_device), y;
  std::reverse(other.mutable_data(), other.mutable_data() + other.size());
  const Tensor<float> expected = by_plan(plan, other);
  const cuda::Graph graph = cuda::record(cuda_device.index, [&] { y = plan(x); });
  x.assign(other);
  graph.replay();
  CHECK(same_bits(y.to(Device::cpu()), expected));
}

TEST_CASE("tiles on a device need no more memory than the plan says", "[cuda]") {
  if (!cuda_is_there()) return;
  const Generator<float> generator = generator_on(cuda_device, side);
  Pool& pool = cuda::pool(cuda_device.index);
  for (Precision wanted : {Precision::float32, Precision::bf16}) {
    CAPTURE(wanted);
    const WithPrecision with(wanted);
    pool.trim();
    pool.reset_peak();
    const std::size_t before = pool.stats().peak;
    const GeneratorPlan plan = plan_in_batches(generator, 4, 16);  // of 7 tiles
    by_plan(plan, random_images(1, 16, 121));
    const std::size_t taken = pool.stats().peak - before, said = plan.memory(16, 121);
    CHECK(taken <= said);
    CHECK(static_cast<double>(taken) > 0.8 * static_cast<double>(said));
  }
  // However large the image, a batch has its bounds.
  const GeneratorPlan plan(generator_on(cuda_device, 96));
  const std::size_t around =
      sizeof(float) * 3 * static_cast<std::size_t>(2 * 4000 * 6000 + 75 * 50 * 96 * 96);
  REQUIRE(Tiling(4000, 6000, 96).size() == 75 * 50);
  CHECK(plan.memory(4000, 6000) > around + GeneratorPlan::default_batch_bytes / 4 * 3);
  CHECK(plan.memory(4000, 6000) < around + GeneratorPlan::default_batch_bytes / 4 * 5);
  CHECK(plan.memory(64, 96) == CudaPlan::memory(1, 64, 96, precision()));
}
