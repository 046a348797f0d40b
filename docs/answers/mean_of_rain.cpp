// The mean of a rain layer by the formula, and of one that is drawn; and the angle of drawn rain by its structure tensor.
#include <cmath>
#include <cstdio>
#include <numbers>

#include "nlcl/synth/rain.hpp"

using namespace nlcl;

double expected_mean(const RainOptions& o) {
  const double gaussian = std::sqrt(2 * std::numbers::pi) / std::sqrt(8 * std::numbers::ln2);
  const double size_squared = 13.0 / 12, distance = 3 / (o.depth * o.depth + o.depth + 1);
  return o.density * 1e-6 * o.brightness * o.length * o.width * gaussian * size_squared * distance;
}

double angle_of(const Tensor<float>& rain) {
  double xx = 0, xy = 0, yy = 0;
  const auto at = [&](Index i, Index j) { return static_cast<double>(rain(0, i, j, 0)); };
  for (Index i = 1; i + 1 < rain.shape()[1]; ++i)
    for (Index j = 1; j + 1 < rain.shape()[2]; ++j) {
      const double x = at(i, j + 1) - at(i, j - 1), y = at(i + 1, j) - at(i - 1, j);
      xx += x * x, xy += x * y, yy += y * y;
    }
  return -0.5 * std::atan2(2 * xy, xx - yy) * 180 / std::numbers::pi;
}

int main() {
  for (const double depth : {1.0, 5.0}) {
    const RainOptions options{.depth = depth, .brightness = 0.02};  // faint, so that nothing is clamped
    Random random(1);
    const Tensor<float> rain = render_rain(1000, 1000, options, random);
    double mean = 0;
    for (const float value : rain.values())
      mean += static_cast<double>(value) / static_cast<double>(rain.size());
    std::printf("depth %g: mean %.4f, expected %.4f\n", depth, mean, expected_mean(options));
  }
  for (const double angle : {-30.0, 8.0, 45.0}) {
    Random random(1);
    const RainOptions options{
        .angle = angle, .spread = 1, .length = 60, .width = 4, .density = 3000, .depth = 1};
    std::printf("angle %3.0f, found %5.1f\n", angle, angle_of(render_rain(500, 500, options, random)));
  }
}
