// residual_block on the GPU (ops/residual_block.hpp has the formulas): conv2d and the passes of instance norm, joined as
// on the CPU. The sums for a norm are taken while the convolution before it writes, the ReLU happens while the second
// convolution reads, the sum with x while the second norm writes; and
// the gradient reads norm(conv(relu(n))) as y - x, and what comes back through the ReLU as it masks it.
#pragma once

#include "nlcl/ops/conv2d.cuh"
#include "nlcl/ops/conv2d/tile_statistics.cuh"
#include "nlcl/ops/instance_norm.cuh"
#include "nlcl/ops/residual_block.hpp"

namespace nlcl::cuda {

// skip + norm
struct FinishSum {
  const float* skip;

  template <int Width>
  __device__ Vector<Width> operator()(const Vector<Width>& value, Index i) const {
    Vector<Width> sum = load<Width>(skip + i);
    for (int k = 0; k < Width; ++k) sum[k] += value[k];
    return sum;
  }
};

// y - x
struct ReadDifference {
  const float *y, *x;

  template <int Width>
  __device__ Vector<Width> at(Index i) const {
    Vector<Width> difference = load<Width>(y + i);
    const Vector<Width> other = load<Width>(x + i);
    for (int k = 0; k < Width; ++k) difference[k] -= other[k];
    return difference;
  }
};

// The gradient of relu(n) that comes to n.
struct ReadThroughRelu {
  const float *n, *gradient;

  template <int Width>
  __device__ Vector<Width> at(Index i) const {
    Vector<Width> g = load<Width>(gradient + i);
    const Vector<Width> value = load<Width>(n + i);
    for (int k = 0; k < Width; ++k) g[k] = ReluGradient{}(value[k], g[k]);
    return g;
  }
};

template Tensor<float> conv2d(const Conv2dSizes&, const Tensor<float>&, const Tensor<float>&,
                              const Tensor<float>&, const ReadRelu&);
template Tensor<float> conv2d_weight_gradient(const Conv2dSizes&, const Tensor<float>&, const Tensor<float>&,
                                              const ReadRelu&);

// A convolution, and the statistics for the norm that follows: its blocks take them where one has all channels.
struct ConvolutionForNorm {
  Tensor<float> y;
  ChannelStatistics statistics;
};
template <class Read>
ConvolutionForNorm conv2d_for_norm(const Conv2dSizes& sizes, const Tensor<float>& x,
                                   const Tensor<float>& weight, const Tensor<float>& bias, const Read& read) {
  const Conv2dShape s = conv2d_shape(sizes);
  const Conv2dChoice choice = choose_conv2d(s, x.device());
  if (choice.kernel != Conv2dKernel::narrow_tiles || s.out != tile_channels) {
    const Tensor<float> y = conv2d_compute(s, x, weight, bias, read);
    return {y, instance_statistics(y.shape(), y.device(), ReadValues{y.data()}, instance_norm_eps)};
  }
  Tensor<float> y({s.batch, s.out_height, s.out_width, s.out}, x.device());
  ChannelStatistics statistics(y.shape()[0], y.shape()[3], x.device());
  with_format(choice.precision, [&]<class Format>() {
    const TilePlan p = tile_plan<NarrowTile>(s, Format::pair);
    TileSums sums(s.batch, p, x.device());
    launch_tiles<Format, NarrowTile>(s, p, TensorSource<Read>{x.data(), read},
                                     packed_weight<Format, NarrowTile>(s, p, weight), bias,
                                     ResultWithStatistics{{y.mutable_data()}, sums.statistics(statistics)});
  });
  return {y, statistics};
}

ResidualBlockResult residual_block(const Conv2dSizes& sizes, const Tensor<float>& x, const Tensor<float>& w1,
                                   const Tensor<float>& b1, const Tensor<float>& w2,
                                   const Tensor<float>& b2) {
  ConvolutionForNorm first = conv2d_for_norm(sizes, x, w1, b1, ReadPlain{});
  instance_normalize(first.y, first.statistics, first.y.mutable_data(), FinishPlain{});
  ConvolutionForNorm second = conv2d_for_norm(sizes, first.y, w2, b2, ReadRelu{});
  instance_normalize(second.y, second.statistics, second.y.mutable_data(), FinishSum{x.data()});
  return {second.y, first.y, first.statistics.inverse_deviation, second.statistics.inverse_deviation};
}

std::array<Tensor<float>, 5> residual_block_gradient(const ResidualBlock<float>& forward,
                                                     const Tensor<float>& dy, const Wanted<5>& wanted) {
  const Tensor<float>&x = forward.x.get(), &n = forward.normalized.get();
  const Conv2dSizes sizes(x.shape(), forward.first_weight.shape(), ResidualBlock<float>::same);
  std::array<Tensor<float>, 5> gradients;

  const Tensor<float> second =
      instance_norm_gradient(x.shape(), forward.second_deviation.get(),
                             ReadDifference{forward.y.get().data(), x.data()}, ReadValues{dy.data()});
  if (wanted[3]) gradients[3] = conv2d_weight_gradient(sizes, n, second, ReadRelu{});
  if (!wanted[0] && !wanted[1]) return gradients;

  const Tensor<float> hidden = conv2d_data_gradient(sizes, forward.second_weight.get(), second);
  const Tensor<float> first =
      instance_norm_gradient(x.shape(), forward.first_deviation.get(), ReadValues{n.data()},
                             ReadThroughRelu{n.data(), hidden.data()});
  if (wanted[1]) gradients[1] = conv2d_weight_gradient(sizes, x, first, ReadPlain{});
  if (wanted[0]) gradients[0] = conv2d_data_gradient(sizes, forward.first_weight.get(), first, dy);
  return gradients;
}

}  // namespace nlcl::cuda
