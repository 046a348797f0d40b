#include "nlcl/analysis/rain_left.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <vector>

#include "nlcl/synth/rain.hpp"
#include "support/errors.hpp"
#include "support/images.hpp"
#include "support/paths.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Soft blobs and grain, of no direction.
Image dry_scene(Index height, Index width, std::uint64_t seed) {
  Random random(seed);
  Tensor<float> noise({1, height, width, 1});
  for (Index i = 0; i < noise.size(); ++i) noise.mutable_data()[i] = static_cast<float>(random.normal());
  const Tensor<float> blobs = blurred(noise, 6.0);
  Image image{height, width, 1, {}};
  for (Index i = 0; i < noise.size(); ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(
        std::clamp(100 + 800 * blobs.data()[i] + 3 * noise.data()[i], 0.0f, 255.0f)));
  return image;
}

// Part of the way from one image to the other.
Image between(const Image& a, const Image& b, double share) {
  Image result = a;
  for (std::size_t i = 0; i < a.pixels.size(); ++i)
    result.pixels[i] =
        static_cast<std::uint8_t>(std::lround((1 - share) * a.pixels[i] + share * b.pixels[i]));
  return result;
}

// Rows become columns.
Image transposed(const Image& grey) {
  Image result{grey.width, grey.height, 1, {}};
  for (Index j = 0; j < grey.width; ++j)
    for (Index i = 0; i < grey.height; ++i)
      result.pixels.push_back(grey.pixels[static_cast<std::size_t>(i * grey.width + j)]);
  return result;
}

}  // namespace

TEST_CASE("rain left: a bright line on black, by hand", "[analysis]") {
  // Ridges of one upright line: steep all along it, level nowhere but where slanted lines cross it.
  Image line{64, 64, 1, std::vector<std::uint8_t>(64 * 64, 0)};
  for (std::size_t i = 0; i < 64; ++i) line.pixels[i * 64 + 32] = 200;
  CHECK(rain_left(line) > 0.5);
  CHECK(rain_left(transposed(line)) == Approx(-rain_left(line)).margin(1e-6));

  // A dark line has bright sides, and these are no narrow lines.
  for (std::uint8_t& level : line.pixels) level = static_cast<std::uint8_t>(200 - level);
  CHECK(rain_left(line) < 0.1);
  CHECK(rain_left({40, 40, 3, std::vector<std::uint8_t>(4800, 77)}) == 0);
}

TEST_CASE("rain left: the strength of a ridge is its height above the brighter side", "[analysis]") {
  // 10 on the left, 60 in the middle, 30 on the right, all of them wider than the blur.
  Tensor<double> x({1, 40, 40, 1});
  for (Index i = 0; i < x.size(); ++i) {
    const Index column = i % 40;
    x.mutable_data()[i] = column < 18 ? 10 : column < 23 ? 60 : 30;
  }
  const Tensor<double> found = detail::ridges(x, 0, 3.5);
  CHECK(found.data()[20 * 40 + 20] == Approx(30));
  CHECK(found.data()[20 * 40 + 10] == 0);
  CHECK(found.data()[20 * 40 + 30] == 0);
}

TEST_CASE("rain left: nothing in dry scenes, and the more the more rain", "[analysis]") {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    INFO("seed " << seed);
    const Image dry = dry_scene(120, 160, seed);
    CHECK(std::abs(rain_left(dry)) < 0.05);
    Random random(seed);
    const Image rainy = add_rain(dry, render_rain(120, 160, medium_rain, random), medium_rain);
    double before = rain_left(dry);
    for (const double share : {0.25, 0.5, 1.0}) {
      const double now = rain_left(between(dry, rainy, share));
      CHECK(now > before + 0.01);
      before = now;
    }
    CHECK(before > 0.15);
  }
}

TEST_CASE("rain left: contrast does not count, mirrors neither, and a side does", "[analysis]") {
  const Image dry = dry_scene(96, 120, 4);
  Random random(4);
  const Image rainy = add_rain(dry, render_rain(96, 120, medium_rain, random), medium_rain);
  const double rain = rain_left(rainy);
  Image pale = rainy, mirrored = rainy;
  for (std::uint8_t& level : pale.pixels) level = static_cast<std::uint8_t>(level / 2 + 40);
  CHECK(rain_left(pale) == Approx(rain).margin(0.02));
  std::ranges::reverse(mirrored.pixels);
  CHECK(rain_left(mirrored) == Approx(rain).margin(1e-6));
  CHECK(rain_left(transposed(rainy)) == Approx(-rain).margin(1e-6));
}

TEST_CASE("rain left: the bits do not depend on the number of threads", "[analysis]") {
  const Image image = random_image(60, 70, 3);
  const auto with = [&](int count) {
    const WithThreads threads(count);
    return rain_left(image);
  };
  CHECK(with(3) == with(1));
}

TEST_CASE("rain left: what it cannot be asked of", "[analysis]") {
  CHECK(message_of<ShapeError>([] { rain_left(random_image(31, 40, 3)); }) ==
        "rain_left: 31 x 40 pixels, expected at least 32 x 32");
  CHECK(message_of<ShapeError>([] { rain_left(random_image(40, 40, 4)); }) ==
        "rain_left: 4 channels, expected 1 or 3");
}

TEST_CASE("rain left: real scenes, dry and in rendered rain", "[analysis]") {
  const std::filesystem::path folder = shared_path("data/rain12/validation");
  if (!std::filesystem::exists(folder)) {
    WARN("skipped: there is no " << folder);
    return;
  }
  for (const char* name : {"003.png", "008.png"}) {
    INFO(name);
    CHECK(rain_left(read_image(folder / "rainy" / name)) >
          rain_left(read_image(folder / "clean" / name)) + 0.05);
  }
}
