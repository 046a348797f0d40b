// How far the colours of a result are from those of its input, apart from everything small: a network that takes off the rain
// should not repaint the scene.
//
//     colour_shift = mean over pixels of | Lab(a) - Lab(b) |, both seen through a Gaussian of 16 pixels
//
// Lab is CIE L*a*b* of sRGB under its own white, D65 (CIE 15, IEC 61966-2-1). A difference of 1 in it is hardly seen, one of
// 10 at once. The Gaussian lets streaks pass, and keeps what changes over wide areas: brightness, tint, haze.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "nlcl/analysis/metrics.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/gaussian.hpp"
#include "nlcl/core/reduce.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image.hpp"

namespace nlcl {

// L*, a*, b* of levels from 0 to 255.
inline std::array<double, 3> lab(double red, double green, double blue) {
  const auto linear = [](double level) {
    const double v = level / 255;
    return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  };
  const double r = linear(red), g = linear(green), b = linear(blue);
  const auto f = [](double t) { return t > 216.0 / 24389 ? std::cbrt(t) : (24389.0 / 27 * t + 16) / 116; };
  // Each sum of weights is the white's X, Y or Z, which is divided by.
  const double x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const double y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const double z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

// RGB or grey, both of one size; symmetric. Throws ShapeError otherwise. The bits do not depend on the number of threads.
inline double colour_shift(const Image& a, const Image& b) {
  detail::check_metric("colour_shift", a, b);
  constexpr double deviation = 16;  // pixels
  const auto wide_colours = [](const Image& image) {
    Tensor<double> colours({1, image.height, image.width, 3});
    double* to = colours.mutable_data();
    const auto channels = static_cast<std::size_t>(image.channels), g = channels / 3, blue = 2 * g;
    for (std::size_t i = 0; i < image.pixels.size(); i += channels)
      for (const double value : lab(image.pixels[i], image.pixels[i + g], image.pixels[i + blue]))
        *to++ = value;
    return blurred(colours, deviation);
  };
  const Tensor<double> first = wide_colours(a), second = wide_colours(b);
  const double *const x = first.data(), *const y = second.data();
  const Index pixels = a.height * a.width;
  return ordered_sum(pixels,
                     [&](Index i) {
                       return std::hypot(x[3 * i] - y[3 * i], x[3 * i + 1] - y[3 * i + 1],
                                         x[3 * i + 2] - y[3 * i + 2]);
                     }) /
         static_cast<double>(pixels);
}

}  // namespace nlcl
