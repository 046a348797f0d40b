// residual_block: the block that a generator is made of (He et al., "Deep residual learning", CVPR 2016), as one
// operation.
//
//     n = norm(conv(x, w1, b1))        y = x + norm(conv(relu(n), w2, b2))        norm: instance_norm, conv: 3x3, padding 1
//
// The same can be said with conv2d, instance_norm, relu and sum, and the tape would then keep four images for
// each block: both results of the norms, that of the ReLU, and y. Two of them follow from the others,
//
//     relu(n) from n        norm(conv(relu(n), ...)) = y - x
//
// so this operation keeps n alone, beside the x and y that its neighbours keep anyway. A generator's tape is half
// as long. The gradient is that of the parts, in reverse order; dx has two of them, through the block and past it.
// Those of the biases are zero: what they add to a channel, the norm takes away again.
//
// A GPU has kernels for the channels of the generator, and takes blocks of others as their parts.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/conv2d.hpp"
#include "nlcl/ops/instance_norm.hpp"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/sum.hpp"

namespace nlcl {

namespace detail {

// A convolution reads through the ReLU that comes before it, as detail::ReadPlain reads without one.
struct ReadRelu {
  template <class T>
  void operator()(const T* from, Index count, T* to) const {
    for (Index i = 0; i < count; ++i) to[i] = ReluValue{}(from[i]);
  }
};

}  // namespace detail

template <class T>
struct ResidualBlock;

namespace cuda {

inline constexpr Index residual_block_channels = 32;

struct ResidualBlockResult {
  Tensor<float> y;                                  // [N,H,W,32]
  Tensor<float> normalized;                         // n
  Tensor<float> second_normalized;                  // y - x as the second norm gave it, or absent
  Tensor<float> first_deviation, second_deviation;  // [N,32], 1 / deviation of both norms
  Precision precision;                              // of the products
  // In bf16 both results of the norms are kept in bf16, two numbers in a word, [N,H,W,16]: as much memory as n alone takes
  // in float, and less to read than x and y.
};

ResidualBlockResult residual_block(const Conv2dSizes& sizes, const Tensor<float>& x, const Tensor<float>& w1,
                                   const Tensor<float>& b1, const Tensor<float>& w2, const Tensor<float>& b2);
std::array<Tensor<float>, 5> residual_block_gradient(const ResidualBlock<float>& forward,
                                                     const Tensor<float>& dy, const Wanted<5>& wanted);

}  // namespace cuda

template <class T>
struct ResidualBlock {
  static constexpr std::string_view name = "residual_block";
  static constexpr Conv2dOptions same{.padding = 1};
  static constexpr Wanted<5> zero_gradients{false, false, true, false, true};  // of the biases
  Saved<T> x, y;                                                               // [N,H,W,C]
  Saved<T> first_weight, second_weight;                                        // [3,3,C,C]
  Saved<T> normalized;                                                         // [N,H,W,C], n
  Saved<T> second_normalized;                                                  // on a GPU, see there
  Saved<T> first_deviation, second_deviation;  // [N,C], 1 / deviation of both norms
  Precision precision{};                       // of the products, on a GPU

  Tensor<T> forward(const Tensor<T>& input, const Tensor<T>& w1, const Tensor<T>& b1, const Tensor<T>& w2,
                    const Tensor<T>& b2) {
    const Conv2dSizes sizes(input.shape(), w1.shape(), same);
    x = input, first_weight = w1, second_weight = w2;
    if constexpr (on_cuda<T>)
      if (input.device().is_cuda()) {
        const cuda::ResidualBlockResult result = cuda::residual_block(sizes, input, w1, b1, w2, b2);
        normalized = result.normalized, second_normalized = result.second_normalized, y = result.y;
        first_deviation = result.first_deviation, second_deviation = result.second_deviation;
        precision = result.precision;
        return result.y;
      }
    Tensor<T> n = detail::conv2d_compute(sizes, input, w1, b1);
    T* const n_data = n.mutable_data();
    first_deviation =
        detail::instance_normalize(n, instance_norm_eps, n_data, [](T value, Index) { return value; });
    Tensor<T> result = detail::conv2d_compute(sizes, n, w2, b2, detail::ReadRelu{});
    const T* const skip = input.data();
    T* const to = result.mutable_data();
    second_deviation = detail::instance_normalize(result, instance_norm_eps, to,
                                                  [=](T value, Index i) { return skip[i] + value; });
    normalized = n, y = result;
    return result;
  }

  std::array<Tensor<T>, 5> backward(const Tensor<T>& dy, const Wanted<5>& wanted) const {
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda()) return cuda::residual_block_gradient(*this, dy, wanted);
    const Conv2dSizes sizes(x.shape(), first_weight.shape(), same);
    const T *const in = x.get().data(), *const out = y.get().data(), *const n = normalized.get().data();
    std::array<Tensor<T>, 5> gradients;

    const T* const g = dy.data();
    const Tensor<T> second = detail::instance_norm_gradient(
        x.shape(), second_deviation.get(), [=](Index i) { return out[i] - in[i]; },
        [=](Index i) { return g[i]; });
    if (wanted[3])
      gradients[3] = detail::conv2d_weight_gradient(sizes, normalized.get(), second, detail::ReadRelu{});
    if (!wanted[0] && !wanted[1]) return gradients;

    const Tensor<T> hidden = detail::conv2d_data_gradient(sizes, second_weight.get(), second);
    const T* const h = hidden.data();
    const Tensor<T> first = detail::instance_norm_gradient(
        x.shape(), first_deviation.get(), [=](Index i) { return n[i]; },
        [=](Index i) { return ReluGradient{}(n[i], h[i]); });  // both values are read: it can be vectorised
    if (wanted[1]) gradients[1] = detail::conv2d_weight_gradient(sizes, x.get(), first);
    if (wanted[0]) {
      gradients[0] = detail::conv2d_data_gradient(sizes, first_weight.get(), first);
      add_to(gradients[0], dy);
    }
    return gradients;
  }
};

// x [N,H,W,C], weights [3,3,C,C], biases [C] -> y of x's shape. Throws ShapeError where they do not fit.
template <class T>
Tensor<T> residual_block(const Tensor<T>& x, const Tensor<T>& first_weight, const Tensor<T>& first_bias,
                         const Tensor<T>& second_weight, const Tensor<T>& second_bias) {
  require<ShapeError>(x.shape().rank() == 4, "residual_block: x expects [N,H,W,C], is ", x.shape());
  const Index channels = x.shape()[3];
  const Shape weight{3, 3, channels, channels}, bias{channels};
  for (const auto& [found, expected] :
       {std::pair(first_weight, weight), {second_weight, weight}, {first_bias, bias}, {second_bias, bias}})
    require<ShapeError>(found.shape() == expected, "residual_block: expects weights ", weight, " and biases ",
                        bias, " for x ", x.shape(), ", one is ", found.shape());
  if (x.device().is_cuda() && channels != cuda::residual_block_channels) {
    constexpr Conv2dOptions same = ResidualBlock<T>::same;
    const Tensor<T> hidden = relu(instance_norm(conv2d(x, first_weight, first_bias, same)));
    return sum(x, instance_norm(conv2d(hidden, second_weight, second_bias, same)));
  }
  return apply(ResidualBlock<T>{}, x, first_weight, first_bias, second_weight, second_bias);
}

}  // namespace nlcl
