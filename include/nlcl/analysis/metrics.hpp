// How near an image comes to the truth: PSNR, SSIM, and both on the luminance alone.
//
// PSNR is the mean squared error of the 8-bit values, in decibels below the largest error there could be:
//
//     PSNR = 10 log10(255^2 / mean of (a - b)^2)
//
// SSIM (Wang et al., IEEE Transactions on Image Processing 13, 2004) compares what is seen through a small
// window w: the means, the deviations, and how far both images go up and down together.
//
//     SSIM = (2 m_a m_b + C1)(2 s_ab + C2) / ((m_a^2 + m_b^2 + C1)(s_a^2 + s_b^2 + C2))
//     m_a = sum w a,   s_a^2 = sum w a^2 - m_a^2,   s_ab = sum w a b - m_a m_b
//
// w is a Gaussian of 11 x 11 pixels, of deviation 1.5 and sum 1; C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2. An
// image's SSIM is the mean over all positions at which the window lies inside of it, and over the channels.
// This is what scikit-image computes as structural_similarity(a, b, data_range=255, channel_axis=-1,
// gaussian_weights=True, sigma=1.5, use_sample_covariance=False).
//
// Y is the luminance of ITU-R BT.601 from 16 to 235, as MATLAB's rgb2ycbcr gives it for an image in double:
//
//     Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255
//
// It is not rounded. For an image in uint8 rgb2ycbcr rounds it, and part of the literature measures that. Rounding
// both images adds 2/12 to their mean squared error, which takes 0.01 dB off 30 dB and 0.1 dB off 40 dB. The range
// is taken as 255 for Y too, in both metrics, as it is in the literature.
//
// Images have 1 or 3 channels. A grey image is measured as it is, and its Y is that of R = G = B, so it gets the
// values that it would get as RGB. There is no metric for alpha: take without_alpha() first.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/gaussian.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/reduce.hpp"
#include "nlcl/io/image.hpp"

namespace nlcl {

inline constexpr Index ssim_window = 11;  // pixels

namespace detail {

inline constexpr double largest_level = 255;  // the range of the values, of Y too

inline void check_metric(const char* metric, const Image& image, const Image& truth) {
  check_image(image);
  check_image(truth);
  require<ShapeError>(
      image.height == truth.height && image.width == truth.width && image.channels == truth.channels, metric,
      ": ", image.height, " x ", image.width, " pixels of ", image.channels, " channels, the truth has ",
      truth.height, " x ", truth.width, " of ", truth.channels);
  require<ShapeError>(image.channels == 1 || image.channels == 3, metric, ": ", image.channels,
                      " channels, expected 1 or 3");
}

inline void check_window(const char* metric, const Image& image) {
  require<ShapeError>(image.height >= ssim_window && image.width >= ssim_window, metric, ": ", image.height,
                      " x ", image.width, " pixels, expected at least ", ssim_window, " x ", ssim_window);
}

// One channel, [H,W].
inline std::vector<double> channel_of(const Image& image, Index channel) {
  std::vector<double> plane(static_cast<std::size_t>(image.height * image.width));
  for (std::size_t i = 0; i < plane.size(); ++i)
    plane[i] = image.pixels[i * static_cast<std::size_t>(image.channels) + static_cast<std::size_t>(channel)];
  return plane;
}

// Y, [H,W].
inline std::vector<double> y_of(const Image& image) {
  std::vector<double> plane(static_cast<std::size_t>(image.height * image.width));
  const std::size_t channels = static_cast<std::size_t>(image.channels), g = channels / 3, b = 2 * g;
  for (std::size_t i = 0; i < plane.size(); ++i) {
    const std::uint8_t* const p = &image.pixels[i * channels];
    plane[i] = 16 + (65.481 * p[0] + 128.553 * p[g] + 24.966 * p[b]) / 255;
  }
  return plane;
}

inline double decibels(double squared_error) {
  return 10 * std::log10(largest_level * largest_level / squared_error);  // infinity for an error of 0
}

// The sums of a window over a, b, a a, b b and a b.
using WindowSums = std::array<double, 5>;

inline double ssim_at(const WindowSums& sums) {
  constexpr double c1 = 0.01 * largest_level * 0.01 * largest_level;
  constexpr double c2 = 0.03 * largest_level * 0.03 * largest_level;
  const auto& [a, b, aa, bb, ab] = sums;
  const double product = a * b, squares = a * a + b * b;
  return (2 * product + c1) * (2 * (ab - product) + c2) / ((squares + c1) * (aa + bb - squares + c2));
}

// The mean over all positions of the window in two planes [H,W]. Each row of positions is summed up on its own:
// down the columns first, then along the row. The rows are added in order.
inline double ssim_of_planes(const std::vector<double>& image, const std::vector<double>& truth, Index height,
                             Index width) {
  const std::vector<double> weights = gaussian_window(ssim_window, 1.5);
  const Index rows = height - ssim_window + 1, columns = width - ssim_window + 1;
  std::vector<double> sums(static_cast<std::size_t>(rows));
  parallel_for(rows, [&](Index row) {
    std::array<std::vector<double>, 5> down, along;
    for (auto& line : down) line.resize(static_cast<std::size_t>(width));
    for (auto& line : along) line.resize(static_cast<std::size_t>(columns));
    for (Index k = 0; k < ssim_window; ++k) {
      const double weight = weights[static_cast<std::size_t>(k)];
      const double* const a = image.data() + (row + k) * width;
      const double* const b = truth.data() + (row + k) * width;
      const auto add = [&](std::vector<double>& line, const auto& value) {
        double* const to = line.data();
        for (Index j = 0; j < width; ++j) to[j] += weight * value(j);
      };
      add(down[0], [&](Index j) { return a[j]; });
      add(down[1], [&](Index j) { return b[j]; });
      add(down[2], [&](Index j) { return a[j] * a[j]; });
      add(down[3], [&](Index j) { return b[j] * b[j]; });
      add(down[4], [&](Index j) { return a[j] * b[j]; });
    }
    for (std::size_t moment = 0; moment < down.size(); ++moment)
      for (Index k = 0; k < ssim_window; ++k) {
        const double weight = weights[static_cast<std::size_t>(k)];
        const double* const from = down[moment].data() + k;
        double* const to = along[moment].data();
        for (Index j = 0; j < columns; ++j) to[j] += weight * from[j];
      }
    double sum = 0;
    for (std::size_t j = 0; j < along[0].size(); ++j)
      sum += ssim_at({along[0][j], along[1][j], along[2][j], along[3][j], along[4][j]});
    sums[static_cast<std::size_t>(row)] = sum;
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(rows * columns);
}

}  // namespace detail

// In decibels, over all values of all channels; infinity for images that are the same. Throws ShapeError for
// images of different sizes or channels, and for other than 1 or 3 channels.
inline double psnr(const Image& image, const Image& truth) {
  detail::check_metric("psnr", image, truth);
  const Index count = static_cast<Index>(truth.pixels.size());
  const double sum = ordered_sum(count, [&](Index i) {
    const int error = image.pixels[static_cast<std::size_t>(i)] - truth.pixels[static_cast<std::size_t>(i)];
    return static_cast<double>(error * error);
  });
  return detail::decibels(sum / static_cast<double>(count));
}

// The same over Y.
inline double psnr_y(const Image& image, const Image& truth) {
  detail::check_metric("psnr_y", image, truth);
  const std::vector<double> a = detail::y_of(image), b = detail::y_of(truth);
  const Index count = static_cast<Index>(a.size());
  const double sum = ordered_sum(count, [&](Index i) {
    const double error = a[static_cast<std::size_t>(i)] - b[static_cast<std::size_t>(i)];
    return error * error;
  });
  return detail::decibels(sum / static_cast<double>(count));
}

// The mean over the channels, from -1 to 1; 1 for images that are the same. Throws ShapeError as psnr, and for
// an image smaller than the window. The bits do not depend on the number of threads.
inline double ssim(const Image& image, const Image& truth) {
  detail::check_metric("ssim", image, truth);
  detail::check_window("ssim", image);
  double sum = 0;
  for (Index c = 0; c < image.channels; ++c)
    sum += detail::ssim_of_planes(detail::channel_of(image, c), detail::channel_of(truth, c), image.height,
                                  image.width);
  return sum / static_cast<double>(image.channels);
}

// The same over Y.
inline double ssim_y(const Image& image, const Image& truth) {
  detail::check_metric("ssim_y", image, truth);
  detail::check_window("ssim_y", image);
  return detail::ssim_of_planes(detail::y_of(image), detail::y_of(truth), image.height, image.width);
}

// All four, and what niqe.hpp, rain_left.hpp and colour_shift.hpp say without a truth.
struct Quality {
  double psnr = 0, ssim = 0, psnr_y = 0, ssim_y = 0, niqe = 0, rain_left = 0, colour_shift = 0;
};

struct QualityInfo {
  const char* name;   // in files
  const char* title;  // in tables
  double Quality::*value;
  int digits;  // that are worth printing, behind the point
};

inline constexpr std::array<QualityInfo, 4> quality_table{{{"psnr", "PSNR", &Quality::psnr, 2},
                                                           {"ssim", "SSIM", &Quality::ssim, 4},
                                                           {"psnr_y", "PSNR Y", &Quality::psnr_y, 2},
                                                           {"ssim_y", "SSIM Y", &Quality::ssim_y, 4}}};

inline constexpr QualityInfo niqe_info{"niqe", "NIQE", &Quality::niqe, 3};
inline constexpr QualityInfo rain_left_info{"rain_left", "rain", &Quality::rain_left, 3};
inline constexpr QualityInfo colour_shift_info{"colour_shift", "shift", &Quality::colour_shift, 2};

// What needs a truth. Throws as ssim.
inline Quality quality(const Image& image, const Image& truth) {
  return {psnr(image, truth), ssim(image, truth), psnr_y(image, truth), ssim_y(image, truth)};
}

// Of each value the mean over the images for which it is finite: one image that is equal to its truth would make
// the mean PSNR of any number of images infinite, and hide the others. Infinity if it is finite for none.
inline Quality mean_quality(const std::vector<Quality>& images,
                            std::span<const QualityInfo> measured = quality_table) {
  Quality mean;
  for (const QualityInfo& info : measured) {
    double sum = 0;
    Index count = 0;
    for (const Quality& image : images)
      if (const double value = image.*info.value; std::isfinite(value)) {
        sum += value;
        ++count;
      }
    mean.*info.value = count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::infinity();
  }
  return mean;
}

}  // namespace nlcl
