#include "nlcl/synth/rain.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <set>
#include <vector>

#include "support/errors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Tensor<float> rain_of(const RainOptions& options, Index height = 400, Index width = 500,
                      std::uint64_t seed = 1) {
  Random random(seed);
  return render_rain(height, width, options, random);
}

bool same_bits(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.values(), b.values());
}

double mean_of(const Tensor<float>& rain) {
  double sum = 0;
  for (const float value : rain.values()) sum += static_cast<double>(value);
  return sum / static_cast<double>(rain.size());
}

// What the model says of the mean before anything is clamped: streaks in a pixel, times the integral of one.
double expected_mean(const RainOptions& o) {
  const double gaussian = std::sqrt(std::numbers::pi / std::numbers::ln2) / 2;  // of half width 1
  const double size_squared = 1 + 1.0 / 12;                                     // uniform in 0.5 .. 1.5
  const double d = o.depth;
  const double distance = d == 1 ? 1 : 3 * (d - 1) / (d * d * d - 1);  // mean of 1/z^2 where z^3 is uniform
  return o.density * 1e-6 * o.brightness * o.length * o.width * gaussian * size_squared * distance;
}

// The structure tensor: how much the image changes along x, along y, and along both.
struct Structure {
  double xx = 0, xy = 0, yy = 0;

  explicit Structure(const Tensor<float>& rain) {
    const Index height = rain.shape()[1], width = rain.shape()[2];
    const auto at = [&](Index y, Index x) { return static_cast<double>(rain.data()[y * width + x]); };
    for (Index y = 1; y + 1 < height; ++y)
      for (Index x = 1; x + 1 < width; ++x) {
        const double dx = at(y, x + 1) - at(y, x - 1), dy = at(y + 1, x) - at(y - 1, x);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
      }
  }

  // Streaks lie across the direction of most change. In degrees from straight down, positive to the right.
  double angle() const { return -0.5 * std::atan2(2 * xy, xx - yy) * 180 / std::numbers::pi; }
  // 1 when all change is in one direction, 0 when it is in all.
  double coherence() const { return std::hypot(xx - yy, 2 * xy) / (xx + yy); }
};

// The shift at which the image is correlated with itself by half, in pixels: across (0, 1) or down (1, 0).
double correlation_length(const Tensor<float>& rain, Index down, Index across) {
  const Index height = rain.shape()[1], width = rain.shape()[2];
  const double mean = mean_of(rain);
  const auto covariance = [&](Index shift) {
    double sum = 0;
    for (Index y = 0; y + down * shift < height; ++y)
      for (Index x = 0; x + across * shift < width; ++x)
        sum += (static_cast<double>(rain.data()[y * width + x]) - mean) *
               (static_cast<double>(rain.data()[(y + down * shift) * width + x + across * shift]) - mean);
    return sum / static_cast<double>((height - down * shift) * (width - across * shift));
  };
  const double half = covariance(0) / 2;
  double before = covariance(0);
  for (Index shift = 1; shift < 100; ++shift) {
    const double here = covariance(shift);
    if (here < half) return static_cast<double>(shift) - (half - here) / (before - here);
    before = here;
  }
  return 100;
}

constexpr RainOptions plain_rain{.angle = 0, .spread = 0, .depth = 1, .brightness = 0.1, .veil = 0};

}  // namespace

TEST_CASE("rain: one state of the random numbers, one rain", "[synth]") {
  const Tensor<float> rain = rain_of(medium_rain);
  CHECK(rain.shape() == Shape{1, 400, 500, 1});
  for (const int count : {1, 2, 3, 7}) {
    const WithThreads threads(count);
    CHECK(same_bits(rain_of(medium_rain), rain));
  }
  CHECK_FALSE(same_bits(rain_of(medium_rain, 400, 500, 2), rain));

  Random random(1);
  CHECK(same_bits(render_rain(400, 500, medium_rain, random), rain));
  CHECK_FALSE(same_bits(render_rain(400, 500, medium_rain, random), rain));
}

TEST_CASE("rain: from none to white", "[synth]") {
  CHECK(std::ranges::min(rain_of(medium_rain).values()) >= 0.0f);
  CHECK(std::ranges::max(rain_of({.density = 100'000, .depth = 1, .brightness = 1}).values()) == 1.0f);
  CHECK(std::ranges::max(rain_of({.density = 0}).values()) == 0.0f);
  CHECK(std::ranges::max(rain_of({.brightness = 0}).values()) == 0.0f);
}

TEST_CASE("rain: any size", "[synth]") {
  for (const Index height : {1, 31, 32, 33, 64})
    for (const Index width : {1, 2, 50})
      CHECK(rain_of(heavy_rain, height, width).shape() == Shape{1, height, width, 1});
}

TEST_CASE("rain: the mean brightness is that of the model", "[synth]") {
  const auto check = [](const RainOptions& options) {
    CAPTURE(options.length, options.width, options.density, options.depth, options.brightness);
    CHECK(mean_of(rain_of(options, 600, 800)) == Approx(expected_mean(options)).epsilon(0.07));
  };
  RainOptions options = plain_rain;
  check(options);
  for (const double density : {3'000.0, 30'000.0}) check({.density = density, .brightness = 0.05});
  for (const double length : {10.0, 80.0}) check({.length = length, .brightness = 0.05});
  for (const double width : {0.5, 4.0}) check({.width = width, .brightness = 0.05});
  for (const double depth : {2.0, 8.0}) check({.depth = depth, .brightness = 0.05});
  for (const double angle : {-60.0, 60.0}) check({.angle = angle, .spread = 15, .brightness = 0.05});

  // The same streaks, half as bright.
  options.brightness /= 2;
  CHECK(mean_of(rain_of(options)) == Approx(mean_of(rain_of(plain_rain)) / 2));
}

TEST_CASE("rain: gusts turn streaks, from place to place", "[synth]") {
  const auto angles = [](double gust) {
    std::vector<double> found;
    RainOptions options = plain_rain;
    options.gust = gust, options.density = 40'000;
    const Tensor<float> rain = rain_of(options, 1200, 1200);
    for (Index top = 0; top < 1200; top += 200)
      for (Index left = 0; left < 1200; left += 200) {
        Tensor<float> part({1, 200, 200, 1});
        for (Index y = 0; y < 200; ++y)
          std::copy_n(rain.data() + (top + y) * 1200 + left, 200, part.mutable_data() + y * 200);
        found.push_back(Structure(part).angle());
      }
    return found;
  };
  const auto [least, most] = std::ranges::minmax(angles(20));
  CHECK(most - least > 6);
  CHECK(most < 21);
  CHECK(least > -21);
  const auto [least_calm, most_calm] = std::ranges::minmax(angles(0));
  CHECK(most_calm - least_calm < 2);
}

TEST_CASE("rain: the border is as wet as the middle", "[synth]") {
  for (const double angle : {0.0, 45.0}) {
    double border = 0, middle = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const Tensor<float> rain = rain_of({.angle = angle, .brightness = 0.1}, 100, 100, seed);
      for (Index i = 0; i < 100; ++i)
        for (const Index edge : {0, 99}) {
          border += static_cast<double>(rain(0, i, edge, 0)) + static_cast<double>(rain(0, edge, i, 0));
          middle += static_cast<double>(rain(0, i, 50, 0)) + static_cast<double>(rain(0, 50, i, 0));
        }
    }
    CHECK(border == Approx(middle).epsilon(0.1));
  }
}

TEST_CASE("rain: streaks lie at the angle", "[synth]") {
  for (const double angle : {-60.0, -30.0, -5.0, 0.0, 10.0, 45.0, 60.0}) {
    const Structure structure(
        rain_of({.angle = angle, .spread = 0, .length = 60, .width = 8, .density = 2000, .depth = 1}));
    CAPTURE(angle);
    CHECK(structure.angle() == Approx(angle).margin(1));
    CHECK(structure.coherence() > 0.9);
  }
}

TEST_CASE("rain: angles differ by the spread", "[synth]") {
  double before = 1;
  for (const double spread : {0.0, 5.0, 15.0}) {
    const Structure structure(
        rain_of({.angle = 20, .spread = spread, .length = 60, .width = 8, .density = 2000, .depth = 1}));
    CHECK(structure.coherence() < before);
    before = structure.coherence();
    CHECK(structure.angle() == Approx(20).margin(2));
  }
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    const detail::Streak streak = detail::random_streak(random, {.angle = 20, .spread = 5});
    CHECK(std::abs(std::asin(streak.sine) * 180 / std::numbers::pi - 20) <= 5.0001);
  }
}

TEST_CASE("rain: streaks have the length and the width", "[synth]") {
  const detail::Streak streak{.half_length = 30, .brightness = 0.5, .across = 2, .along = 10};
  CHECK(streak.value(0, 0) == Approx(0.5).epsilon(0.01));
  CHECK(streak.value(30, 0) == Approx(0.25));
  CHECK(streak.value(-30, 0) == Approx(0.25));
  CHECK(streak.value(0, 2 * std::sqrt(2 * std::numbers::ln2)) == Approx(0.25).epsilon(0.01));

  const auto down = [](double length) {
    return correlation_length(rain_of({.angle = 0, .spread = 0, .length = length, .depth = 1}), 1, 0);
  };
  CHECK(down(80) / down(40) == Approx(2).epsilon(0.1));
  const auto across = [](double width) {
    return correlation_length(rain_of({.angle = 0, .spread = 0, .width = width, .density = 5000, .depth = 1}),
                              0, 1);
  };
  CHECK(across(8) / across(4) == Approx(2).epsilon(0.1));
}

TEST_CASE("rain: far streaks are many, short, thin and faint", "[synth]") {
  Random random(1);
  int far = 0;
  const int count = 10'000;
  double longest = 0, shortest = 1000, thinnest = 1000;
  for (int i = 0; i < count; ++i) {
    const detail::Streak streak = detail::random_streak(random, {.length = 100, .width = 1, .depth = 4});
    longest = std::max(longest, 2 * streak.half_length);
    shortest = std::min(shortest, 2 * streak.half_length);
    far +=
        2 * streak.half_length < 100 * std::sqrt(1.5) / 2;  // all beyond distance 2, and some that are small
    thinnest = std::min(thinnest, streak.across);
  }
  CHECK(longest == Approx(100 * std::sqrt(1.5)).epsilon(0.05));
  CHECK(shortest == Approx(100 * std::sqrt(0.5) / 4).epsilon(0.02));
  CHECK(thinnest >= std::sqrt(1.0 / 12));
  CHECK(far > count * 56 / 63);
}

TEST_CASE("rain: presets", "[synth]") {
  for (const RainOptions& preset : {light_rain, medium_rain, heavy_rain})
    CHECK_NOTHROW(check_rain_options(preset));
  CHECK(2 * mean_of(rain_of(light_rain)) < mean_of(rain_of(medium_rain)));
  CHECK(2 * mean_of(rain_of(medium_rain)) < mean_of(rain_of(heavy_rain)));
}

TEST_CASE("rain: random options", "[synth]") {
  Random random(1), again(1);
  std::set<double> angles, densities;
  for (int i = 0; i < 200; ++i) {
    const RainOptions options = random_rain_options(random, heavy_rain),
                      same = random_rain_options(again, heavy_rain);
    CHECK_NOTHROW(check_rain_options(options));
    CHECK(std::abs(options.angle - heavy_rain.angle) <= 25);
    CHECK(options.density >= heavy_rain.density / 2);
    CHECK(options.density <= heavy_rain.density * 2);
    CHECK(options.depth == heavy_rain.depth);
    for (const RainOptionInfo& info : rain_option_table) CHECK(options.*info.value == same.*info.value);
    angles.insert(options.angle);
    densities.insert(options.density);
  }
  CHECK(angles.size() == 200);
  CHECK(densities.size() == 200);

  RainOptions highest;
  for (const RainOptionInfo& info : rain_option_table) highest.*info.value = info.highest;
  for (int i = 0; i < 20; ++i) CHECK_NOTHROW(check_rain_options(random_rain_options(random, highest)));
}

TEST_CASE("rain: any at all", "[synth]") {
  Random random(1), again(1);
  std::vector<double> means;
  for (int i = 0; i < 200; ++i) {
    const RainOptions options = any_rain_options(random), same = any_rain_options(again);
    CHECK_NOTHROW(check_rain_options(options));
    CHECK(options.veil == 0);
    for (const RainOptionInfo& info : rain_option_table) CHECK(options.*info.value == same.*info.value);
    if (i < 40) means.push_back(mean_of(render_rain(64, 64, options, random)));
    if (i < 40) render_rain(64, 64, same, again);
  }
  std::ranges::sort(means);
  CHECK(means[4] < 0.005);  // from nearly none
  CHECK(means[35] > 0.05);  // to a lot
}

TEST_CASE("rain: added to an image", "[synth]") {
  const Tensor<float> rain({1, 1, 3, 1}, {0, 0.2f, 1});
  const RainOptions dry{.veil = 0}, misty{.veil = 0.5, .airlight = 0.8}, mist{.veil = 1, .airlight = 0.8};
  using Pixels = std::vector<std::uint8_t>;

  SECTION("colour") {
    const Image image{1, 3, 3, {0, 100, 255, 0, 100, 255, 0, 100, 255}};
    CHECK(add_rain(image, rain, dry).pixels == Pixels{0, 100, 255, 51, 151, 255, 255, 255, 255});
    CHECK(add_rain(image, rain, mist).pixels == Pixels(9, 204));
    // The rain is behind the veil, too: (200 + 51) / 2 + 204 / 2.
    const Image bright{1, 3, 1, {200, 200, 200}};
    CHECK(add_rain(bright, rain, misty).pixels == Pixels{202, 228, 255});
  }
  SECTION("grey, with and without alpha") {
    CHECK(add_rain({1, 3, 1, {7, 7, 7}}, rain, dry).pixels == Pixels{7, 58, 255});
    const Image result = add_rain({1, 3, 2, {7, 1, 7, 2, 7, 3}}, rain, misty);
    CHECK(result.channels == 2);
    CHECK(result.pixels == Pixels{106, 1, 131, 2, 233, 3});
  }
  SECTION("colour with alpha") {
    const Image image{1, 3, 4, {0, 0, 0, 9, 1, 2, 3, 8, 0, 0, 0, 7}};
    CHECK(add_rain(image, rain, dry).pixels == Pixels{0, 0, 0, 9, 52, 53, 54, 8, 255, 255, 255, 7});
  }
  SECTION("the layer as an image") {
    const Image layer = rain_to_image(rain);
    CHECK(layer.channels == 1);
    CHECK(layer.pixels == Pixels{0, 51, 255});
  }
}

TEST_CASE("rain: options and sizes that cannot be", "[synth]") {
  Random random(1);
  const auto message = [&](const RainOptions& options) {
    return message_of<ShapeError>([&] { render_rain(9, 9, options, random); });
  };
  CHECK(message({.angle = 61}) == "rain: angle 61, expected -60 to 60");
  CHECK(message({.density = -1}) == "rain: density -1, expected 0 to 100000");
  for (const auto& [name, value, lowest, highest, meaning] : rain_option_table)
    for (const double wrong : {lowest - 0.01, highest + 0.01, std::numeric_limits<double>::quiet_NaN()}) {
      RainOptions options;
      options.*value = wrong;
      CHECK_THAT(message(options),
                 Catch::StartsWith(text("rain: ", name, ' ')) && Catch::Contains("expected"));
      CHECK_THROWS_AS(random_rain_options(random, options), ShapeError);
      CHECK_THROWS_AS(add_rain({1, 1, 1, {0}}, Tensor<float>::zeros({1, 1, 1, 1}), options), ShapeError);
    }
  CHECK(message_of<ShapeError>([&] { render_rain(0, 9, medium_rain, random); }) ==
        "rain: 0 x 9 pixels, expected at least 1 x 1");
  CHECK_THROWS_AS(render_rain(9, -1, medium_rain, random), ShapeError);

  const Image image{2, 3, 1, std::vector<std::uint8_t>(6)};
  CHECK(message_of<ShapeError>([&] {
          add_rain(image, Tensor<float>::zeros({1, 3, 2, 1}), medium_rain);
        }) == "rain: 3 x 2 pixels, the image has 2 x 3");
  CHECK(message_of<ShapeError>([&] {
          rain_to_image(Tensor<float>::zeros({1, 2, 3, 3}));
        }) == "rain: expects a layer of shape [1,H,W,1], found [1,2,3,3]");
  CHECK_THROWS_AS(rain_to_image(Tensor<float>()), ShapeError);
}
