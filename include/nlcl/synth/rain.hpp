// Rain drawn on a photograph, so that the clean layer of a rainy image is known: O = (B + R)(1 - v) + v A.
//
// While the shutter is open a drop moves along a line, and is seen as a streak (Garg and Nayar, "Vision and
// rain", IJCV 2007). A drop of size s falls at a speed that grows as sqrt(s), so at distance z its streak has
//
//   width = w s / z      length = l sqrt(s) / z      brightness = b sqrt(s)
//
// the last because the drop covers a point for a time that grows as s / sqrt(s). Drops are everywhere alike,
// and the volume that the camera sees up to z grows as z^3: few are near, most are far. Those too far to be
// seen singly are mist, a veil v with a light A of its own (Li, Cheong and Tan, "Heavy rain image
// restoration", CVPR 2019). Wind turns streaks from place to place.
//
// What a camera makes of rain and scene together is in synth/weather.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/random.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image.hpp"

namespace nlcl {

// Medium rain, as it looks in a photograph of 500 to 1000 pixels. Units and ranges are in the table below.
struct RainOptions {
  double angle = 8;
  double spread = 2;
  double gust = 0;
  double length = 35;
  double width = 1.5;
  double density = 15'000;
  double depth = 5;
  double brightness = 0.35;
  double veil = 0.1;
  double airlight = 0.8;
};

inline constexpr RainOptions light_rain{.length = 40, .density = 3000, .depth = 4, .veil = 0.03};
inline constexpr RainOptions medium_rain{};
inline constexpr RainOptions heavy_rain{.length = 30, .width = 2, .density = 40'000, .veil = 0.25};

struct RainOptionInfo {
  const char* name;
  double RainOptions::*value;
  double lowest, highest;
  const char* meaning;
};
inline constexpr RainOptionInfo rain_option_table[] = {
    {"angle", &RainOptions::angle, -60, 60, "degrees from straight down, positive to the right"},
    {"spread", &RainOptions::spread, 0, 15, "degrees by which a streak differs from it at most"},
    {"gust", &RainOptions::gust, 0, 30, "degrees by which the wind turns it from place to place, at most"},
    {"length", &RainOptions::length, 1, 1000, "pixels, of the streak of a typical drop nearby"},
    {"width", &RainOptions::width, 0.1, 50, "pixels, of the same streak at half its brightness"},
    {"density", &RainOptions::density, 0, 100'000, "streaks in a million pixels"},
    {"depth", &RainOptions::depth, 1, 20, "the farthest drops are so many times as far as the nearest"},
    {"brightness", &RainOptions::brightness, 0, 1, "of the typical streak, 1 adds full white"},
    {"veil", &RainOptions::veil, 0, 1, "fraction of the light that comes from mist"},
    {"airlight", &RainOptions::airlight, 0, 1, "brightness of the mist, 1 is white"},
};

// Throws ShapeError for a value that is out of its range.
inline void check_rain_options(const RainOptions& options) {
  for (const auto& [name, value, lowest, highest, meaning] : rain_option_table)
    require<ShapeError>(options.*value >= lowest && options.*value <= highest, "rain: ", name, ' ',
                        options.*value, ", expected ", lowest, " to ", highest);
}

// Another rain of the same kind, for a training set in which every image has its own.
inline RainOptions random_rain_options(Random& random, RainOptions options = medium_rain) {
  check_rain_options(options);
  const auto vary = [&](double& value, double factor) { value *= std::pow(factor, random.uniform(-1, 1)); };
  options.angle += random.uniform(-25, 25);
  vary(options.length, 1.6);
  vary(options.width, 1.3);
  vary(options.density, 2);
  vary(options.brightness, 1.3);
  vary(options.veil, 2);
  for (const auto& [name, value, lowest, highest, meaning] : rain_option_table)
    options.*value = std::clamp(options.*value, lowest, highest);
  return options;
}

// Any rain at all, for a network that should know all of them: from fine drizzle to a few wide streaks nearby.
inline RainOptions any_rain_options(Random& random) {
  const auto between = [&](double low, double high) { return low * std::pow(high / low, random.uniform()); };
  RainOptions options{.angle = random.uniform(-40, 40),
                      .spread = between(0.2, 6),
                      .length = between(6, 100),
                      .width = between(0.7, 4),
                      .depth = random.uniform(1, 5),
                      .brightness = between(0.08, 0.8),
                      .veil = 0};
  // How much of the picture typical streaks would cover if none were farther than the nearest.
  const double cover = between(0.03, 1.2);
  options.density = std::min(1e6 * cover / (options.length * options.width), 100'000.0);
  return options;
}

namespace detail {

// By how much the wind turns streaks at a place, in -1 .. 1: four waves in any direction, each of 200 to 1000 pixels.
class Gusts {
 public:
  explicit Gusts(Random& random) {
    for (Wave& wave : waves_) {
      const double direction = random.uniform(0, 2 * std::numbers::pi);
      const double frequency = 2 * std::numbers::pi / (200 * std::pow(5, random.uniform()));
      wave = {frequency * std::cos(direction), frequency * std::sin(direction),
              random.uniform(0, 2 * std::numbers::pi)};
    }
  }

  double operator()(double x, double y) const {
    double sum = 0;
    for (const Wave& wave : waves_) sum += std::sin(wave.across * x + wave.down * y + wave.phase);
    return sum / 4;
  }

 private:
  struct Wave {
    double across = 0, down = 0, phase = 0;
  };
  std::array<Wave, 4> waves_;
};

// A Gaussian drop, moved along a line; half of its brightness is left at the ends, which are soft.
struct Streak {
  double x = 0, y = 0;          // the middle, in pixels
  double sine = 0, cosine = 1;  // of the angle from straight down, below 90 degrees
  double half_length = 0, brightness = 0;
  double across = 1, along = 1;  // deviations in pixels

  // By an angle in degrees, to at most 75 from straight down.
  void turn(double degrees) {
    constexpr double most = 75 * std::numbers::pi / 180;
    const double angle = std::clamp(std::asin(sine) + degrees * std::numbers::pi / 180, -most, most);
    sine = std::sin(angle), cosine = std::cos(angle);
  }

  // Adds rows top to bottom-1 to an image of `columns`; beyond four deviations there is nothing to see.
  void draw(float* rain, Index columns, Index top, Index bottom) const {
    const double rows = (half_length + 4 * along) * cosine + 4 * across * std::abs(sine);
    top = std::max(top, static_cast<Index>(std::ceil(y - rows)));
    bottom = std::min(bottom, static_cast<Index>(std::floor(y + rows)) + 1);
    for (Index row = top; row < bottom; ++row) {
      const double dy = static_cast<double>(row) - y;
      const double middle = x + dy * sine / cosine, reach = 4 * across / cosine;
      const auto begin = std::max(Index{0}, static_cast<Index>(std::ceil(middle - reach)));
      const auto end = std::min(columns, static_cast<Index>(std::floor(middle + reach)) + 1);
      for (Index column = begin; column < end; ++column) {
        const double dx = static_cast<double>(column) - x;
        rain[row * columns + column] +=
            static_cast<float>(value(dx * sine + dy * cosine, dx * cosine - dy * sine));
      }
    }
  }

  // At u along and v across, from the middle: the Gaussian, integrated over the way of the drop.
  double value(double u, double v) const {
    const double unit = 1 / (std::numbers::sqrt2 * along);
    const double covered = (std::erf((u + half_length) * unit) - std::erf((u - half_length) * unit)) / 2;
    return brightness * covered * std::exp(-v * v / (2 * across * across));
  }
};

inline Streak random_streak(Random& random, const RainOptions& options) {
  const double angle = (options.angle + options.spread * random.uniform(-1, 1)) * std::numbers::pi / 180;
  const double distance = std::cbrt(random.uniform(1, std::pow(options.depth, 3)));
  const double size = random.uniform(0.5, 1.5), speed = std::sqrt(size);
  Streak streak{.sine = std::sin(angle), .cosine = std::cos(angle)};
  streak.half_length = options.length * speed / distance / 2;

  // A pixel collects light over its area, which widens a streak by the variance of a square, 1/12, and
  // makes a thin one faint.
  const double deviation = options.width * size / distance / std::sqrt(8 * std::numbers::ln2);
  streak.across = std::sqrt(deviation * deviation + 1.0 / 12);
  streak.along = std::hypot(streak.across, streak.half_length / 3);
  streak.brightness = options.brightness * speed * deviation / streak.across;
  return streak;
}

}  // namespace detail

// The rain layer [1,H,W,1], 0 without rain, at most 1. Its bits depend on the state of `random`, which moves
// on, and not on the number of threads. Throws ShapeError for a side below 1 and for options out of range.
inline Tensor<float> render_rain(Index height, Index width, const RainOptions& options, Random& random) {
  require<ShapeError>(height > 0 && width > 0, "rain: ", height, " x ", width,
                      " pixels, expected at least 1 x 1");
  check_rain_options(options);

  // From as far as this a streak reaches into the image.
  const double margin = 1.5 * options.length + 4 * (options.width + 1);
  const double bottom = static_cast<double>(height) + margin, right = static_cast<double>(width) + margin;
  const double count = options.density * 1e-6 * (bottom + margin) * (right + margin);
  std::vector<detail::Streak> streaks(static_cast<std::size_t>(std::lround(count)));
  for (detail::Streak& streak : streaks) {
    streak = detail::random_streak(random, options);
    streak.x = random.uniform(-margin, right);
    streak.y = random.uniform(-margin, bottom);
  }
  if (options.gust > 0) {
    const detail::Gusts gusts(random);
    for (detail::Streak& streak : streaks) streak.turn(options.gust * gusts(streak.x, streak.y));
  }

  Tensor<float> rain = Tensor<float>::zeros({1, height, width, 1});
  float* const values = rain.mutable_data();
  parallel_blocks(height, 32, [&](Index begin, Index end) {
    for (const detail::Streak& streak : streaks) streak.draw(values, width, begin, end);
    for (Index i = begin * width; i < end * width; ++i) values[i] = std::min(values[i], 1.0f);
  });
  return rain;
}

namespace detail {

inline void check_rain(const Tensor<float>& rain) {
  const Shape& shape = rain.shape();
  require<ShapeError>(shape.rank() == 4 && shape[0] == 1 && shape[3] == 1 && shape.size() > 0,
                      "rain: expects a layer of shape [1,H,W,1], found ", shape);
}

inline std::uint8_t level(double value) {
  return static_cast<std::uint8_t>(std::lrint(255 * std::clamp(value, 0.0, 1.0)));
}

}  // namespace detail

// O = (B + R)(1 - v) + v A at one place, all from 0 to 1; what is above white is white.
inline double in_rain(double background, double rain, const RainOptions& options) {
  return std::min((background + rain) * (1 - options.veil) + options.airlight * options.veil, 1.0);
}

// The photograph in the rain and behind the veil; grey stays grey, and alpha as it is. Throws ShapeError for
// a layer of another size and for options out of range.
inline Image add_rain(const Image& clean, const Tensor<float>& rain, const RainOptions& options) {
  detail::check_image(clean);
  detail::check_rain(rain);
  check_rain_options(options);
  require<ShapeError>(rain.shape()[1] == clean.height && rain.shape()[2] == clean.width,
                      "rain: ", rain.shape()[1], " x ", rain.shape()[2], " pixels, the image has ",
                      clean.height, " x ", clean.width);
  const auto channels = static_cast<std::size_t>(clean.channels);
  const auto colours = static_cast<std::size_t>(clean.channels - clean.has_alpha());
  Image rainy = clean;
  for (std::size_t i = 0; i < rainy.pixels.size(); ++i) {
    if (i % channels == colours) continue;
    const double rain_here = static_cast<double>(rain.data()[i / channels]);
    rainy.pixels[i] = detail::level(in_rain(clean.pixels[i] / 255.0, rain_here, options));
  }
  return rainy;
}

// The rain layer as a grey image, 255 where it is 1.
inline Image rain_to_image(const Tensor<float>& rain) {
  detail::check_rain(rain);
  Image image{rain.shape()[1], rain.shape()[2], 1, {}};
  for (const float value : rain.values()) image.pixels.push_back(detail::level(static_cast<double>(value)));
  return image;
}

}  // namespace nlcl
