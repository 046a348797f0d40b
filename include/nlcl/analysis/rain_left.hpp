// How much rain is left in a photograph, by what it shows alone.
//
// Rain is seen as narrow bright lines, more or less upright. A scene has such lines too, and those of its texture and noise
// run in all directions alike. So lines are looked for in all directions, at two widths, and the steep ones, within 45
// degrees of the upright, are compared with the level ones:
//
//     rain_left = (S - L) / (S + L)        S, L: sums over all pixels of sqrt(steep) and of sqrt(level)
//
// 0: as much of the one as of the other; 1: nothing but steep lines. A mirrored picture has the same value, and one on its
// side the same with the other sign. Contrast is no part of it, so what is paler does not count as drier.
//
// How much of a line of an angle there is at a place, in levels: m, the mean of the luminance Y along 17 pixels of it, less
// the brighter of the means on both sides,
//
//     ridge = max(min(m - m_left, m - m_right), 0)        steep, level: the largest ridge over eight angles each
//
// at which Y is blurred by a deviation s of 0.7 and of 1.4 pixels, and a side is 2.5 s away. The root gives weight to many
// faint streaks and takes it from a few posts and branches. The figure is our own; chapter 14 says how well it agrees with
// the truth where one is known.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "nlcl/analysis/metrics.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/gaussian.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/reduce.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image.hpp"

namespace nlcl {

namespace detail {

// y(i, j) = x(i + down, j + right), between pixels by bilinear interpolation, beyond the border the pixel there; [1,H,W,1].
inline Tensor<double> moved(const Tensor<double>& x, double down, double right) {
  const Index height = x.shape()[1], width = x.shape()[2];
  const double top = std::floor(down), left = std::floor(right);
  const double lower = down - top, righter = right - left;
  Tensor<double> y(x.shape());
  double* const to = y.mutable_data();
  parallel_for(height, [&](Index i) {
    const auto row = [&](Index k) {
      return x.data() + std::clamp<Index>(i + static_cast<Index>(top) + k, 0, height - 1) * width;
    };
    const double *const above = row(0), *const below = row(1);
    const auto between_rows = [&](Index j) {
      j = std::clamp<Index>(j + static_cast<Index>(left), 0, width - 1);
      return (1 - lower) * above[j] + lower * below[j];
    };
    for (Index j = 0; j < width; ++j)
      to[i * width + j] = (1 - righter) * between_rows(j) + righter * between_rows(j + 1);
  });
  return y;
}

struct LineWidth {
  double blur;  // deviation in pixels
  double side() const { return 2.5 * blur; }
};
inline constexpr std::array<LineWidth, 2> line_widths{{{0.7}, {1.4}}};
inline constexpr int line_reach = 8;  // pixels from the middle of a line to its end

// The ridges of an angle from straight down, in x that has been blurred.
inline Tensor<double> ridges(const Tensor<double>& x, double angle, double side) {
  const double sine = std::sin(angle), cosine = std::cos(angle);
  Tensor<double> mean = Tensor<double>::zeros(x.shape());
  for (int along = -line_reach; along <= line_reach; ++along) {
    const Tensor<double> sample = moved(x, along * cosine, along * sine);
    double* const m = mean.mutable_data();
    for (Index i = 0; i < mean.size(); ++i) m[i] += sample.data()[i] / (2 * line_reach + 1);
  }
  const Tensor<double> left = moved(mean, side * sine, -side * cosine);
  const Tensor<double> right = moved(mean, -side * sine, side * cosine);
  double* const m = mean.mutable_data();
  for (Index i = 0; i < mean.size(); ++i) {
    const double ridge = std::min(m[i] - left.data()[i], m[i] - right.data()[i]);
    m[i] = ridge > 1e-3 ? ridge : 0;  // less is rounding
  }
  return mean;
}

}  // namespace detail

inline constexpr Index rain_left_side = 32;  // pixels that a side of an image has at least

// RGB or grey. 0 for an image without any lines. Throws ShapeError for other channels and for smaller sides. The bits do not
// depend on the number of threads.
inline double rain_left(const Image& image) {
  detail::check_image(image);
  require<ShapeError>(image.channels == 1 || image.channels == 3, "rain_left: ", image.channels,
                      " channels, expected 1 or 3");
  require<ShapeError>(std::min(image.height, image.width) >= rain_left_side, "rain_left: ", image.height,
                      " x ", image.width, " pixels, expected at least ", rain_left_side, " x ",
                      rain_left_side);
  constexpr int angles = 16;
  const Tensor<double> y({1, image.height, image.width, 1}, detail::y_of(image));
  double steep = 0, level = 0;
  for (const detail::LineWidth& width : detail::line_widths) {
    const Tensor<double> soft = blurred(y, width.blur);
    std::array<Tensor<double>, 2> largest{Tensor<double>::zeros(y.shape()), Tensor<double>::zeros(y.shape())};
    for (int k = 0; k < angles; ++k) {
      const double angle = ((k + 0.5) / angles - 0.5) * std::numbers::pi;
      const Tensor<double> found = detail::ridges(soft, angle, width.side());
      Tensor<double>& of_kind = largest[std::abs(angle) < std::numbers::pi / 4 ? 0 : 1];
      double* const to = of_kind.mutable_data();
      for (Index i = 0; i < y.size(); ++i) to[i] = std::max(to[i], found.data()[i]);
    }
    const auto sum = [&](const Tensor<double>& x) {
      return ordered_sum(x.size(), [&](Index i) { return std::sqrt(x.data()[i]); });
    };
    steep += sum(largest[0]);
    level += sum(largest[1]);
  }
  return steep + level > 0 ? (steep - level) / (steep + level) : 0;
}

}  // namespace nlcl
