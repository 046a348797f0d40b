// Instance norm (Ulyanov et al. 2016): every channel of every image to mean 0 and variance 1, no affine part.
//
//     mean[n,c] = 1/(HW) sum over i,j of x[n,i,j,c]      var[n,c] = 1/(HW) sum over i,j of (x - mean)^2
//     y = (x - mean) / sqrt(var + eps)
//
// With r = 1 / sqrt(var + eps), g = dy, and means over i,j:
//
//     dx = r * (g - mean(g) - y * mean(g * y))
//
// since y changes with x directly, through the mean and through the variance.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/channel_statistics.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

inline constexpr double instance_norm_eps = 1e-5;

namespace detail {

// The statistics of one image [H,W,C].
template <class T>
ChannelStatistics<T> instance_statistics(const T* x, Index height, Index width, Index channels, double eps) {
  const auto size = static_cast<std::size_t>(channels);
  std::vector<StripSums<T>> strips(
      static_cast<std::size_t>((height + statistics_strip - 1) / statistics_strip));
  parallel_for(static_cast<Index>(strips.size()), [&](Index i) {
    const Index rows = std::min(statistics_strip, height - i * statistics_strip);
    const T* pixel = x + i * statistics_strip * width * channels;
    StripSums<T>& strip = strips[static_cast<std::size_t>(i)];
    strip.start(rows * width, pixel, channels);
    std::vector<T> sum(size), square_sum(size);
    for (Index row = 0; row < rows; ++row) {  // short sums in T, long ones in double
      std::fill(sum.begin(), sum.end(), T{});
      std::fill(square_sum.begin(), square_sum.end(), T{});
      for (Index j = 0; j < width; ++j, pixel += channels)
        for (std::size_t c = 0; c < size; ++c) {
          const T d = pixel[c] - strip.shift[c];
          sum[c] += d;
          square_sum[c] += d * d;
        }
      for (std::size_t c = 0; c < size; ++c) {
        strip.sum[c] += static_cast<double>(sum[c]);
        strip.square_sum[c] += static_cast<double>(square_sum[c]);
      }
    }
  });
  return join_strips(strips, eps);
}

}  // namespace detail

template <class T>
struct InstanceNorm {
  static constexpr std::string_view name = "instance_norm";
  double eps;
  Saved<T> y;                  // [N,H,W,C]
  Saved<T> inverse_deviation;  // [N,C]

  Tensor<T> forward(const Tensor<T>& x) {
    require<ShapeError>(x.shape().rank() == 4 && x.size() > 0, "instance_norm: x expects [N,H,W,C], is ",
                        x.shape());
    const Index batch = x.shape()[0], height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
    Tensor<T> result(x.shape()), kept({batch, channels});
    for (Index n = 0; n < batch; ++n) {
      const T* const from = x.data() + n * height * width * channels;
      T* const to = result.mutable_data() + n * height * width * channels;
      const auto s = detail::instance_statistics(from, height, width, channels, eps);
      std::copy(s.inverse_deviation.begin(), s.inverse_deviation.end(), kept.mutable_data() + n * channels);
      const T *const mean = s.mean.data(), *const r = s.inverse_deviation.data();
      parallel_for(height, [&](Index row) {
        for (Index i = row * width * channels; i < (row + 1) * width * channels; i += channels)
          for (Index c = 0; c < channels; ++c) to[i + c] = (from[i + c] - mean[c]) * r[c];
      });
    }
    y = result, inverse_deviation = kept;
    return result;
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    const Tensor<T>& normalized = y.get();
    const Shape& shape = normalized.shape();
    const Index batch = shape[0], height = shape[1], width = shape[2], channels = shape[3];
    Tensor<T> dx(shape);
    for (Index n = 0; n < batch; ++n) {
      const Index image = n * height * width * channels;
      const T *const g = dy.data() + image, *const v = normalized.data() + image;
      T* const to = dx.mutable_data() + image;
      const T* const r = inverse_deviation.get().data() + n * channels;

      Tensor<double> partial =
          Tensor<double>::zeros({height, 2, channels});  // sums of g and of g * y, per row
      double* const sums = partial.mutable_data();
      parallel_for(height, [&](Index row) {
        double *const g_sum = sums + row * 2 * channels, *const gy_sum = g_sum + channels;
        for (Index i = row * width * channels; i < (row + 1) * width * channels; i += channels)
          for (Index c = 0; c < channels; ++c) {
            g_sum[c] += static_cast<double>(g[i + c]);
            gy_sum[c] += static_cast<double>(g[i + c] * v[i + c]);
          }
      });
      std::vector<double> mean(static_cast<std::size_t>(2 * channels));
      for (Index row = 0; row < height; ++row)
        for (Index c = 0; c < 2 * channels; ++c)
          mean[static_cast<std::size_t>(c)] += sums[row * 2 * channels + c];
      std::vector<T> g_mean, gy_mean;
      for (Index c = 0; c < channels; ++c) {
        const double pixels = static_cast<double>(height * width);
        g_mean.push_back(static_cast<T>(mean[static_cast<std::size_t>(c)] / pixels));
        gy_mean.push_back(static_cast<T>(mean[static_cast<std::size_t>(channels + c)] / pixels));
      }
      const T *const gm = g_mean.data(), *const gym = gy_mean.data();
      parallel_for(height, [&](Index row) {
        for (Index i = row * width * channels; i < (row + 1) * width * channels; i += channels)
          for (Index c = 0; c < channels; ++c) to[i + c] = r[c] * (g[i + c] - gm[c] - v[i + c] * gym[c]);
      });
    }
    return {dx};
  }
};

// x [N,H,W,C] -> y of the same shape. Throws ShapeError for another rank or no pixels.
template <class T>
Tensor<T> instance_norm(const Tensor<T>& x, double eps = instance_norm_eps) {
  return apply(InstanceNorm<T>{.eps = eps, .y = {}, .inverse_deviation = {}}, x);
}

}  // namespace nlcl
