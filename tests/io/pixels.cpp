#include "nlcl/io/pixels.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support/errors.hpp"
#include "support/images.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("rows are those of the tensor, and of the image of a tensor", "[io]") {
  for (const Index channels : {1, 2, 3, 4}) {
    CAPTURE(channels);
    const Image image = random_image(4, 5, channels, 1), other = random_image(4, 5, channels, 2);
    const Tensor<float> x = to_tensor(image), y = to_tensor(random_image(4, 5, 3, 3));
    Image changed = other;
    for (Index row = 0; row < 4; ++row) {
      std::vector<float> rgb(15);
      read_row(image, row, rgb.data());
      CHECK(std::equal(rgb.begin(), rgb.end(), x.data() + row * 15));
      write_row(changed, row, y.data() + row * 15);
    }
    const Image colour = to_image(y);
    CHECK(changed.pixels == with_alpha_of(channels < 3 ? to_grey(colour) : colour, other).pixels);
  }
  const DeepImage deep{1, 2, 4, {0, 257, 65535, 9, 1, 32768, 3, 8}};
  DeepImage same = deep;
  std::vector<float> colours(6);
  read_row(deep, 0, colours.data());
  CHECK(std::equal(colours.begin(), colours.end(), to_tensor(deep).data()));
  write_row(same, 0, colours.data());
  CHECK(same.pixels == deep.pixels);

  Image image = random_image(1, 1, 3);
  const float bad[3] = {0, NAN, 0}, far[3] = {-7, 0, 7};
  CHECK(message_of<FormatError>([&] { write_row(image, 0, bad); }) ==
        "image: value 1 of row 0 is not a number");
  write_row(image, 0, far);
  CHECK(image.pixels == std::vector<std::uint8_t>{0, 128, 255});
}

TEST_CASE("a part of an image", "[io]") {
  const Image image{2, 3, 2, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};
  CHECK(cropped(image, {1, 0, 2, 2}).pixels == std::vector<std::uint8_t>{2, 3, 4, 5, 8, 9, 10, 11});
  CHECK(cropped(image, {2, 1, 1, 1}).pixels == std::vector<std::uint8_t>{10, 11});
  for (const Region& region : {Region{-1, 0, 1, 1}, {0, 0, 0, 1}, {3, 0, 1, 1}, {1, 0, 3, 1}, {0, 1, 1, 2}})
    CHECK_THROWS_AS(cropped(image, region), ShapeError);
  CHECK(message_of<ShapeError>([&] {
          cropped(image, {1, 0, 3, 1});
        }) == "region: 1,0,3,1 (left,top,width,height), the image is 3 wide and 2 high");
}
