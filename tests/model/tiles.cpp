#include "nlcl/model/tiles.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/random_images.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Where tile i begins, found by its content: no two pixels of the image are alike.
std::pair<Index, Index> place(const Tiling& tiling, Index i, Index height, Index width) {
  Tensor<float> numbers({1, height, width, 3});
  for (Index k = 0; k < numbers.size(); ++k) numbers.mutable_data()[k] = static_cast<float>(k);
  const auto first = static_cast<Index>(tiling.cut(numbers, i).data()[0]) / 3;
  return {first / width, first % width};
}

Generator<float> generator_with_tile(Index side) {
  Generator<float> generator(Random(3));
  generator.set_skip(true);
  generator.set_tile(side);
  return generator;
}

}  // namespace

TEST_CASE("tiles cover the image, overlap, and are as few as can be", "[model]") {
  for (const auto& [height, width, side, rows, columns] :
       std::vector<std::array<Index, 5>>{{40, 40, 40, 1, 1},
                                         {39, 41, 40, 1, 2},
                                         {64, 65, 40, 2, 3},
                                         {100, 20, 32, 6, 1},
                                         {1, 1000, 96, 1, 13},
                                         {321, 481, 96, 4, 6}}) {
    CAPTURE(height, width, side);
    const Tiling tiling(height, width, side);
    REQUIRE(tiling.size() == rows * columns);
    const Index tile_height = std::min(side, height), tile_width = std::min(side, width);
    CHECK(tiling.shape() == Shape{1, tile_height, tile_width, 3});
    for (Index i = 0; i < tiling.size(); ++i) {
      const auto [top, left] = place(tiling, i, height, width);
      if (i % columns > 0) {
        const Index before = place(tiling, i - 1, height, width).second;
        CHECK(left - before <= tile_width - Tiling::overlap);
      }
      if (i >= columns) {
        const Index before = place(tiling, i - columns, height, width).first;
        CHECK(top - before <= tile_height - Tiling::overlap);
      }
    }
    CHECK(place(tiling, 0, height, width) == std::pair(Index{0}, Index{0}));
    CHECK(place(tiling, tiling.size() - 1, height, width) ==
          std::pair(height - tile_height, width - tile_width));
  }
}

// Up to four weighted values are summed and divided again; a wrong weight would show as 1e-2.
TEST_CASE("tiles that are as they were cut give the image", "[model]") {
  const Tensor<float> x = random_images(1, 77, 130);
  const Tiling tiling(77, 130, 48);
  std::vector<Tensor<float>> tiles;
  for (Index i = 0; i < tiling.size(); ++i) tiles.push_back(tiling.cut(x, i));
  CHECK(relative_difference(tiling.joined(tiles), converted<double>(x)) <= 5e-7);
}

TEST_CASE("where tiles overlap the result passes from one to the other", "[model]") {
  const Tiling tiling(32, 48, 32);  // two, with 16 columns in common
  REQUIRE(tiling.size() == 2);
  const Tensor<float> joined =
      tiling.joined({Tensor<float>::zeros(tiling.shape()), Tensor<float>::full(tiling.shape(), 17)});
  for (Index x = 0; x < 48; ++x)
    CHECK(joined(0, 9, x, 1) == Approx(x < 16 ? 0 : x < 32 ? x - 15 : 17).epsilon(1e-6));
}

TEST_CASE("tiles that cannot be", "[model]") {
  CHECK(message_of<ShapeError>([] { Tiling(100, 100, 31); }) == "tiles: side 31, expected 32 to 65536");
  CHECK(message_of<ShapeError>([] { Tiling(0, 100, 32); }) == "tiles: an image of 0 x 100 pixels");
}

TEST_CASE("a plan takes what is larger than the generator's tile in tiles", "[model]") {
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
    std::vector<Tensor<float>> tiles;
    for (Index i = 0; i < tiling.size(); ++i) tiles.push_back(by_whole(tiling.cut(only(large), i)));
    CHECK(same_bits(only(found), tiling.joined(tiles)));
    CHECK_FALSE(relative_difference(only(found), converted<double>(by_whole(only(large)))) <= 1e-3);
  }
  for (const int count : {1, 3}) {
    const WithThreads guard(count);
    CHECK(same_bits(GeneratorPlan(tiled)(large), found));
  }
}

TEST_CASE("a plan with tiles needs no more memory than it says", "[model]") {
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
  CHECK(GeneratorPlan::memory(2160, 3840, 4, 96) < GeneratorPlan::memory(2160, 3840, 4) / 4);
}

TEST_CASE("a file tells the tile of its generator", "[model]") {
  Generator<float> generator = generator_with_tile(96), found;
  const StateFile file = state_of(generator);
  CHECK(file.tensors.back().name == "gen.tile");
  load_state(found, file);
  CHECK(found.tile() == 96);
  generator.set_tile(0);
  load_state(found, state_of(generator));
  CHECK(found.tile() == 0);

  for (const float side : {31.0f, 65537.0f, -5.0f, std::numeric_limits<float>::quiet_NaN()}) {
    StateFile broken = file;
    broken.tensors.back() = from_tensor("gen.tile", Tensor<float>::full({1}, side));
    load_state(found, broken);
    CHECK_THROWS_WITH(GeneratorPlan(found), Catch::Contains("generator: gen.tile is ") &&
                                                Catch::Contains("expected a side of 32 to 65536"));
  }
}

TEST_CASE("tiles on a device are those of the CPU", "[cuda]") {
  if (!cuda_is_there()) return;
  Generator<float> generator = generator_with_tile(32);
  const Tensor<float> x = random_images(1, 32, 40), expected = GeneratorPlan(generator)(x);
  to(generator, cuda_device);
  CHECK(generator.tile() == 32);
  const Tensor<float> found = GeneratorPlan(generator)(x.to(cuda_device));
  CHECK(found.device() == cuda_device);
  CHECK(relative_difference(found.to(Device::cpu()), converted<double>(expected)) <= 5e-3);  // tf32
}
