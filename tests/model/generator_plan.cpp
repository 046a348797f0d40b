// The plan over the two plans, on the CPU: whole images, and tiles.
#include "nlcl/model/generator_plan.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <vector>

#include "support/generators.hpp"
#include "support/random_images.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("a plan without tiles is that of its device", "[model]") {
  const Generator<float> generator(Random(3));
  const auto x = random_images(2, 37, 13);
  CHECK(same_bits(GeneratorPlan(generator)(x), CpuPlan(generator)(x)));
  CHECK_THROWS_WITH(GeneratorPlan(generator, 6),
                    Catch::Contains("plan: chunks of 6 rows, expected a multiple of 4"));
  for (Index side : {0, 32})
    CHECK_THROWS_WITH(GeneratorPlan(generator_with_tile(side))(Tensor<float>({1, 4, 44, 1})),
                      Catch::Contains("generator: x expects [N,H,W,3], is [1,4,44,1]"));
}

TEST_CASE("a plan takes what is larger than the generator's tile in tiles", "[model][large]") {
  const Generator<float> whole = generator_with_tile(0), tiled = generator_with_tile(40);
  CHECK(whole.tile() == 0);
  CHECK(tiled.tile() == 40);
  const GeneratorPlan by_whole(whole), by_tiles(tiled);
  const Tensor<float> small = random_images(2, 40, 33), large = random_images(2, 44, 70);
  CHECK(same_bits(by_tiles(small), by_whole(small)));

  const Tensor<float> found = by_tiles(large);
  REQUIRE(found.shape() == large.shape());
  const Tiling tiling(44, 70, 40);
  for (Index n = 0; n < 2; ++n) {
    const auto only = [&](const Tensor<float>& x) {
      return Tensor<float>({1, 44, 70, 3}, x.values().subspan(static_cast<std::size_t>(n * 9240), 9240));
    };
    const Tensor<float> tiles = tiling.cut(only(large), 0, tiling.size());
    CHECK(same_bits(only(found), tiling.blend(by_whole(tiles))));
    CHECK_FALSE(relative_difference(only(found), converted<double>(by_whole(only(large)))) <= 1e-3);
  }
  for (const int count : {1, 3}) {
    const WithThreads guard(count);
    CHECK(same_bits(GeneratorPlan(tiled)(large), found));
  }
}

TEST_CASE("an image in strips has the bits of the whole, and may be overwritten", "[model][large]") {
  const Index height = 150, width = 101, row = width * 3;
  const Tensor<float> x = random_images(1, height, width);
  for (const Index side : {0, 40, 149}) {
    const GeneratorPlan plan(generator_with_tile(side));
    const Tensor<float> expected = plan(x);
    const Region all{0, 0, width, height}, some{30, 47, 9, 21}, corner{100, 149, 1, 1};
    for (const Region& region : {all, some, corner})
      for (const int count : {1, 3}) {
        CAPTURE(side, region.top, count);
        const WithThreads guard(count);
        Tensor<float> image = x.clone();
        float* const rows = image.mutable_data();
        std::vector<std::atomic<int>> written(static_cast<std::size_t>(height));
        std::atomic<bool> is_read_after_writing = false;
        std::vector<Index> ends;
        plan.in_strips(
            height, width, region,
            [&](Index y, float* values) {
              if (written[static_cast<std::size_t>(y)] > 0) is_read_after_writing = true;
              std::copy_n(rows + y * row, row, values);
            },
            [&](Index y, const float* values) {
              std::copy_n(values, row, rows + y * row);
              ++written[static_cast<std::size_t>(y)];
            },
            [&](Index y) { ends.push_back(y); });
        CHECK_FALSE(is_read_after_writing);
        CHECK(std::ranges::is_sorted(ends));
        CHECK(ends.back() == region.top + region.height);
        for (Index y = 0; y < height; ++y) {
          const bool is_in = y >= region.top && y < region.top + region.height;
          CHECK(written[static_cast<std::size_t>(y)] == (is_in ? 1 : 0));
          const Index begin = y * row + region.left * 3;
          if (is_in)
            CHECK(std::equal(rows + begin, rows + begin + region.width * 3, expected.data() + begin));
        }
      }
  }
}

TEST_CASE("an image in strips needs no more memory than they do", "[model][large]") {
  const Generator<float> generator = generator_with_tile(64);
  const GeneratorPlan plan(generator);
  const auto taken = [&](Index height) {
    Pool::cpu().trim();
    Pool::cpu().reset_peak();
    const std::size_t before = Pool::cpu().stats().peak;
    plan.in_strips(
        height, 200, {0, 0, 200, height}, [](Index, float* values) { std::fill_n(values, 600, 0.5f); },
        [](Index, const float*) {}, [](Index) {});
    return Pool::cpu().stats().peak - before;
  };
  for (const int count : {1, 4}) {
    const WithThreads guard(count);
    CHECK(taken(700) <= plan.memory_in_strips(700, 200));
    CHECK(plan.memory_in_strips(700, 200) == plan.memory_in_strips(7000, 200));
  }
}

TEST_CASE("a plan with tiles needs no more memory than it says", "[model][large]") {
  const Generator<float> generator = generator_with_tile(64);
  const Tensor<float> x = random_images(1, 300, 400);
  for (const int count : {1, 4}) {
    CAPTURE(count);
    const WithThreads guard(count);
    Pool::cpu().trim();
    Pool::cpu().reset_peak();
    const std::size_t before = Pool::cpu().stats().peak;
    GeneratorPlan{generator}(x);
    const std::size_t taken = Pool::cpu().stats().peak - before,
                      said = GeneratorPlan::memory(300, 400, count, 64);
    CHECK(taken <= said);
  }
  CHECK(GeneratorPlan::memory(2160, 3840, 4, 96) < GeneratorPlan::memory(2160, 3840, 4) / 8);
  const WithThreads guard(3);
  CHECK(GeneratorPlan(generator).memory(300, 400) == GeneratorPlan::memory(300, 400, 3, 64));
  CHECK(GeneratorPlan(generator, 64).memory(40, 60) == CpuPlan::memory(40, 60, 3, 64));
}
