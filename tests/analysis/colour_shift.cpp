#include "nlcl/analysis/colour_shift.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "support/errors.hpp"
#include "support/images.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Image plain(std::vector<std::uint8_t> colour) {
  Image image{40, 50, static_cast<Index>(colour.size()), {}};
  for (Index i = 0; i < 40 * 50; ++i) image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
  return image;
}

}  // namespace

TEST_CASE("colour shift: Lab of known colours", "[analysis]") {
  const auto is = [](const std::array<double, 3>& found, double l, double a, double b) {
    CHECK(found[0] == Approx(l).margin(0.05));
    CHECK(found[1] == Approx(a).margin(0.05));
    CHECK(found[2] == Approx(b).margin(0.05));
  };
  is(lab(0, 0, 0), 0, 0, 0);
  is(lab(255, 255, 255), 100, 0, 0);
  is(lab(255, 0, 0), 53.24, 80.09, 67.20);
  is(lab(0, 255, 0), 87.74, -86.18, 83.18);
  is(lab(0, 0, 255), 32.30, 79.19, -107.86);
  is(lab(2, 2, 2), 0.55, 0, 0);  // on the straight part
}

TEST_CASE("colour shift: the distance of plain colours, and nothing of what is small", "[analysis]") {
  CHECK(colour_shift(plain({255, 255, 255}), plain({0, 0, 0})) == Approx(100).margin(1e-3));
  CHECK(colour_shift(plain({50, 60, 70}), plain({50, 60, 70})) == 0);
  CHECK(colour_shift(plain({119}), plain({128})) == Approx(lab(128, 128, 128)[0] - lab(119, 119, 119)[0]));

  Image lines = plain({100, 100, 100});  // thin ones, half of them brighter and half darker
  for (Index i = 0; i < 40; ++i)
    for (Index j = 1; j < 49; ++j)
      for (Index c = 0; c < 3; ++c)
        lines.pixels[static_cast<std::size_t>((i * 50 + j) * 3 + c)] =
            static_cast<std::uint8_t>(j % 2 == 0 ? 120 : 80);
  CHECK(colour_shift(lines, plain({100, 100, 100})) < 0.5);
}

TEST_CASE("colour shift: symmetric, the same bits on all threads, images of one size", "[analysis]") {
  const Image a = random_image(40, 50, 3, 1), b = random_image(40, 50, 3, 2);
  const auto with = [&](int count) {
    const WithThreads threads(count);
    return colour_shift(a, b);
  };
  CHECK(with(1) == with(3));
  CHECK(colour_shift(a, b) == colour_shift(b, a));
  CHECK(message_of<ShapeError>([&] { colour_shift(a, random_image(40, 51, 3)); }) ==
        "colour_shift: 40 x 50 pixels of 3 channels, the truth has 40 x 51 of 3");
}
