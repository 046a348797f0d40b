// conv2d: two-dimensional convolution (cross-correlation, as in every deep learning library), zero padding.
//
//     y[n,i,j,o] = bias[o] + sum over u,v,c of x[n, i*s+u-p, j*s+v-p, c] * weight[u,v,c,o]      s: stride, p: padding
//
// With g = dy, all sums over the positions for which the indices exist:
//
//     dx[n,i',j',c]   = sum over u,v,o of g[n,i,j,o] * weight[u,v,c,o]      where i*s+u-p = i', j*s+v-p = j'
//     dweight[u,v,c,o] = sum over n,i,j of x[n, i*s+u-p, j*s+v-p, c] * g[n,i,j,o]
//     dbias[o]         = sum over n,i,j of g[n,i,j,o]
//
// The kernels of the CPU stand in ops/conv2d/ under their names: conv2d_direct takes any sizes, conv2d_dot a y of very few
// channels, conv2d_winograd the 3x3 convolutions of the generator. Those of a GPU are in cuda/nlcl/ops/conv2d.cuh.
#pragma once

#include <array>
#include <concepts>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/simd.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/conv2d/bias_gradient.hpp"
#include "nlcl/ops/conv2d/data_gradient.hpp"
#include "nlcl/ops/conv2d/direct.hpp"
#include "nlcl/ops/conv2d/dot.hpp"
#include "nlcl/ops/conv2d/packed_weights.hpp"
#include "nlcl/ops/conv2d/read_plain.hpp"
#include "nlcl/ops/conv2d/sizes.hpp"
#include "nlcl/ops/conv2d/winograd.hpp"

namespace nlcl {

namespace cuda {

Tensor<float> conv2d(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& weight,
                     const Tensor<float>& bias);
// dx + plus, which may be absent.
Tensor<float> conv2d_data_gradient(const Conv2dSizes& s, const Tensor<float>& weight, const Tensor<float>& dy,
                                   const Tensor<float>& plus = {});
Tensor<float> conv2d_weight_gradient(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& dy);
Tensor<float> conv2d_bias_gradient(const Conv2dSizes& s, const Tensor<float>& dy);

}  // namespace cuda

namespace detail {

// y = conv(x, weight) + bias, bias may be absent. Here the kernel is chosen, and below it that of each gradient. On a GPU,
// kernels that read otherwise than plainly stand with the op that has them.
template <class T, class Read = ReadPlain>
Tensor<T> conv2d_compute(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& weight,
                         const Tensor<T>& bias, const Read& read = {}) {
  if constexpr (on_cuda<T> && std::same_as<Read, ReadPlain>)
    if (x.device().is_cuda()) return cuda::conv2d(s, x, weight, bias);
  if (conv2d_suits_winograd(s)) return conv2d_winograd<T, 32, 32>(s, x, weight, bias, read);
  if (s.in % Pack<T>::width == 0 && s.out == 1) return conv2d_dot<T, 1>(s, x, weight, bias, read);
  if (s.in % Pack<T>::width == 0 && s.out == 3) return conv2d_dot<T, 3>(s, x, weight, bias, read);
  return conv2d_direct(s, x, weight, bias, read);
}

// dx
template <class T>
Tensor<T> conv2d_data_gradient(const Conv2dSizes& s, const Tensor<T>& weight, const Tensor<T>& dy) {
  if constexpr (on_cuda<T>)
    if (dy.device().is_cuda()) return cuda::conv2d_data_gradient(s, weight, dy);
  const TurnedConv2d<T> turned = turned_conv2d(s, weight, dy);
  return conv2d_compute<T>(turned.sizes, turned.x, turned.weight, {});
}

// dweight
template <class T, class Read = ReadPlain>
Tensor<T> conv2d_weight_gradient(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& dy,
                                 const Read& read = {}) {
  if constexpr (on_cuda<T> && std::same_as<Read, ReadPlain>)
    if (dy.device().is_cuda()) return cuda::conv2d_weight_gradient(s, x, dy);
  if (conv2d_suits_winograd(s)) return conv2d_weight_gradient_winograd<T, 32, 32>(s, x, dy, read);
  return conv2d_weight_gradient_direct(s, x, dy, read);
}

// dbias
template <class T>
Tensor<T> conv2d_bias_gradient(const Conv2dSizes& s, const Tensor<T>& dy) {
  if constexpr (on_cuda<T>)
    if (dy.device().is_cuda()) return cuda::conv2d_bias_gradient(s, dy);
  return conv2d_bias_sums(s, dy);
}

}  // namespace detail

template <class T>
struct Conv2d {
  static constexpr std::string_view name = "conv2d";
  Conv2dOptions options;
  Saved<T> x, weight;  // for backward

  Tensor<T> forward(const Tensor<T>& input, const Tensor<T>& kernel, const Tensor<T>& bias) {
    const Conv2dSizes sizes(input.shape(), kernel.shape(), options);
    require<ShapeError>(!bias || bias.shape() == Shape{sizes.out}, "conv2d: bias expects ", Shape{sizes.out},
                        ", is ", bias.shape(), " (weight ", kernel.shape(), ")");
    x = input, weight = kernel;
    return detail::conv2d_compute(sizes, input, kernel, bias);
  }

  std::array<Tensor<T>, 3> backward(const Tensor<T>& dy, const Wanted<3>& wanted) const {
    const Conv2dSizes sizes(x.shape(), weight.shape(), options);
    return {wanted[0] ? detail::conv2d_data_gradient(sizes, weight.get(), dy) : Tensor<T>(),
            wanted[1] ? detail::conv2d_weight_gradient(sizes, x.get(), dy) : Tensor<T>(),
            wanted[2] ? detail::conv2d_bias_gradient(sizes, dy) : Tensor<T>()};
  }
};

// x [N,H,W,in], weight [kh,kw,in,out], bias [out] or absent -> y [N, (H+2p-kh)/s+1, (W+2p-kw)/s+1, out].
// Throws ShapeError where they do not fit.
template <class T>
Tensor<T> conv2d(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias,
                 Conv2dOptions options = {}) {
  return apply(Conv2d<T>{.options = options, .x = {}, .weight = {}}, x, weight, bias);
}

}  // namespace nlcl
