#include "nlcl/pages/layer_pictures.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("rain_picture: black without rain and white from 64 levels on", "[pages]") {
  const Tensor<float> rain({1, 1, 2, 3}, {-1.0f, 0.0f, 0.25f, 0.5f, 0.51f, 3.0f});
  CHECK(rain_picture(rain).pixels == std::vector<std::uint8_t>{0, 0, 128, 255, 255, 255});
}

TEST_CASE("error_picture: four times the difference", "[pages]") {
  const Image a{1, 2, 3, {0, 10, 200, 255, 7, 7}}, b{1, 2, 3, {0, 13, 100, 192, 6, 8}};
  CHECK(error_picture(a, b).pixels == std::vector<std::uint8_t>{0, 12, 255, 252, 4, 4});
  CHECK(error_picture(b, a).pixels == error_picture(a, b).pixels);
  const Image small{1, 1, 3, {1, 2, 3}};
  CHECK(message_of<ShapeError>([&] { error_picture(a, small); }) ==
        "error_picture: 1 x 2 pixels of 3 channels, the truth has 1 x 1 of 3");
}
