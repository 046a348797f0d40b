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
//
// A leaky ReLU that follows can be had in the same pass, y = leaky(norm). Nothing more is kept for it: the norm is y, or
// y / slope where that is negative, and g is what comes through to it. Slope 1 is none.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/channel_statistics.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/leaky_relu.hpp"

namespace nlcl {

inline constexpr double instance_norm_eps = 1e-5;

namespace cuda {

struct InstanceNormResult {
  Tensor<float> y;                  // [N,H,W,C]
  Tensor<float> inverse_deviation;  // [N,C]
};

InstanceNormResult instance_norm(const Tensor<float>& x, double eps, const LeakySlope<float>& leaky);
Tensor<float> instance_norm_gradient(const Tensor<float>& y, const Tensor<float>& inverse_deviation,
                                     const Tensor<float>& dy, const LeakySlope<float>& leaky);

}  // namespace cuda

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

// to[i] = finish(normalized x[i], i) for every image of x [N,H,W,C]; `to` may be x itself. Returns
// 1 / deviation [N,C].
template <class T>
Tensor<T> instance_normalize(const Tensor<T>& x, double eps, T* to, const auto& finish) {
  const Index batch = x.shape()[0], height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
  Tensor<T> inverse_deviation({batch, channels});
  for (Index n = 0; n < batch; ++n) {
    const Index image = n * height * width * channels;
    const T* const from = x.data();
    const auto s = instance_statistics(from + image, height, width, channels, eps);
    std::copy(s.inverse_deviation.begin(), s.inverse_deviation.end(),
              inverse_deviation.mutable_data() + n * channels);
    const T *const mean = s.mean.data(), *const r = s.inverse_deviation.data();
    parallel_for(height, [&](Index row) {
      const Index begin = image + row * width * channels;
      for (Index i = begin; i < begin + width * channels; i += channels)
        for (Index c = 0; c < channels; ++c) to[i + c] = finish((from[i + c] - mean[c]) * r[c], i + c);
    });
  }
  return inverse_deviation;
}

// dx [N,H,W,C] from y(i) and dy(i), functions of the place in memory: what they are made of need not be stored
// as such.
template <class T>
Tensor<T> instance_norm_gradient(const Shape& shape, const Tensor<T>& inverse_deviation, const auto& y,
                                 const auto& dy) {
  const Index batch = shape[0], height = shape[1], width = shape[2], channels = shape[3];
  const auto size = static_cast<std::size_t>(channels);
  Tensor<T> dx(shape);
  T* const to = dx.mutable_data();
  for (Index n = 0; n < batch; ++n) {
    const Index image = n * height * width * channels;
    Tensor<T> partial = Tensor<T>::zeros({height, 2, channels});  // sums of g and of g * y, per row
    T* const sums = partial.mutable_data();
    parallel_for(height, [&](Index row) {
      T *const g_sum = sums + row * 2 * channels, *const gy_sum = g_sum + channels;
      const Index begin = image + row * width * channels;
      for (Index i = begin; i < begin + width * channels; i += channels)
        for (Index c = 0; c < channels; ++c) {
          const T g = dy(i + c);
          g_sum[c] += g;
          gy_sum[c] += g * y(i + c);
        }
    });
    std::vector<double> total(2 * size);  // short sums in T, long ones in double
    for (Index row = 0; row < height; ++row)
      for (std::size_t c = 0; c < 2 * size; ++c)
        total[c] += static_cast<double>(sums[row * 2 * channels + static_cast<Index>(c)]);
    std::vector<T> mean(2 * size);
    for (std::size_t c = 0; c < 2 * size; ++c)
      mean[c] = static_cast<T>(total[c] / static_cast<double>(height * width));
    const T *const g_mean = mean.data(), *const gy_mean = g_mean + channels,
                   *const r = inverse_deviation.data() + n * channels;
    parallel_for(height, [&](Index row) {
      const Index begin = image + row * width * channels;
      for (Index i = begin; i < begin + width * channels; i += channels)
        for (Index c = 0; c < channels; ++c)
          to[i + c] = r[c] * (dy(i + c) - g_mean[c] - y(i + c) * gy_mean[c]);
    });
  }
  return dx;
}

}  // namespace detail

template <class T>
struct InstanceNorm {
  static constexpr std::string_view name = "instance_norm";
  double eps;
  LeakySlope<T> leaky;
  Saved<T> y;                  // [N,H,W,C]
  Saved<T> inverse_deviation;  // [N,C]

  Tensor<T> forward(const Tensor<T>& x) {
    require<ShapeError>(x.shape().rank() == 4 && x.size() > 0, "instance_norm: x expects [N,H,W,C], is ",
                        x.shape());
    require<ShapeError>(leaky.slope > 0, "instance_norm: slope is ", leaky.slope, ", expected more than 0");
    if constexpr (on_cuda<T>)
      if (x.device().is_cuda()) {
        const cuda::InstanceNormResult result = cuda::instance_norm(x, eps, leaky);
        y = result.y, inverse_deviation = result.inverse_deviation;
        return result.y;
      }
    Tensor<T> result(x.shape());
    inverse_deviation = detail::instance_normalize(x, eps, result.mutable_data(),
                                                   [leaky = leaky](T value, Index) { return leaky(value); });
    y = result;
    return result;
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda())
        return {cuda::instance_norm_gradient(y.get(), inverse_deviation.get(), dy, leaky)};
    const T *const v = y.get().data(), *const g = dy.data();
    const LeakySlope<T> through = leaky, back{{}, 1 / leaky.slope};
    return {detail::instance_norm_gradient(
        y.shape(), inverse_deviation.get(), [=](Index i) { return back(v[i]); },
        [=](Index i) { return through(v[i], g[i]); })};
  }
};

// x [N,H,W,C] -> y of the same shape. Throws ShapeError for another rank, no pixels, or a slope that is not positive.
template <class T>
Tensor<T> instance_norm(const Tensor<T>& x, double eps = instance_norm_eps, double slope = 1) {
  return apply(
      InstanceNorm<T>{.eps = eps, .leaky = {{}, static_cast<T>(slope)}, .y = {}, .inverse_deviation = {}}, x);
}

}  // namespace nlcl
