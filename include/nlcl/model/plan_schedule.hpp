// What a plan runs, on whatever device and in however many buffers: the generator's layers (model/generator.hpp) as
// passes, each of which is one convolution over all of an image.
//
//     head                x <- conv(image)
//     first_pass          y <- conv(x)                   of layer 1
//     residual_pass       y <- conv(x + norm(y))         of layers 2 to 17; the sum, which is the block's output, is x
//                                                        from then on. After layer 17 nobody needs it
//     activation_pass     y <- conv(relu(norm(y)))       the second convolution of layers 1 to 17
//     tail                result <- conv(y)              + image with a skip
//
// What the layers put between two convolutions, norm, ReLU and residual sum, is computed while a pass reads. The
// statistics of the next norm are taken while a pass writes, if a norm follows. A generator without norms goes the same
// way with mean 0 and deviation 1 throughout, and nothing is taken.
#pragma once

#include <cstddef>
#include <vector>

#include "nlcl/model/generator.hpp"

namespace nlcl {

// Calls the passes of `run` in their order. `convolutions` are those of layers 1 to 17, two of each, in whatever form
// the run takes them. Without norms none follows anywhere.
template <class Run, class Convolution>
void run_schedule(Run& run, const std::vector<Convolution>& convolutions, bool has_norms) {
  run.head();
  for (std::size_t i = 0; i < convolutions.size(); i += 2) {
    const bool is_last = i + 2 == convolutions.size();
    if (i == 0)
      run.first_pass(convolutions[i], /*norm_follows=*/has_norms);
    else
      run.residual_pass(convolutions[i], /*sum_is_kept=*/!is_last, /*norm_follows=*/has_norms);
    run.activation_pass(convolutions[i + 1], /*norm_follows=*/has_norms && !is_last);
  }
  run.tail();
}

namespace detail {

// x [N,H,W,3] on `device`. Throws ShapeError for another shape, DeviceError for another device.
inline void require_images(const Tensor<float>& x, Device device) {
  require<ShapeError>(
      x.shape().rank() == 4 && x.shape()[3] == Generator<float>::image_channels && x.size() > 0,
      "generator: x expects [N,H,W,3], is ", x.shape());
  require<DeviceError>(x.device() == device, "generator: x is on ", x.device(), ", the plan on ", device);
}

// A plan keeps weights of its own: the generator may change.
inline ConvLayer<float> with_own_values(ConvLayer<float> layer) {
  layer.weight = layer.weight.clone();
  layer.bias = layer.bias.clone();
  return layer;
}

}  // namespace detail

}  // namespace nlcl
