#include "nlcl/model/tiles.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/generators.hpp"
#include "support/random_images.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Where tile i begins, found by its content: no two pixels of the image are alike.
std::pair<Index, Index> place(const Tiling& tiling, Index i, Index height, Index width) {
  Tensor<float> numbers({1, height, width, 3});
  for (Index k = 0; k < numbers.size(); ++k) numbers.mutable_data()[k] = static_cast<float>(k);
  const auto first = static_cast<Index>(tiling.cut(numbers, i, 1).data()[0]) / 3;
  return {first / width, first % width};
}

// Where the tiles begin, first to last: the formula of model/tiles.hpp by itself.
std::vector<std::pair<Index, Index>> naive_places(Index height, Index width, Index side) {
  const auto begins = [side](Index size) {
    const Index last = size - std::min(side, size);
    Index steps = 0;
    while (last > steps * (side - 16)) ++steps;  // until neighbours overlap by 16
    std::vector<Index> result{0};
    for (Index i = 1; i <= steps; ++i) result.push_back(i * last / steps);
    return result;
  };
  std::vector<std::pair<Index, Index>> places;
  for (Index top : begins(height))
    for (Index left : begins(width)) places.emplace_back(top, left);
  return places;
}

Tensor<float> naive_cut(const Tensor<float>& x, Index side, Index first, Index count) {
  const Index height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
  const auto places = naive_places(height, width, side);
  const auto of_image = static_cast<Index>(places.size());
  Tensor<float> tiles({count, std::min(side, height), std::min(side, width), channels});
  float* to = tiles.mutable_data();
  for (Index k = first; k < first + count; ++k)
    for (Index i = 0; i < tiles.shape()[1]; ++i)
      for (Index j = 0; j < tiles.shape()[2]; ++j)
        for (Index c = 0; c < channels; ++c) {
          const auto [top, left] = places[static_cast<std::size_t>(k % of_image)];
          *to++ = x(k / of_image, top + i, left + j, c);
        }
  return tiles;
}

// All weighted tiles one after the other, and all weights beside them.
Tensor<float> naive_blend(const Tensor<float>& tiles, Index images, Index height, Index width, Index side) {
  const Index rows = tiles.shape()[1], columns = tiles.shape()[2], channels = tiles.shape()[3];
  const auto places = naive_places(height, width, side);
  const auto ramp = [](Index at, Index size) {
    return static_cast<float>(std::min({at + 1, size - at, Index{16}}));
  };
  auto sums = Tensor<float>::zeros({images, height, width, channels}), weights = sums.clone();
  for (Index n = 0; n < images; ++n)
    for (std::size_t k = 0; k < places.size(); ++k)
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < columns; ++j)
          for (Index c = 0; c < channels; ++c) {
            const auto [top, left] = places[k];
            const Index at = ((n * height + top + i) * width + left + j) * channels + c;
            const float weight = ramp(i, rows) * ramp(j, columns);
            const Index tile = n * static_cast<Index>(places.size()) + static_cast<Index>(k);
            sums.mutable_data()[at] = std::fma(weight, tiles(tile, i, j, c), sums.data()[at]);
            weights.mutable_data()[at] += weight;
          }
  for (Index i = 0; i < sums.size(); ++i) sums.mutable_data()[i] /= weights.data()[i];
  return sums;
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
    CHECK(tiling.shape(7, 3) == Shape{7, tile_height, tile_width, 3});
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
  CHECK(relative_difference(tiling.blend(tiling.cut(x, 0, tiling.size())), converted<double>(x)) <= 5e-7);
}

TEST_CASE("where tiles overlap the result passes from one to the other", "[model]") {
  const Tiling tiling(32, 48, 32);  // two, with 16 columns in common
  REQUIRE(tiling.size() == 2);
  auto tiles = Tensor<float>::zeros(tiling.shape(2, 3));
  std::fill_n(tiles.mutable_data() + tiles.size() / 2, tiles.size() / 2, 17.0f);
  const Tensor<float> joined = tiling.blend(tiles);
  for (Index x = 0; x < 48; ++x)
    CHECK(joined(0, 9, x, 1) == Approx(x < 16 ? 0 : x < 32 ? x - 15 : 17).epsilon(1e-6));
}

TEST_CASE("tiles that cannot be", "[model]") {
  CHECK(message_of<ShapeError>([] { Tiling(100, 100, 31); }) == "tiles: side 31, expected 32 to 65536");
  CHECK(message_of<ShapeError>([] { Tiling(100, 100, 16); }) == "tiles: side 16, expected 32 to 65536");
  CHECK(message_of<ShapeError>([] { Tiling(0, 100, 32); }) == "tiles: an image of 0 x 100 pixels");
  const Tiling tiling(40, 48, 32);
  CHECK(message_of<ShapeError>([&] {
          tiling.cut(Tensor<float>({1, 48, 40, 3}), 0, 1);
        }) == "tiles: x expects [N,40,48,C], is [1,48,40,3]");
  CHECK(message_of<ShapeError>([&] {
          tiling.cut(Tensor<float>({2, 40, 48, 3}), 7, 2);
        }) == "tiles: 2 from 7 on, there are 8");
  CHECK(message_of<ShapeError>([&] {
          tiling.blend(Tensor<float>({5, 32, 32, 3}));
        }) == "tiles: expected [N * 4,32,32,C], is [5,32,32,3]");
}

TEST_CASE("tiles are cut from where they belong, and blended as the formula says", "[model]") {
  Random random(4);
  std::vector<Device> devices{Device::cpu()};
  if (cuda_is_there()) devices.push_back(cuda_device);
  for (const auto& [images, height, width, side, channels] :
       std::vector<std::array<Index, 5>>{{1, 32, 32, 32, 3},
                                         {1, 1, 33, 32, 1},
                                         {3, 65, 40, 40, 3},  // three tiles over one pixel
                                         {2, 45, 131, 37, 2},
                                         {1, 100, 20, 32, 5},
                                         {1, 97, 120, 96, 3}}) {
    CAPTURE(images, height, width, side, channels);
    const Tiling tiling(height, width, side);
    const Index count = images * tiling.size();
    const auto x = random_tensor<float>({images, height, width, channels}, random),
               made = random_tensor<float>(tiling.shape(count, channels), random);
    for (Device device : devices) {
      CAPTURE(device);
      const auto there = x.to(device);
      CHECK(same_bits(tiling.cut(there, 0, count).to(Device::cpu()), naive_cut(x, side, 0, count)));
      const Index first = count / 3, some = (count - first + 1) / 2;  // over the end of an image
      CHECK(same_bits(tiling.cut(there, first, some).to(Device::cpu()), naive_cut(x, side, first, some)));
      const auto y = tiling.blend(made.to(device));
      CHECK(y.device() == device);
      CHECK(same_bits(y.to(Device::cpu()), naive_blend(made, images, height, width, side)));
    }
  }
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
    CHECK_THROWS_WITH(load_state(found, broken), Catch::Contains("checkpoint: 'gen.tile' is ") &&
                                                     Catch::Contains("expected 32 to 65536"));
  }
}
