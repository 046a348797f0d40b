#include "nlcl/pages/sheet.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Image filled(Index height, Index width, std::uint8_t level) {
  return {height, width, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3), level)};
}

// Its rows of red values.
std::vector<std::vector<int>> levels(const Image& image) {
  REQUIRE(image.channels == 3);
  REQUIRE(std::ssize(image.pixels) == image.height * image.width * 3);
  std::vector<std::vector<int>> rows(static_cast<std::size_t>(image.height));
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    rows[i / 3 / static_cast<std::size_t>(image.width)].push_back(image.pixels[i]);
  return rows;
}

using Levels = std::vector<std::vector<int>>;

}  // namespace

TEST_CASE("sheet: beside and below each other, without a gap", "[pages]") {
  const Image a = filled(1, 2, 1), b = filled(1, 1, 2);
  CHECK(levels(sheet_of({{a, b}})) == Levels{{1, 1, 2}});
  CHECK(levels(sheet_of({{a}, {b}})) == Levels{{1, 1}, {2, 255}});  // white where one is narrower
  CHECK(levels(sheet_of({{a, b}, {b}})) == Levels{{1, 1, 2}, {2, 255, 255}});
  CHECK(levels(sheet_of({{filled(2, 1, 1), b}})) == Levels{{1, 2}, {1, 255}});  // and where one is lower
}

TEST_CASE("sheet: columns as wide as their widest, with a gap between and around", "[pages]") {
  const Image wide = filled(1, 2, 1), small = filled(1, 1, 2);
  const int w = 255;
  CHECK(levels(sheet_of({{wide, small}, {small, wide}}, 1)) == Levels{{w, w, w, w, w, w, w},
                                                                      {w, 1, 1, w, 2, w, w},
                                                                      {w, w, w, w, w, w, w},
                                                                      {w, 2, w, w, 1, 1, w},
                                                                      {w, w, w, w, w, w, w}});
}

TEST_CASE("sheet: what cannot be put together", "[pages]") {
  CHECK(message_of<ShapeError>([] { sheet_of({}); }) == "sheet: no images, expected at least one");
  CHECK(message_of<ShapeError>([] { sheet_of({{}}); }) == "sheet: no images, expected at least one");
  CHECK(message_of<ShapeError>([] {
          sheet_of({{Image{1, 1, 1, {7}}}});
        }) == "sheet: an image of 1 channels, expected 3");
}
