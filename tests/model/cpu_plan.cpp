#include "nlcl/model/cpu_plan.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/random_images.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Tensor<float> by_operations(const Generator<float>& generator, const Tensor<float>& x) {
  const NoGrad no_grad;
  return generator(x);
}

}  // namespace

// Both round 37 layers, each sum in an order of its own: a few tens of 6e-8, and a wrong border or statistic would show as 1e-2.
TEST_CASE("the plan computes what the operations compute", "[model]") {
  const Generator<float> generator(Random(3));
  const CpuPlan plan(generator);
  for (const auto& [height, width] : std::vector<std::pair<Index, Index>>{
           {1, 1}, {1, 9}, {9, 1}, {4, 4}, {5, 6}, {13, 37}, {31, 33}, {32, 32}, {33, 100}, {70, 51}}) {
    INFO(height << " x " << width);
    const auto x = random_images(1, height, width);
    CHECK(relative_difference(plan(x), converted<double>(by_operations(generator, x))) <= 3e-5);
  }
}

TEST_CASE("the plan treats every image of a batch alone", "[model]") {
  const Generator<float> generator(Random(3));
  const CpuPlan plan(generator);
  const auto x = random_images(3, 10, 14);
  const auto y = plan(x);
  for (Index n = 0; n < 3; ++n) {
    const auto values = [&](const Tensor<float>& t) {
      return Tensor<float>({1, 10, 14, 3}, t.values().subspan(static_cast<std::size_t>(n * 420), 420));
    };
    CHECK(same_bits(values(y), plan(values(x))));
  }
}

TEST_CASE("neither threads nor chunks change a bit of the plan's result", "[model][large]") {
  const Generator<float> generator(Random(3));
  const auto x = random_images(1, 75, 41);
  const auto expected = CpuPlan(generator)(x);
  for (const Index chunk_rows : {4, 8, 64, 1024})
    CHECK(same_bits(CpuPlan(generator, chunk_rows)(x), expected));
  for (const int count : {1, 2, 3, 7}) {
    const WithThreads guard(count);
    CHECK(same_bits(CpuPlan(generator)(x), expected));
  }
}

TEST_CASE("the plan needs no more memory than it says", "[model][large]") {
  const Generator<float> generator(Random(3));
  const std::size_t weights = static_cast<std::size_t>(316195) * sizeof(float);
  for (const auto& [height, width] : std::vector<std::pair<Index, Index>>{{256, 256}, {40, 700}, {512, 64}}) {
    INFO(height << " x " << width);
    Pool::cpu().trim();
    Pool::cpu().reset_peak();
    const std::size_t before = Pool::cpu().stats().peak;
    {
      const CpuPlan plan(generator);
      plan(random_images(1, height, width));
    }
    const std::size_t taken = Pool::cpu().stats().peak - before,
                      said = CpuPlan::memory(height, width, threads());
    CHECK(taken <= said);
    CHECK(static_cast<double>(taken + weights) > 0.8 * static_cast<double>(said));
  }
}

TEST_CASE("the plan asks for no memory of threads that have nothing to do", "[model]") {
  CHECK(CpuPlan::memory(40, 700, 64) == CpuPlan::memory(40, 700, 5));  // 2 chunks, 5 blocks of rows
  CHECK(CpuPlan::memory(40, 700, 5) > CpuPlan::memory(40, 700, 2));
}

TEST_CASE("the plan keeps the weights that it was made with", "[model]") {
  Generator<float> generator(Random(3));
  const CpuPlan plan(generator);
  const auto x = random_images(1, 8, 8), before = plan(x);
  for_each_parameter(generator, [](const std::string&, Tensor<float>& value) {
    value.assign(Tensor<float>::zeros(value.shape()));
  });
  CHECK(same_bits(plan(x), before));
}

TEST_CASE("the plan refuses other shapes", "[model]") {
  const Generator<float> generator;
  const CpuPlan plan(generator);
  CHECK_THROWS_WITH(plan(Tensor<float>({1, 4, 4, 1})),
                    Catch::Contains("generator: x expects [N,H,W,3], is [1,4,4,1]"));
  CHECK_THROWS_AS(plan(Tensor<float>({4, 4, 3})), ShapeError);
  CHECK_THROWS_AS(plan(Tensor<float>({1, 0, 4, 3})), ShapeError);
  CHECK_THROWS_WITH(CpuPlan(generator, 6),
                    Catch::Contains("plan: chunks of 6 rows, expected a multiple of 4"));
}

TEST_CASE("the plan has the skip of its generator", "[model]") {
  Generator<float> generator(Random(3));
  generator.set_skip(true);
  const CpuPlan plan(generator);
  const auto x = random_images(2, 13, 18);
  CHECK(relative_difference(plan(x), converted<double>(by_operations(generator, x))) <= 3e-5);
  generator.clear_tail();
  CHECK(same_bits(CpuPlan(generator)(x), x));
}

TEST_CASE("the plan of a generator without norms", "[model]") {
  Generator<float> generator(Random(3));
  generator.set_norm_free(true);
  const auto x = random_images(2, 37, 18);
  CHECK(relative_difference(CpuPlan(generator)(x), converted<double>(by_operations(generator, x))) <= 3e-5);
}

TEST_CASE("the schedule calls the passes of 19 layers in their order", "[model]") {
  struct Run {
    void head() { calls += "head"; }
    void first_pass(int conv, bool norm_follows) {
      calls += text(" first:", conv, norm_follows ? "" : " no norm");
    }
    void residual_pass(int conv, bool sum_is_kept, bool norm_follows) {
      calls += text(" residual:", conv, sum_is_kept ? "" : " no sum", norm_follows ? "" : " no norm");
    }
    void activation_pass(int conv, bool norm_follows) {
      calls += text(" activation:", conv, norm_follows ? "" : " no norm");
    }
    void tail() { calls += " tail"; }

    std::string calls;
  } run, norm_free;
  run_schedule(run, std::vector<int>{1, 2, 3, 4, 5, 6}, true);
  CHECK(run.calls ==
        "head first:1 activation:2 residual:3 activation:4 residual:5 no sum activation:6 no norm tail");
  run_schedule(norm_free, std::vector<int>{1, 2, 3, 4}, false);
  CHECK(norm_free.calls ==
        "head first:1 no norm activation:2 no norm residual:3 no sum no norm activation:4 no norm tail");
}
