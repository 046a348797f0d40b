#include "nlcl/pages/drawing.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

using namespace nlcl;
using Bytes = std::vector<std::uint8_t>;

TEST_CASE("drawing: pixels of a magnified part are squares", "[pages]") {
  const Image image{1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
  CHECK(magnified(image, {0, 1, 1, 2}, 2, 4).pixels ==
        Bytes{4, 5, 6, 4, 5, 6, 7, 8, 9, 7, 8, 9, 4, 5, 6, 4, 5, 6, 7, 8, 9, 7, 8, 9});
}

TEST_CASE("drawing: a pixel of a shrunk part is the mean of those that it stands for", "[pages]") {
  const Image grey{2, 5, 1, {0, 10, 100, 200, 9, 20, 31, 100, 201, 9}};
  const Image half = shrunk(grey, {0, 0, 2, 4}, 1, 2);
  CHECK(half.channels == 1);
  CHECK(half.pixels == Bytes{15, 150});                              // 15.25 and 150.25
  CHECK(shrunk(grey, {0, 0, 2, 5}, 1, 2).pixels == Bytes{15, 103});  // of 2 and of 3 columns, 103.17
  CHECK(shrunk(grey, {1, 3, 1, 2}, 1, 2).pixels == Bytes{201, 9});
}

TEST_CASE("drawing: what is wide enough stays as it is", "[pages]") {
  const Image image{1, 4, 3, {0, 0, 0, 2, 2, 2, 4, 4, 4, 9, 9, 9}};
  CHECK(fitted(image, 4).pixels == image.pixels);
  const Image narrow = fitted(image, 2);
  CHECK(narrow.height == 1);
  CHECK(narrow.width == 2);
  CHECK(narrow.pixels == Bytes{1, 1, 1, 7, 7, 7});
}

TEST_CASE("drawing: an outline lies inside its box, and inside the image", "[pages]") {
  Image image{4, 4, 3, Bytes(48)};
  outline(image, {0, 0, 3, 3}, 1, {200, 100, 50});
  const auto red = [&](Index row, Index column) {
    return static_cast<int>(image.pixels[static_cast<std::size_t>((row * 4 + column) * 3)]);
  };
  CHECK(red(0, 0) == 200);
  CHECK(red(2, 2) == 200);
  CHECK(red(1, 1) == 0);
  CHECK(red(3, 3) == 0);
  fill(image, {3, 3, 9, 9}, {200, 0, 0}, 0.5);
  CHECK(red(3, 3) == 100);
  CHECK_NOTHROW(outline(image, {-2, -2, 20, 20}, 3, {1, 1, 1}));
}
