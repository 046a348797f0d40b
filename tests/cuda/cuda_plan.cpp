// The plan of a CUDA device against the operations on the CPU.
#include "nlcl/model/cuda_plan.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support/cuda.hpp"
#include "support/precision.hpp"
#include "support/random_images.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Generator<float> generator_on(Device device) {
  Generator<float> generator(Random(3));
  for_each_parameter(generator, [&](const std::string&, Tensor<float>& value) { value = value.to(device); });
  return generator;
}

Tensor<float> by_operations(const Tensor<float>& x) {
  const NoGrad no_grad;
  return generator_on(Device::cpu())(x);
}

Tensor<float> by_plan(const CudaPlan& plan, const Tensor<float>& x) {
  return plan(x.to(cuda_device)).to(Device::cpu());
}

// The generator, which is on the CPU and goes to the device, in whatever form it has.
void check_on_device(Generator<float>& generator, const Tensor<float>& x) {
  const NoGrad no_grad;
  const Tensor<float> expected = generator(x);
  to(generator, cuda_device);
  CHECK(relative_difference(by_plan(CudaPlan(generator), x), converted<double>(expected)) <= 3e-5);
}

// The root mean square of the difference, relative to that of what is expected.
double root_mean_square(const Tensor<float>& found, const Tensor<float>& expected) {
  double difference = 0, size = 0;
  for (Index i = 0; i < expected.size(); ++i) {
    const double value = static_cast<double>(expected.data()[i]);
    difference += std::pow(static_cast<double>(found.data()[i]) - value, 2);
    size += value * value;
  }
  return std::sqrt(difference / size);
}

}  // namespace

// As on the CPU: 37 layers round in an order of their own, and a wrong border or statistic would show as 1e-2.
TEST_CASE("the plan on a device computes what the operations compute", "[cuda]") {
  if (!cuda_is_there()) return;
  const CudaPlan plan(generator_on(cuda_device));
  for (const Tensor<float>& x :
       {random_images(1, 1, 1), random_images(1, 1, 9), random_images(1, 9, 1), random_images(1, 16, 16),
        random_images(2, 5, 6), random_images(1, 13, 37), random_images(1, 33, 18)}) {
    INFO(x.shape());
    CHECK(relative_difference(by_plan(plan, x), converted<double>(by_operations(x))) <= 3e-5);
  }
}

// In tf32 two numbers are rounded in each of 36 layers, by up to 2^-11: the weight, and what it is multiplied with. In
// bf16 it is up to 2^-9, and what is stored is a third. Such errors are independent and add up as their squares; a norm
// divides by the deviation, which is less than the size of what was rounded, hence a factor of 2.
TEST_CASE("the plan on a device rounds no more than its precision does", "[cuda]") {
  if (!cuda_is_there()) return;
  const Generator<float> generator = generator_on(cuda_device);
  const Tensor<float> x = random_images(1, 33, 18), expected = by_operations(x);
  const auto error = [&](Precision wanted) {
    const WithPrecision with(wanted);
    return root_mean_square(by_plan(CudaPlan(generator), x), expected);
  };
  const double tf32 = error(Precision::tf32), bf16 = error(Precision::bf16);
  CHECK(tf32 <= 2 * std::sqrt(2 * 36) * 0x1p-11);
  CHECK(bf16 <= 2 * std::sqrt(3 * 36) * 0x1p-9);
  CHECK(bf16 > 4 * tf32);  // a precision that is not used would not show
  CHECK(tf32 > 1e-4);
}

TEST_CASE("the plan on a device treats every image of a batch alone, and repeats its bits", "[cuda]") {
  if (!cuda_is_there()) return;
  for (Precision wanted : {Precision::float32, Precision::bf16}) {
    const WithPrecision with(wanted);
    const CudaPlan plan(generator_on(cuda_device));
    const Tensor<float> x = random_images(3, 10, 18), y = by_plan(plan, x);
    CHECK(same_bits(by_plan(plan, x), y));
    for (Index n = 0; n < 3; ++n) {
      const auto alone = [&](const Tensor<float>& t) {
        return Tensor<float>({1, 10, 18, 3}, t.values().subspan(static_cast<std::size_t>(n * 540), 540));
      };
      CHECK(same_bits(by_plan(plan, alone(x)), alone(y)));
    }
  }
}

TEST_CASE("the plan on a device needs no more memory than it says", "[cuda]") {
  if (!cuda_is_there()) return;
  const Generator<float> generator = generator_on(cuda_device);
  Pool& pool = cuda::pool(cuda_device.index);
  for (Precision wanted : {Precision::float32, Precision::bf16}) {
    const WithPrecision with(wanted);
    pool.trim();
    pool.reset_peak();
    const std::size_t before = pool.stats().peak;
    by_plan(CudaPlan(generator), random_images(1, 40, 56));
    const std::size_t taken = pool.stats().peak - before, said = CudaPlan::memory(1, 40, 56, wanted);
    CHECK(taken <= said);
    CHECK(static_cast<double>(taken) > 0.8 * static_cast<double>(said));
  }
}

TEST_CASE("the plan on a device keeps the weights and the precision that it was made with", "[cuda]") {
  if (!cuda_is_there()) return;
  Generator<float> generator = generator_on(cuda_device);
  const CudaPlan plan(generator);
  const Tensor<float> x = random_images(1, 4, 5), before = by_plan(plan, x);
  for_each_parameter(generator, [](const std::string&, Tensor<float>& value) {
    const float zero = 0;
    cuda::fill(value.mutable_data(), &zero, sizeof(zero), value.size(), cuda_device.index);
  });
  const WithPrecision with(Precision::bf16);
  CHECK(same_bits(by_plan(plan, x), before));
}

TEST_CASE("the plan on a device refuses other shapes", "[cuda]") {
  if (!cuda_is_there()) return;
  const CudaPlan plan(generator_on(cuda_device));
  CHECK_THROWS_WITH(plan(random_images(1, 4, 4)), "generator: x is on cpu, the plan on cuda:0");
  CHECK_THROWS_AS(plan(Tensor<float>({4, 4, 3}, cuda_device)), ShapeError);
}

TEST_CASE("the plan on a device has the skip of its generator", "[cuda]") {
  if (!cuda_is_there()) return;
  Generator<float> generator(Random(3));
  generator.set_skip(true);
  const Tensor<float> x = random_images(2, 5, 6);
  check_on_device(generator, x);
  generator.clear_tail();
  CHECK(same_bits(by_plan(CudaPlan(generator), x), x));
}

TEST_CASE("the plan on a device of a generator without norms", "[cuda]") {
  if (!cuda_is_there()) return;
  Generator<float> generator(Random(3));
  generator.set_norm_free(true);
  check_on_device(generator, random_images(2, 21, 18));
}
