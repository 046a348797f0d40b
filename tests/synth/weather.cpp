#include "nlcl/synth/weather.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "support/errors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr Index height = 60, width = 80;

// Bright sky over dark ground with some texture, in [-1,1].
Tensor<float> landscape() {
  Tensor<float> scene({1, height, width, 3});
  Random random(3);
  for (Index i = 0; i < scene.size(); ++i) {
    const bool is_sky = i / (3 * width) < height / 2;
    scene.mutable_data()[i] = static_cast<float>(is_sky ? 0.7 : -0.6 + 0.3 * random.uniform());
  }
  return scene;
}

Tensor<float> plain(double light) {
  return Tensor<float>::full({1, height, width, 3}, static_cast<float>(2 * detail::from_linear(light) - 1));
}

Tensor<float> taken(const Tensor<float>& scene, const Weather& weather, std::uint64_t seed = 1) {
  Random random(seed);
  return in_weather(scene, weather, random);
}

double light_of(float value) { return detail::to_linear((static_cast<double>(value) + 1) / 2); }

double farthest_apart(const Tensor<float>& a, const Tensor<float>& b) {
  double most = 0;
  for (Index i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  return most;
}

const RainOptions streaks{.density = 20'000, .brightness = 0.5};

}  // namespace

TEST_CASE("weather: one state of the random numbers, one picture", "[synth]") {
  Random random(5);
  Weather weather = any_weather(random);
  weather.mist = 0.5, weather.photon_noise = 1e-3, weather.jpeg_quality = 80;
  const Tensor<float> scene = landscape(), first = taken(scene, weather);
  CHECK(first.shape() == scene.shape());
  for (const int count : {1, 2, 5}) {
    const WithThreads threads(count);
    CHECK(std::ranges::equal(taken(scene, weather).values(), first.values()));
  }
  CHECK_FALSE(std::ranges::equal(taken(scene, weather, 2).values(), first.values()));
}

TEST_CASE("weather: a dry day without mist and noise is the scene", "[synth]") {
  CHECK(farthest_apart(taken(landscape(), {}), landscape()) < 1e-6);
  CHECK(farthest_apart(taken(landscape(), {.rains = {{.density = 0}}}), landscape()) < 1e-6);
}

TEST_CASE("weather: sRGB there and back", "[synth]") {
  for (const double level : {0.0, 0.02, 0.04045, 0.2, 0.5, 1.0})
    CHECK(detail::from_linear(detail::to_linear(level)) == Approx(level).margin(1e-4));
  CHECK(detail::to_linear(0.5) == Approx(0.214041).margin(1e-6));  // IEC 61966-2-1
  CHECK(detail::to_linear(1) == Approx(1));
}

TEST_CASE("weather: drops bring their light for a share of what is behind them", "[synth]") {
  const Weather weather{.rains = {streaks}, .light = 0.4};
  for (const double behind : {0.0, 0.1, 0.4, 0.9}) {
    const Tensor<float> result = taken(plain(behind), weather);
    Random random(1);
    const Tensor<float> rain = render_rain(height, width, streaks, random);
    for (Index i = 0; i < rain.size(); ++i) {
      const double share = static_cast<double>(rain.data()[i]);
      REQUIRE(light_of(result.data()[3 * i]) == Approx(behind * (1 - share) + 0.4 * share).margin(2e-6));
    }
    const auto [darkest, brightest] = std::ranges::minmax(result.values());
    if (behind < 0.4) CHECK(light_of(brightest) > behind + 0.05);  // bright before what is dark
    if (behind == 0.4) CHECK(brightest - darkest < 1e-5f);         // not seen before what is as bright
    if (behind > 0.4) CHECK(light_of(darkest) < behind - 0.05);    // and dark before the sky
  }
}

TEST_CASE("weather: several rains cover more, at most everything", "[synth]") {
  const auto mean_share = [](int count) {
    const Tensor<float> result = taken(
        plain(0), {.rains = std::vector<RainOptions>(static_cast<std::size_t>(count), streaks), .light = 1});
    double sum = 0;
    for (const float value : result.values()) sum += light_of(value);
    return sum / static_cast<double>(result.size());
  };
  const double one = mean_share(1), two = mean_share(2);
  CHECK(two > 1.3 * one);
  CHECK(two < 2 * one + 0.05);
  CHECK(mean_share(40) <= 1.0);
}

TEST_CASE("weather: mist takes the share of the light that depth says", "[synth]") {
  const Tensor<float> scene = landscape();
  const Weather weather{.mist = 1.3, .airlight = 0.5};
  const Tensor<float> result = taken(scene, weather);
  Random random(1);
  const Tensor<float> depth = plausible_depth(scene, random);
  for (Index i = 0; i < depth.size(); ++i) {
    const double seen = std::exp(-1.3 * static_cast<double>(depth.data()[i]));
    REQUIRE(light_of(result.data()[3 * i + 1]) ==
            Approx(light_of(scene.data()[3 * i + 1]) * seen + 0.5 * (1 - seen)).margin(2e-6));
  }
}

TEST_CASE("weather: the sky is farther than the ground", "[synth]") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Random random(seed);
    const Tensor<float> depth = plausible_depth(landscape(), random);
    const auto [least, most] = std::ranges::minmax(depth.values());
    CHECK(least == 0.0f);
    CHECK(most == Approx(1.0f));
    double sky = 0, ground = 0;
    for (Index i = 0; i < depth.size(); ++i)
      (i < depth.size() / 2 ? sky : ground) += static_cast<double>(depth.data()[i]);
    CHECK(sky > ground);
  }
}

TEST_CASE("weather: noise has the variance of photons and of the camera", "[synth]") {
  for (const double light : {0.1, 0.5}) {
    const Tensor<float> result = taken(plain(light), {.photon_noise = 4e-3, .read_noise = 0.01});
    double sum = 0, square = 0;
    for (const float value : result.values()) {
      const double d = light_of(value) - light;
      sum += d, square += d * d;
    }
    const auto count = static_cast<double>(result.size());
    const double expected = 4e-3 * light + 1e-4;
    CHECK(square / count == Approx(expected).epsilon(5 * std::sqrt(2 / count)));
    CHECK(std::abs(sum / count) < 5 * std::sqrt(expected / count));
  }
}

TEST_CASE("weather: a JPEG is what its encoder makes of the picture", "[synth]") {
  Weather weather{.rains = {streaks}};
  const Image stored = to_image(taken(landscape(), weather));
  weather.jpeg_quality = 70;
  CHECK(to_image(taken(landscape(), weather)).pixels == decode_image(encode_jpeg(stored, 70)).pixels);
}

TEST_CASE("weather: any of it is in range, and all of it comes", "[synth]") {
  std::set<std::size_t> rains;
  int misty = 0, noisy = 0, compressed = 0, gusty = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const Weather weather = any_weather(random);
    rains.insert(weather.rains.size());
    for (const RainOptions& options : weather.rains) CHECK_NOTHROW(check_rain_options(options));
    misty += weather.mist > 0, noisy += weather.photon_noise > 0, compressed += weather.jpeg_quality > 0;
    gusty += weather.rains.front().gust > 0;
    CHECK((weather.light > 0 && weather.light <= 1));
    CHECK((weather.airlight > 0 && weather.airlight <= 1));
    CHECK((weather.jpeg_quality == 0 || (weather.jpeg_quality >= 60 && weather.jpeg_quality <= 96)));
  }
  CHECK(rains == std::set<std::size_t>{1, 2, 3});
  for (const int count : {misty, noisy, compressed, gusty}) CHECK((count > 30 && count < 170));
}

TEST_CASE("weather: another shape is an error", "[synth]") {
  Random random(1);
  CHECK_THROWS_WITH(in_weather(Tensor<float>::zeros({1, 4, 4, 1}), {}, random),
                    Catch::Contains("expects a scene of shape [1,H,W,3], found [1,4,4,1]"));
  CHECK_THROWS_AS(in_weather(Tensor<float>::zeros({2, 4, 4, 3}), {}, random), ShapeError);
  CHECK_THROWS_AS(in_weather(landscape(), {.rains = {{.angle = 90}}}, random), ShapeError);
}
