#include "nlcl/model/generator_plan.hpp"

#include <catch2/catch.hpp>

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
  const GeneratorPlan plan(generator);
  for (const auto& [height, width] : std::vector<std::pair<Index, Index>>{
           {1, 1}, {1, 9}, {9, 1}, {4, 4}, {5, 6}, {13, 37}, {31, 33}, {32, 32}, {33, 100}, {70, 51}}) {
    INFO(height << " x " << width);
    const auto x = random_images(1, height, width);
    CHECK(relative_difference(plan(x), converted<double>(by_operations(generator, x))) <= 3e-5);
  }
}

TEST_CASE("the plan treats every image of a batch alone", "[model]") {
  const Generator<float> generator(Random(3));
  const GeneratorPlan plan(generator);
  const auto x = random_images(3, 10, 14);
  const auto y = plan(x);
  for (Index n = 0; n < 3; ++n) {
    const auto values = [&](const Tensor<float>& t) {
      return Tensor<float>({1, 10, 14, 3}, t.values().subspan(static_cast<std::size_t>(n * 420), 420));
    };
    CHECK(same_bits(values(y), plan(values(x))));
  }
}

TEST_CASE("neither threads nor chunks change a bit of the plan's result", "[model]") {
  const Generator<float> generator(Random(3));
  const auto x = random_images(1, 75, 41);
  const auto expected = GeneratorPlan(generator)(x);
  for (const Index chunk_rows : {4, 8, 64, 1024})
    CHECK(same_bits(GeneratorPlan(generator, chunk_rows)(x), expected));
  for (const int count : {1, 2, 3, 7}) {
    const WithThreads guard(count);
    CHECK(same_bits(GeneratorPlan(generator)(x), expected));
  }
}

TEST_CASE("the plan needs no more memory than it says", "[model]") {
  const Generator<float> generator(Random(3));
  const std::size_t weights = static_cast<std::size_t>(316195) * sizeof(float);
  for (const auto& [height, width] : std::vector<std::pair<Index, Index>>{{256, 256}, {40, 700}, {512, 64}}) {
    INFO(height << " x " << width);
    Pool::cpu().trim();
    Pool::cpu().reset_peak();
    const std::size_t before = Pool::cpu().stats().peak;
    {
      const GeneratorPlan plan(generator);
      plan(random_images(1, height, width));
    }
    const std::size_t taken = Pool::cpu().stats().peak - before,
                      said = GeneratorPlan::memory(height, width, threads());
    CHECK(taken <= said);
    CHECK(static_cast<double>(taken + weights) > 0.8 * static_cast<double>(said));
  }
}

TEST_CASE("the plan keeps the weights that it was made with", "[model]") {
  Generator<float> generator(Random(3));
  const GeneratorPlan plan(generator);
  const auto x = random_images(1, 8, 8), before = plan(x);
  std::fill_n(generator.pairs[0].first.weight.mutable_data(), generator.pairs[0].first.weight.size(), 0.0f);
  CHECK(same_bits(plan(x), before));
}

TEST_CASE("the plan refuses other shapes", "[model]") {
  const Generator<float> generator;
  const GeneratorPlan plan(generator);
  CHECK_THROWS_WITH(plan(Tensor<float>({1, 4, 4, 1})),
                    Catch::Contains("generator: x expects [N,H,W,3], is [1,4,4,1]"));
  CHECK_THROWS_AS(plan(Tensor<float>({4, 4, 3})), ShapeError);
  CHECK_THROWS_AS(plan(Tensor<float>({1, 0, 4, 3})), ShapeError);
  CHECK_THROWS_WITH(GeneratorPlan(generator, 6),
                    Catch::Contains("plan: chunks of 6 rows, expected a multiple of 4"));
}

TEST_CASE("the plan has the skip of its generator", "[model]") {
  Generator<float> generator(Random(3));
  generator.set_skip(true);
  const GeneratorPlan plan(generator);
  const auto x = random_images(2, 13, 18);
  CHECK(relative_difference(plan(x), converted<double>(by_operations(generator, x))) <= 3e-5);
  generator.clear_tail();
  CHECK(same_bits(GeneratorPlan(generator)(x), x));
}
