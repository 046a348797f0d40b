// Instance norm on the GPU (ops/instance_norm.hpp has the formulas).
//
// A norm reads the image twice and writes it once: a pass takes the sums of strips, whose last block joins them, and a
// second normalises. The gradient is made of the same two: sums of g and of g * y with their means, and dx.
#pragma once

#include "nlcl/core/bf16.cuh"
#include "nlcl/core/channel_statistics.cuh"
#include "nlcl/ops/instance_norm.hpp"

namespace nlcl::cuda {

// ---- What the passes read and how they finish: functions of the place in memory, as on the CPU ----

// The numbers of a tensor.
template <class Number>
struct ReadValues {
  const Number* values;

  template <int Width>
  __device__ __forceinline__ Vector<Width> at(Index i) const {
    return load<Width>(values + i);
  }
  template <int Width>
  __device__ __forceinline__ auto fetch(Index i) const {
    return cuda::fetch<Width>(values + i);
  }
};
template <class Number>
ReadValues(const Number*) -> ReadValues<Number>;

struct FinishLeaky {
  struct Nothing {};
  LeakySlope<float> leaky;

  template <int Width>
  __device__ Nothing read(Index) const {
    return {};
  }
  template <int Width>
  __device__ Vector<Width> operator()(Vector<Width> value, Nothing, Index) const {
    for (int k = 0; k < Width; ++k) value[k] = leaky(value[k]);
    return value;
  }
};

// The norm, from y = leaky(norm).
struct ReadBeforeLeaky {
  const float* y;
  LeakySlope<float> back;  // of slope 1 / slope

  template <int Width>
  __device__ Vector<Width> at(Index i) const {
    Vector<Width> value = load<Width>(y + i);
    for (int k = 0; k < Width; ++k) value[k] = back(value[k]);
    return value;
  }
};

// The gradient of y that comes to the norm.
struct ReadThroughLeaky {
  const float *y, *dy;
  LeakySlope<float> leaky;

  template <int Width>
  __device__ Vector<Width> at(Index i) const {
    Vector<Width> g = load<Width>(dy + i);
    const Vector<Width> value = load<Width>(y + i);
    for (int k = 0; k < Width; ++k) g[k] = leaky(value[k], g[k]);
    return g;
  }
};

// ---- Forward ----

// to[i] = finish((x[i] - mean) * r, finish.read(i), i); `to` may be x.
template <int Width, class Number, class Finish>
__global__ void normalize(ImageStrips s, const Number* x, const float* mean, const float* inverse_deviation,
                          float* to, Finish finish) {
  const StripWalk<Width> walk(s);
  if (!walk.has_channel()) return;
  const Vector<Width> m = load<Width>(mean + walk.n * s.channels + walk.channel);
  const Vector<Width> r = load<Width>(inverse_deviation + walk.n * s.channels + walk.channel);
  walk.each(
      [&](Index i) {
        return Both{fetch<Width>(x + i), finish.template read<Width>(i)};
      },
      [&](Index i, const auto& read) {
        Vector<Width> value = numbers(read.first);
        for (int k = 0; k < Width; ++k) value[k] = (value[k] - m[k]) * r[k];
        store(to + i, finish(value, read.second, i));
      });
}

template <class Number, class Finish>
void instance_normalize(const Shape& shape, const Number* x, const ChannelStatistics& statistics, float* to,
                        const Finish& finish) {
  with_vector_width(shape[3], [&]<int Width>() {
    const ImageStrips s(shape, Width);
    launch<normalize<Width, Number, Finish>>(s.on(statistics.mean.device(), Width), s, x,
                                             statistics.mean.data(), statistics.inverse_deviation.data(), to,
                                             finish);
  });
}

// ---- Backward ----

// Of one channel, in a strip.
struct alignas(8) GradientSums {
  float g, gy;
};

// strips: [N,strips,C]; both means: [N,C]
template <int Width, class Y, class Dy>
__global__ void gradient_sums(ImageStrips s, Y y, Dy dy, GradientSums* strips, unsigned* tickets,
                              float* g_mean, float* gy_mean) {
  const StripWalk<Width> walk(s);
  float sums[2 * Width]{};
  walk.each(
      [&](Index i) {
        return Both{dy.template at<Width>(i), y.template at<Width>(i)};
      },
      [&](Index, const auto& read) {
        for (int k = 0; k < Width; ++k) {
          sums[k] += read.first[k];
          sums[Width + k] += read.first[k] * read.second[k];
        }
      });
  sum_over_rows(sums);
  const bool stores = thread().y == 0 && walk.has_channel();
  if (stores)
    for (int k = 0; k < Width; ++k) strips[walk.place_of(walk.strip) + k] = {sums[k], sums[Width + k]};

  if (!walk.is_last_of_image(tickets)) return;
  double totals[2 * Width]{};
  walk.each_strip(strips, [&](const GradientSums& strip, int k) {
    totals[k] += static_cast<double>(strip.g);
    totals[Width + k] += static_cast<double>(strip.gy);
  });
  sum_over_rows(totals);
  if (!stores) return;
  const Index at = Index{walk.n} * s.channels + walk.channel;
  for (int k = 0; k < Width; ++k) {
    g_mean[at + k] = static_cast<float>(totals[k] / s.pixels);
    gy_mean[at + k] = static_cast<float>(totals[Width + k] / s.pixels);
  }
}

// dx = r * (g - mean(g) - y * mean(g * y))
template <int Width>
__global__ void gradient_from_means(ImageStrips s, ReadBeforeLeaky y, ReadThroughLeaky dy,
                                    const float* inverse_deviation, const float* g_mean, const float* gy_mean,
                                    float* dx) {
  const StripWalk<Width> walk(s);
  if (!walk.has_channel()) return;
  const int at = walk.n * s.channels + walk.channel;
  const Vector<Width> r = load<Width>(inverse_deviation + at), g_m = load<Width>(g_mean + at),
                      gy_m = load<Width>(gy_mean + at);
  walk.each(
      [&](Index i) {
        return Both{dy.template at<Width>(i), y.template at<Width>(i)};
      },
      [&](Index i, const auto& read) {
        Vector<Width> result;
        for (int k = 0; k < Width; ++k)
          result[k] = r[k] * (read.first[k] - g_m[k] - read.second[k] * gy_m[k]);
        store(dx + i, result);
      });
}

// Both means, [N,C].
struct GradientMeans {
  Tensor<float> g, gy;

  GradientMeans(Index batch, Index channels, Device device)
      : g({batch, channels}, device), gy({batch, channels}, device) {}
};

// Of images [N,H,W,C], from y.at<Width>(i) and dy.at<Width>(i): what they are made of need not be stored as such.
template <class Y, class Dy>
GradientMeans gradient_means(const Shape& shape, Device device, const Y& y, const Dy& dy) {
  GradientMeans means(shape[0], shape[3], device);
  with_vector_width(shape[3], [&]<int Width>() {
    const ImageStrips s(shape, Width);
    Tensor<GradientSums> strips({shape[0], s.strips, shape[3]}, device);
    launch<gradient_sums<Width, Y, Dy>>(s.on(device, Width), s, y, dy, strips.mutable_data(),
                                        s.tickets(device, Width), means.g.mutable_data(),
                                        means.gy.mutable_data());
  });
  return means;
}

// ---- The operation ----

InstanceNormResult instance_norm(const Tensor<float>& x, double eps, const LeakySlope<float>& leaky) {
  Tensor<float> y(x.shape(), x.device());
  const ChannelStatistics statistics = instance_statistics(x.shape(), x.device(), ReadValues{x.data()}, eps);
  instance_normalize(x.shape(), x.data(), statistics, y.mutable_data(), FinishLeaky{leaky});
  return {y, statistics.inverse_deviation};
}

Tensor<float> instance_norm_gradient(const Tensor<float>& y, const Tensor<float>& inverse_deviation,
                                     const Tensor<float>& dy, const LeakySlope<float>& leaky) {
  const Device device = y.device();
  const ReadBeforeLeaky of_y{y.data(), {{}, 1 / leaky.slope}};
  const ReadThroughLeaky of_dy{y.data(), dy.data(), leaky};
  const GradientMeans means = gradient_means(y.shape(), device, of_y, of_dy);
  Tensor<float> dx(y.shape(), device);
  with_vector_width(y.shape()[3], [&]<int Width>() {
    const ImageStrips s(y.shape(), Width);
    launch<gradient_from_means<Width>>(s.on(device, Width), s, of_y, of_dy, inverse_deviation.data(),
                                       means.g.data(), means.gy.data(), dx.mutable_data());
  });
  return dx;
}

}  // namespace nlcl::cuda
