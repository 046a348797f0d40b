// Instance norm on the GPU (ops/instance_norm.hpp has the formulas).
//
// A norm reads the image twice and writes it once: a pass takes the sums of strips, whose last block joins them, and a
// second normalises. The gradient is made of the same two: sums of g and of g * y with their means, and dx.
#pragma once

#include "nlcl/core/channel_statistics.cuh"
#include "nlcl/ops/instance_norm.hpp"

namespace nlcl::cuda {

// ---- What the passes read and how they finish: functions of the place in memory, as on the CPU ----

// The numbers of a tensor.
struct ReadValues {
  const float* values;

  template <int Width>
  __device__ Vector<Width> at(Index i) const {
    return load<Width>(values + i);
  }
};

struct FinishPlain {
  template <int Width>
  __device__ Vector<Width> operator()(const Vector<Width>& value, Index) const {
    return value;
  }
};

// ---- Forward ----

// to[i] = finish((x[i] - mean) * r, i); `to` may be x.
template <int Width, class Finish>
__global__ void normalize(ImageStrips s, const float* x, const float* mean, const float* inverse_deviation,
                          float* to, Finish finish) {
  const StripWalk<Width> walk(s);
  if (!walk.has_channel()) return;
  const Vector<Width> m = load<Width>(mean + walk.n * s.channels + walk.channel);
  const Vector<Width> r = load<Width>(inverse_deviation + walk.n * s.channels + walk.channel);
  walk.each([&](Index i) {
    Vector<Width> value = load<Width>(x + i);
    for (int k = 0; k < Width; ++k) value[k] = (value[k] - m[k]) * r[k];
    store(to + i, finish(value, i));
  });
}

template <class Finish>
void instance_normalize(const Tensor<float>& x, const ChannelStatistics& statistics, float* to,
                        const Finish& finish) {
  with_vector_width(x.shape()[3], [&]<int Width>() {
    const ImageStrips s(x.shape(), Width);
    launch<normalize<Width, Finish>>(s.on(x.device(), Width), s, x.data(), statistics.mean.data(),
                                     statistics.inverse_deviation.data(), to, finish);
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
  walk.each([&](Index i) {
    const Vector<Width> g = dy.template at<Width>(i), v = y.template at<Width>(i);
    for (int k = 0; k < Width; ++k) {
      sums[k] += g[k];
      sums[Width + k] += g[k] * v[k];
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
template <int Width, class Y, class Dy>
__global__ void gradient_from_means(ImageStrips s, Y y, Dy dy, const float* inverse_deviation,
                                    const float* g_mean, const float* gy_mean, float* dx) {
  const StripWalk<Width> walk(s);
  if (!walk.has_channel()) return;
  const int at = walk.n * s.channels + walk.channel;
  const Vector<Width> r = load<Width>(inverse_deviation + at), g_m = load<Width>(g_mean + at),
                      gy_m = load<Width>(gy_mean + at);
  walk.each([&](Index i) {
    const Vector<Width> g = dy.template at<Width>(i), v = y.template at<Width>(i);
    Vector<Width> result;
    for (int k = 0; k < Width; ++k) result[k] = r[k] * (g[k] - g_m[k] - v[k] * gy_m[k]);
    store(dx + i, result);
  });
}

// dx [N,H,W,C] from y.at<Width>(i) and dy.at<Width>(i): what they are made of need not be stored as such.
template <class Y, class Dy>
Tensor<float> instance_norm_gradient(const Shape& shape, const Tensor<float>& inverse_deviation, const Y& y,
                                     const Dy& dy) {
  const Device device = inverse_deviation.device();
  Tensor<float> dx(shape, device), g_mean(inverse_deviation.shape(), device),
      gy_mean(inverse_deviation.shape(), device);
  with_vector_width(shape[3], [&]<int Width>() {
    const ImageStrips s(shape, Width);
    Tensor<GradientSums> strips({shape[0], s.strips, shape[3]}, device);
    launch<gradient_sums<Width, Y, Dy>>(s.on(device, Width), s, y, dy, strips.mutable_data(),
                                        s.tickets(device, Width), g_mean.mutable_data(),
                                        gy_mean.mutable_data());
    launch<gradient_from_means<Width, Y, Dy>>(s.on(device, Width), s, y, dy, inverse_deviation.data(),
                                              g_mean.data(), gy_mean.data(), dx.mutable_data());
  });
  return dx;
}

// ---- The operation ----

InstanceNormResult instance_norm(const Tensor<float>& x, double eps) {
  Tensor<float> y(x.shape(), x.device());
  const ChannelStatistics statistics = instance_statistics(x.shape(), x.device(), ReadValues{x.data()}, eps);
  instance_normalize(x, statistics, y.mutable_data(), FinishPlain{});
  return {y, statistics.inverse_deviation};
}

Tensor<float> instance_norm_gradient(const Tensor<float>& y, const Tensor<float>& inverse_deviation,
                                     const Tensor<float>& dy) {
  return instance_norm_gradient(y.shape(), inverse_deviation, ReadValues{y.data()}, ReadValues{dy.data()});
}

}  // namespace nlcl::cuda
