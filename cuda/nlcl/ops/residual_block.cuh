// residual_block on the GPU (ops/residual_block.hpp has the formulas), for 32 channels: a block of a convolution makes all
// channels of its pixels, so whatever stands between two convolutions happens while one reads or writes.
//
//     reads                                     writes                          on the way, sums for
//     x                                         a = conv(x)                     the norm of a
//     n = norm(a), which is kept                b = conv(relu(n))               the norm of b
//     x, b                                      y = x + norm(b), norm(b)
//
// and backward, where g1 and g2 are the gradients that arrive at a and b:
//
//     norm(b), dy                                                               the gradient of the second norm
//     g2 from norm(b) and dy, which is kept     h = conv'(g2)                   the gradient of the first norm, with n
//     g1 from n and h, which is kept            dx = dy + conv'(g1)
//
// with a weight gradient of relu(n) and g2, and one of x and g1. What nobody reads but these kernels lies in memory as the
// convolutions multiply it: in bf16 it is half as large. In float, where it is not, norm(b) is y - x and needs no memory.
#pragma once

#include <type_traits>

#include "nlcl/ops/conv2d.cuh"
#include "nlcl/ops/conv2d/tile_statistics.cuh"
#include "nlcl/ops/instance_norm.cuh"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/residual_block.hpp"

namespace nlcl::cuda {

static_assert(residual_block_channels == tile_channels);

// ---- Forward ----

// skip + norm, and the norm kept as Number.
template <class Number>
struct FinishSum {
  const float* skip;
  Number* kept;

  template <int Width>
  __device__ Vector<Width> read(Index i) const {
    return load<Width>(skip + i);
  }
  template <int Width>
  __device__ Vector<Width> operator()(const Vector<Width>& value, Vector<Width> sum, Index i) const {
    if (kept) store(kept + i, value);
    for (int k = 0; k < Width; ++k) sum[k] += value[k];
    return sum;
  }
};

// ---- Backward ----

// y - x
template <int Width>
struct FetchedDifference {
  Vector<Width> y, x;
};
template <int Width>
__device__ __forceinline__ Vector<Width> numbers(const FetchedDifference<Width>& fetched) {
  Vector<Width> difference = fetched.y;
  NLCL_UNROLL
  for (int k = 0; k < Width; ++k) difference[k] -= fetched.x[k];
  return difference;
}
struct ReadDifference {
  const float *y, *x;

  template <int Width>
  __device__ __forceinline__ FetchedDifference<Width> fetch(Index i) const {
    return {load<Width>(y + i), load<Width>(x + i)};
  }
  template <int Width>
  __device__ __forceinline__ Vector<Width> at(Index i) const {
    return numbers(fetch<Width>(i));
  }
};

// norm(b)
template <class Number>
using ReadSecondNorm = std::conditional_t<std::is_same_v<Number, float>, ReadDifference, ReadValues<Number>>;

// The gradient of relu(n) that comes to n.
template <int Width>
__device__ __forceinline__ Vector<Width> through_relu(const Vector<Width>& n, Vector<Width> gradient) {
  NLCL_UNROLL
  for (int k = 0; k < Width; ++k) gradient[k] = ReluGradient{}(n[k], gradient[k]);
  return gradient;
}

// r * (g - mean(g) - y * mean(g * y)), all [N,32]
struct NormGradient {
  const float *inverse_deviation, *g_mean, *gy_mean;

  NormGradient(const Tensor<float>& r, const GradientMeans& means)
      : inverse_deviation(r.data()), g_mean(means.g.data()), gy_mean(means.gy.data()) {}

  template <int Width>
  struct Channels {
    Vector<Width> of_g, of_y, shift;

    __device__ __forceinline__ Vector<Width> operator()(Vector<Width> g, const Vector<Width>& y) const {
      NLCL_UNROLL
      for (int k = 0; k < Width; ++k) g[k] = g[k] * of_g[k] + (y[k] * of_y[k] + shift[k]);
      return g;
    }
  };

  template <int Width>
  __device__ __forceinline__ Channels<Width> channels(int n, int c) const {
    const int at = n * tile_channels + c;
    const Vector<Width> g_m = load<Width>(g_mean + at), gy_m = load<Width>(gy_mean + at);
    Channels<Width> result{load<Width>(inverse_deviation + at), {}, {}};
    NLCL_UNROLL
    for (int k = 0; k < Width; ++k)
      result.of_y[k] = -gy_m[k] * result.of_g[k], result.shift[k] = -g_m[k] * result.of_g[k];
    return result;
  }
};

// g2
template <class Number>
struct SecondGradient {
  ReadSecondNorm<Number> normalized;
  const float* dy;
  NormGradient norm;
  Number* kept;

  template <int Width>
  __device__ __forceinline__ auto channels(int n, int c) const {
    return norm.template channels<Width>(n, c);
  }
  template <int Width>
  __device__ __forceinline__ auto fetch(Index offset) const {
    return Both{cuda::fetch<Width>(dy + offset), normalized.template fetch<Width>(offset)};
  }
  template <class Fetched, int Width>
  __device__ __forceinline__ Vector<Width> value(const Fetched& fetched,
                                                 const NormGradient::Channels<Width>& channels) const {
    return channels(fetched.first, numbers(fetched.second));
  }
  template <class Fetched, int Width>
  __device__ __forceinline__ void keep(Index offset, const Fetched& fetched,
                                       const NormGradient::Channels<Width>& channels) const {
    store(kept + offset, value(fetched, channels));
  }
};

// g1
template <class Number>
struct FirstGradient {
  const Number *normalized, *hidden;
  NormGradient norm;
  Number* kept;

  template <int Width>
  __device__ __forceinline__ auto channels(int n, int c) const {
    return norm.template channels<Width>(n, c);
  }
  template <int Width>
  __device__ __forceinline__ auto fetch(Index offset) const {
    return Both{cuda::fetch<Width>(normalized + offset), cuda::fetch<Width>(hidden + offset)};
  }
  template <class Fetched, int Width>
  __device__ __forceinline__ Vector<Width> value(const Fetched& fetched,
                                                 const NormGradient::Channels<Width>& channels) const {
    const Vector<Width> n = numbers(fetched.first);
    return channels(through_relu(n, numbers(fetched.second)), n);
  }
  template <class Fetched, int Width>
  __device__ __forceinline__ void keep(Index offset, const Fetched& fetched,
                                       const NormGradient::Channels<Width>& channels) const {
    store(kept + offset, value(fetched, channels));
  }
};

// The sums of g and g * n of a tile of h, where g is what comes to n of it.
template <class Number>
struct FirstGradientSums {
  static constexpr bool around_first = false;
  const Number* normalized;

  template <class Sums, int Channels>
  __device__ __forceinline__ void add(Sums& hidden, int i, Index at, const float (&)[Channels],
                                      float (&g_sum)[Channels], float (&gn_sum)[Channels]) const {
    NLCL_UNROLL
    for (int first = 0; first < Channels; first += 4) {
      const Vector<4> n = load<4>(normalized + at + first);
      NLCL_UNROLL
      for (int k = 0; k < 4; ++k) {
        const float g = ReluGradient{}(n[k], hidden.at(i, first + k));
        g_sum[first + k] += g, gn_sum[first + k] += g * n[k];
      }
    }
  }
};

struct StoreMeans {
  float *g, *gy;

  __device__ void operator()(const JoinedSums& sums, Index at) const {
    g[at] = static_cast<float>(sums.sum / sums.count);
    gy[at] = static_cast<float>(sums.square_sum / sums.count);
  }
};

// ---- The operation ----

namespace detail {

// What is kept of Numbers for the gradient.
template <class Number>
Number* numbers(Tensor<float>& kept) {
  return reinterpret_cast<Number*>(kept.mutable_data());
}
template <class Number>
const Number* numbers(const Tensor<float>& kept) {
  return reinterpret_cast<const Number*>(kept.data());
}

// The convolutions of a block, in one format.
template <class Format>
class BlockConvolutions {
 public:
  using Number = StoredAs<Format>;

  BlockConvolutions(const Shape& x, Device device)
      : x_(x),
        device_(device),
        shape_(conv2d_shape({x, {3, 3, tile_channels, tile_channels}, ResidualBlock<float>::same})),
        plan_(block_plan(shape_)),
        sums_(x[0], plan_, device) {}

  TileSums& sums() { return sums_; }
  Tensor<Number> numbers() const { return Tensor<Number>(x_, device_); }
  Tensor<float> kept_numbers() const {
    return Tensor<float>({x_[0], x_[1], x_[2], x_[3] * Index{sizeof(Number)} / Index{sizeof(float)}},
                         device_);
  }

  template <class Source, class Result>
  void forward(const Source& x, const Tensor<float>& weight, const Tensor<float>& bias,
               const Result& y) const {
    run(shape_, x, weight, bias, y);
  }
  template <class Source, class Result>
  void data_gradient(const Source& dy, const Tensor<float>& weight, const Result& dx) const {
    run(turned(shape_), dy, weight, {}, dx);
  }
  template <class Source>
  Tensor<float> weight_gradient(const Source& x, const Tensor<Number>& dy) const {
    Tensor<float> dweight({3, 3, tile_channels, tile_channels}, device_);
    launch_weight_sums<Format>(shape_, x, PlainSource<Number>{dy.data()}, dweight);
    return dweight;
  }

 private:
  template <class Source, class Result>
  void run(const Conv2dShape& s, const Source& x, const Tensor<float>& weight, const Tensor<float>& bias,
           const Result& y) const {
    launch_block<Format>(s, plan_, x, block_panels<Format>(s, weight), bias, y);
  }

  Shape x_;
  Device device_;
  Conv2dShape shape_;
  BlockPlan plan_;
  TileSums sums_;
};

}  // namespace detail

ResidualBlockResult residual_block(const Conv2dSizes& sizes, const Tensor<float>& x, const Tensor<float>& w1,
                                   const Tensor<float>& b1, const Tensor<float>& w2,
                                   const Tensor<float>& b2) {
  const Device device = x.device();
  ChannelStatistics first(sizes.batch, tile_channels, device), second(sizes.batch, tile_channels, device);
  ResidualBlockResult result{.y = Tensor<float>(x.shape(), device),
                             .normalized = {},
                             .second_normalized = {},
                             .first_deviation = first.inverse_deviation,
                             .second_deviation = second.inverse_deviation,
                             .precision = choose_conv2d(conv2d_shape(sizes), device).precision};
  with_format(result.precision, [&]<class Format>() {
    using Number = StoredAs<Format>;
    detail::BlockConvolutions<Format> convolutions(x.shape(), device);
    Tensor<Number> a = convolutions.numbers();
    convolutions.forward(PlainSource<float>{x.data()}, w1, b1,
                         StoredResult{a.mutable_data(), convolutions.sums().statistics(first)});

    const NormSource<Number> n{a.data(), first.mean.data(), first.inverse_deviation.data()};
    const auto to_second_norm = [&](auto* b) {
      result.normalized = convolutions.kept_numbers();
      convolutions.forward(
          ReluSource<NormSource<Number>, Number>{n, detail::numbers<Number>(result.normalized)}, w2, b2,
          StoredResult{b, convolutions.sums().statistics(second)});
    };
    if constexpr (std::is_same_v<Number, float>) {
      to_second_norm(result.y.mutable_data());
      instance_normalize(x.shape(), result.y.data(), second, result.y.mutable_data(),
                         FinishSum<float>{x.data(), nullptr});
    } else {
      result.second_normalized = convolutions.kept_numbers();
      Number* const b = detail::numbers<Number>(result.second_normalized);
      to_second_norm(b);
      instance_normalize(x.shape(), static_cast<const Number*>(b), second, result.y.mutable_data(),
                         FinishSum<Number>{x.data(), b});
    }
  });
  return result;
}

// Whatever is wanted, dx comes with it: in a generator it always is.
std::array<Tensor<float>, 5> residual_block_gradient(const ResidualBlock<float>& forward,
                                                     const Tensor<float>& dy, const Wanted<5>& wanted) {
  const Tensor<float>& x = forward.x.get();
  const Device device = x.device();
  std::array<Tensor<float>, 5> gradients;
  with_format(forward.precision, [&]<class Format>() {
    using Number = StoredAs<Format>;
    detail::BlockConvolutions<Format> convolutions(x.shape(), device);
    const auto* const n = detail::numbers<Number>(forward.normalized.get());
    const auto second_norm = [&]() -> ReadSecondNorm<Number> {
      if constexpr (std::is_same_v<Number, float>)
        return {forward.y.get().data(), x.data()};
      else
        return {detail::numbers<Number>(forward.second_normalized.get())};
    }();
    Tensor<Number> g1 = convolutions.numbers(), g2 = convolutions.numbers(), h = convolutions.numbers();
    Tensor<float> dx(x.shape(), device);

    const GradientMeans second = gradient_means(x.shape(), device, second_norm, ReadValues{dy.data()});
    GradientMeans first(x.shape()[0], tile_channels, device);
    convolutions.data_gradient(
        SecondGradient<Number>{
            second_norm, dy.data(), {forward.second_deviation.get(), second}, g2.mutable_data()},
        forward.second_weight.get(),
        StoredResult{h.mutable_data(),
                     convolutions.sums().of(FirstGradientSums<Number>{n},
                                            StoreMeans{first.g.mutable_data(), first.gy.mutable_data()})});
    if (wanted[3])
      gradients[3] = convolutions.weight_gradient(ReluSource<PlainSource<Number>, Number>{{n}}, g2);
    convolutions.data_gradient(
        FirstGradient<Number>{n, h.data(), {forward.first_deviation.get(), first}, g1.mutable_data()},
        forward.first_weight.get(), TensorResult{dx.mutable_data(), dy.data()});
    if (wanted[1]) gradients[1] = convolutions.weight_gradient(PlainSource<float>{x.data()}, g1);
    if (wanted[0]) gradients[0] = dx;
  });
  return gradients;
}

}  // namespace nlcl::cuda
