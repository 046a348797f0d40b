#include "nlcl/analysis/matches_picture.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <vector>

using namespace nlcl;

namespace {

std::array<int, 3> pixel(const Image& image, Index row, Index column) {
  const auto at = image.pixels.begin() + (row * image.width + column) * 3;
  return {at[0], at[1], at[2]};
}

}  // namespace

TEST_CASE("matches_picture: the query is a box, the matches are boxes or dots", "[analysis]") {
  const Image black{256, 256, 3, std::vector<std::uint8_t>(256 * 256 * 3)};
  std::vector<PatchCenter> matches{{0, 128, 128}};
  for (Index i = 1; i < 16; ++i) matches.push_back({0, 115, 110 + 2 * i});
  const Image picture = matches_picture(black, {0, 128, 128}, matches);
  // On the right 64 x 64 pixels from (96, 96), eight times as large: the query at 24 to 40, the dots 19 from its top.
  const auto at = [&](Index row, Index column) { return pixel(picture, 8 * row + 4, 512 + 8 * column + 4); };
  CHECK(pixel(picture, 8 * 24 + 1, 512 + 8 * 32) == std::array{255, 149, 0});
  CHECK(at(32, 32) == std::array{0, 0, 0});
  CHECK(at(19, 16)[2] > at(19, 44)[2]);  // weaker the further
  CHECK(at(19, 44)[2] > 40);
  CHECK(at(19, 46) == std::array{0, 0, 0});
  CHECK(pixel(picture, 8 * 11 + 1, 512 + 8 * 8 + 1)[2] > 200);  // a box round the nearest
  CHECK(pixel(picture, 8 * 11 + 1, 512 + 8 * 52 - 1)[2] == 0);  // none round the furthest
  CHECK(pixel(picture, 2 * 120, 2 * 128) ==
        std::array{255, 149, 0});  // on the left the whole layer, twice as large
}
