// conv2d on the GPU (ops/conv2d.hpp has the formulas).
//
// A convolution is a product of matrices, [pixels, kh * kw * in] x [kh * kw * in, out], whose left matrix is never
// written down (implicit GEMM). A block computes a tile of pixels for 32 or 64 output channels. It reads the part
// of x that the tile sees, with its margin, into shared memory once; every tap of the kernel is then a product with
// the same numbers, seen from a place further on. So there are three kernels,
//
//     conv2d_tiles            y, and dx, which is a convolution with the weight turned round
//     conv2d_block            the same for 3x3 of 32 channels, of sources that compute what they read
//     conv2d_weight_sums      dweight, a product over the pixels: each part of them sums for itself, parts are then
//                             added in order
//
// which multiply in one of three formats: bf16 or tf32 on the tensor cores, or float32. Numbers are rounded as they
// are written to shared memory; sums are float32 always. conv2d_dot computes images of one or three channels.
//
// They are in conv2d/, in the order in which they are read best: shape and choice; formats, source, packed_weight and
// result, which the kernels share; the kernels, tiles, block_tiles, dot, weight_sums and part_sums; tile_statistics, what
// tiles tell the norm that follows; and launch.
//
// What the generator's convolutions can take at best, 3x3, 32 to 32 channels on 512 x 1024 pixels:
//
//     operations   512 * 1024 * 9 * 32 * 32 * 2 = 9.7 GFLOP      10 us at 990 TFLOP/s (bf16), 20 us at 495 (tf32)
//     bytes        512 * 1024 * (32 + 32) * 4 = 134 MB           28 us at 4.8 TB/s (H200), 40 us at 3.35 (H100)
//
// so memory sets the pace on the tensor cores, and float32 at 67 TFLOP/s would take 144 us. A block of 16 x 16 pixels
// reads 18 * 18 * 32 numbers for 256 * 32 of the result, a quarter more than once, mostly out of the L2 cache.
#pragma once

#include <algorithm>

#include "nlcl/core/launch.cuh"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/conv2d.hpp"
#include "nlcl/ops/conv2d/choice.cuh"
#include "nlcl/ops/conv2d/dot.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/launch.cuh"
#include "nlcl/ops/conv2d/part_sums.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/conv2d/source.cuh"
#include "nlcl/ops/conv2d/tile_statistics.cuh"
#include "nlcl/ops/conv2d/tiles.cuh"

namespace nlcl::cuda {

inline Tensor<float> conv2d_compute(const Conv2dShape& s, const Tensor<float>& x, const Tensor<float>& weight,
                                    const Tensor<float>& bias, const Tensor<float>& plus = {}) {
  Tensor<float> y({s.batch, s.out_height, s.out_width, s.out}, x.device());
  const PlainSource<float> source{x.data()};
  const TensorResult to{y.mutable_data(), plus ? plus.data() : nullptr};
  const Conv2dChoice choice = choose_conv2d(s, x.device());
  const auto tiles = [&]<class Tile>() {
    with_format(choice.precision, [&]<class Format>() {
      const TilePlan p = tile_plan<Tile>(s, Format::pair);
      launch_tiles<Format, Tile>(s, p, source, packed_weight<Format, Tile>(s, p, weight), bias, to);
    });
  };
  switch (choice.kernel) {
    case Conv2dKernel::dot_1:
      launch_dot<DotTile<1, 8, 4>>(s, source, weight, bias, to);
      break;
    case Conv2dKernel::dot_3:
      launch_dot<DotTile<3, 8, 4>>(s, source, weight, bias, to);
      break;
    case Conv2dKernel::deep_dot_1:
      launch_dot<DotTile<1, 32, 1>>(s, source, weight, bias, to);
      break;
    case Conv2dKernel::deep_dot_3:
      launch_dot<DotTile<3, 32, 1>>(s, source, weight, bias, to);
      break;
    case Conv2dKernel::block_tiles:
      with_format(choice.precision, [&]<class Format>() {
        launch_block<Format>(s, block_plan(s), source, block_panels<Format>(s, weight), bias, to);
      });
      break;
    case Conv2dKernel::narrow_tiles:
      tiles.template operator()<NarrowTile>();
      break;
    case Conv2dKernel::wide_tiles:
      tiles.template operator()<WideTile>();
      break;
    case Conv2dKernel::small_tiles:
      tiles.template operator()<SmallTile>();
      break;
  }
  return y;
}

Tensor<float> conv2d(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& weight,
                     const Tensor<float>& bias) {
  return conv2d_compute(conv2d_shape(s), x, weight, bias);
}

Tensor<float> conv2d_data_gradient(const Conv2dSizes& s, const Tensor<float>& weight, const Tensor<float>& dy,
                                   const Tensor<float>& plus) {
  return conv2d_compute(turned(conv2d_shape(s)), dy, weight, {}, plus);
}

Tensor<float> conv2d_weight_gradient(const Conv2dSizes& sizes, const Tensor<float>& x,
                                     const Tensor<float>& dy) {
  Tensor<float> dweight(sizes.weight(), dy.device());
  const Conv2dShape s = conv2d_shape(sizes);
  const Conv2dChoice choice = choose_conv2d(s, dy.device());
  const PlainSource<float> of_x{x.data()}, of_dy{dy.data()};
  with_format(choice.precision, [&]<class Format>() {
    if constexpr (!Format::on_tensor_cores)
      if (choice.sums_are_turned) return launch_weight_sums<Format>(turned(s), of_dy, of_x, dweight);
    launch_weight_sums<Format>(s, of_x, of_dy, dweight);
  });
  return dweight;
}

Tensor<float> conv2d_bias_gradient(const Conv2dSizes& sizes, const Tensor<float>& dy) {
  const Conv2dShape s = conv2d_shape(sizes);
  const int parts = std::clamp(s.pixels() / 256, 1, 2 * enough_blocks);
  Tensor<double> partial({parts, s.out}, dy.device());
  Tensor<float> dbias({s.out}, dy.device());
  const unsigned columns = blocks_for(s.out, warp_size);
  launch<sum_pixels>(
      {.device = dy.device(), .grid = dim3(static_cast<unsigned>(parts), columns), .block = sum_threads},
      s.pixels(), parts, s.out, dy.data(), partial.mutable_data(), tickets(dy.device(), columns),
      dbias.mutable_data());
  return dbias;
}

}  // namespace nlcl::cuda
