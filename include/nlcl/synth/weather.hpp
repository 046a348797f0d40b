// A scene in the rain as a camera takes it. In linear light,
//
//     O = camera( (B t + A (1 - t)) (1 - a) + L a )        t = exp(-beta d)
//
// B is the dry scene, d how far away it is and beta how thick the mist between it and the camera, which has the light A (Koschmieder
// 1924; in rain Hu et al., "Depth-attentional features for single-image rain removal", CVPR 2019). a is the share of the exposure
// in which drops cover a place, and L the light that they bring from all of the scene around: a streak replaces what is behind it in
// part, and is bright before what is dark and hardly seen before the sky (Garg and Nayar, "Vision and rain", IJCV 2007).
// The camera adds the noise of the photons and its own, stores what it got with the gamma of sRGB (IEC 61966-2-1), and as a JPEG.
//
// a is the sum of several rains, each as in synth/rain.hpp: fine and dense far away, streaks, and a few that are near and out of focus,
// hence wide, soft and faint: the same light over more pixels.
//
// How far away things are a single photograph does not say. `plausible_depth` guesses as an eye would that has learned outdoors: what is
// higher in the picture, brighter and smoother is farther. It is good enough for a veil to be learned from, not more.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/gaussian.hpp"
#include "nlcl/core/random.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/synth/rain.hpp"

namespace nlcl {

// Of one photograph.
struct Weather {
  std::vector<RainOptions>
      rains{};              // their brightness is the share of the exposure; veil and airlight are not used
  double light = 0.6;       // L in linear light: 1 is the brightest that the camera stores
  double mist = 0;          // beta where d = 1, which is the farthest of the picture
  double airlight = 0.6;    // A
  double photon_noise = 0;  // variance of it for light 1
  double read_noise = 0;    // deviation of the camera's own
  int jpeg_quality = 0;     // 0: stored as it is
};

// Any weather and camera, for a network that should know all of them.
inline Weather any_weather(Random& random) {
  const auto between = [&](double low, double high) { return low * std::pow(high / low, random.uniform()); };
  const auto happens = [&](double probability) { return random.uniform() < probability; };
  const double angle = 12 * random.normal(), gust = happens(0.3) ? between(2, 20) : 0;
  const auto rain = [&](RainOptions options, double cover) {
    options.angle = std::clamp(angle + 3 * random.normal(), -60.0, 60.0);
    options.gust = gust;
    options.density = std::min(1e6 * cover / (options.length * options.width), 100'000.0);
    return options;
  };

  Weather weather;
  const bool fine = happens(0.6), near = happens(0.4);
  if (fine)
    weather.rains.push_back(rain({.spread = between(0.5, 8),
                                  .length = between(4, 25),
                                  .width = between(0.5, 1.2),
                                  .depth = random.uniform(1, 3),
                                  .brightness = between(0.05, 0.4)},
                                 between(0.1, 2)));
  if (near)
    weather.rains.push_back(rain({.spread = between(0.5, 4),
                                  .length = between(40, 250),
                                  .width = between(4, 16),
                                  .depth = random.uniform(1, 2),
                                  .brightness = between(0.02, 0.2)},
                                 between(0.02, 0.6)));
  if (happens(0.7) || !(fine || near))
    weather.rains.push_back(rain({.spread = between(0.2, 6),
                                  .length = between(8, 100),
                                  .width = between(0.7, 4),
                                  .depth = random.uniform(1, 5),
                                  .brightness = between(0.05, 0.7)},
                                 between(0.03, 1.0)));
  weather.light = between(0.3, 1);
  weather.airlight = between(0.25, 0.9);
  if (happens(0.4)) weather.mist = between(0.1, 2);
  if (happens(0.5)) {
    const double gain = between(1, 16);  // of the sensor, where there is little light
    weather.photon_noise = 2e-4 * gain;
    weather.read_noise = 1e-3 * gain;
  }
  if (happens(0.6)) weather.jpeg_quality = static_cast<int>(std::lround(random.uniform(60, 96)));
  return weather;
}

namespace detail {

// sRGB, both ways, 0 to 1.
inline double to_linear(double level) {
  return level <= 0.04045 ? level / 12.92 : std::pow((level + 0.055) / 1.055, 2.4);
}
inline double from_linear(double light) {
  return light <= 0.0031308 ? 12.92 * light : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
}

inline void check_scene(const Tensor<float>& scene) {
  const Shape& shape = scene.shape();
  require<ShapeError>(shape.rank() == 4 && shape[0] == 1 && shape[3] == 3 && shape.size() > 0,
                      "weather: expects a scene of shape [1,H,W,3], found ", shape);
}

}  // namespace detail

// scene [1,H,W,3] in [-1,1] -> how far away it may be [1,H,W,1], 0 to 1. `random` says how much each of the signs counts.
// Throws ShapeError for another shape.
inline Tensor<float> plausible_depth(const Tensor<float>& scene, Random& random) {
  detail::check_scene(scene);
  const Index height = scene.shape()[1], width = scene.shape()[2];
  Tensor<float> grey({1, height, width, 1});
  float* const levels = grey.mutable_data();
  for (Index i = 0; i < grey.size(); ++i)
    levels[i] = (scene.data()[3 * i] + scene.data()[3 * i + 1] + scene.data()[3 * i + 2]) / 3;
  const double deviation = std::clamp(static_cast<double>(std::min(height, width)) / 12, 1.0, 40.0);
  const Tensor<float> brightness = blurred(grey, deviation);
  for (Index i = 0; i < grey.size(); ++i) levels[i] = std::abs(levels[i] - brightness.data()[i]);
  const Tensor<float> roughness = blurred(grey, deviation);

  const double of_height = random.uniform(0, 1), of_brightness = random.uniform(0, 0.6),
               of_roughness = random.uniform(0, 2);
  Tensor<float> depth({1, height, width, 1});
  float* const to = depth.mutable_data();
  for (Index i = 0; i < depth.size(); ++i) {
    const Index row = i / width;
    const double up = 1 - static_cast<double>(row) / static_cast<double>(height);
    to[i] = static_cast<float>(of_height * up + of_brightness * static_cast<double>(brightness.data()[i]) -
                               of_roughness * static_cast<double>(roughness.data()[i]));
  }
  const auto [least, most] = std::ranges::minmax(depth.values());
  const float range = std::max(most - least, 1e-6f);
  for (Index i = 0; i < depth.size(); ++i) to[i] = (to[i] - least) / range;
  return depth;
}

// What the camera takes of the scene [1,H,W,3], both in [-1,1]. The bits depend on the state of `random`, which moves on, and not on the
// number of threads. Throws ShapeError for another shape and for options that are out of range.
inline Tensor<float> in_weather(const Tensor<float>& scene, const Weather& weather, Random& random) {
  detail::check_scene(scene);
  const Index height = scene.shape()[1], width = scene.shape()[2], pixels = height * width;
  std::vector<double> covered(static_cast<std::size_t>(pixels));
  for (const RainOptions& options : weather.rains) {
    const Tensor<float> rain = render_rain(height, width, options, random);
    std::transform(covered.begin(), covered.end(), rain.data(), covered.begin(),
                   [](double sum, float value) { return std::min(sum + static_cast<double>(value), 1.0); });
  }
  const Tensor<float> depth =
      weather.mist > 0 ? plausible_depth(scene, random) : Tensor<float>::zeros({1, height, width, 1});

  Tensor<float> taken(scene.shape());
  float* const to = taken.mutable_data();
  for (Index i = 0; i < pixels; ++i) {
    const double seen = std::exp(-weather.mist * static_cast<double>(depth.data()[i]));
    const double drops = covered[static_cast<std::size_t>(i)];
    for (Index at = 3 * i; at < 3 * i + 3; ++at) {
      const double dry = detail::to_linear((static_cast<double>(scene.data()[at]) + 1) / 2);
      double light = (dry * seen + weather.airlight * (1 - seen)) * (1 - drops) + weather.light * drops;
      if (weather.photon_noise > 0 || weather.read_noise > 0)
        light += random.normal() *
                 std::sqrt(weather.photon_noise * light + weather.read_noise * weather.read_noise);
      const double level = detail::from_linear(std::clamp(light, 0.0, 1.0));
      to[at] = static_cast<float>(2 * level - 1);
    }
  }
  if (weather.jpeg_quality == 0) return taken;
  return to_tensor(decode_image(encode_jpeg(to_image(taken), weather.jpeg_quality)));
}

}  // namespace nlcl
