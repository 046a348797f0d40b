// The generator for inference on a CUDA device: a batch of images of one size, each of them whole, in four activation
// buffers. How it is made, and what it takes at best, stands in cuda/nlcl/model/cuda_plan.cuh.
#pragma once

#include <cstddef>
#include <vector>

#include "nlcl/core/device.hpp"
#include "nlcl/model/plan_schedule.hpp"

namespace nlcl {

namespace cuda {

// A convolution of layers 0 to 17.
struct PackedConvolution {
  Tensor<float> weight;  // as the tensor cores, or the registers, take it
  Tensor<float> bias;
};

}  // namespace cuda

class CudaPlan {
 public:
  // Packs and keeps the weights: later changes of the generator do not reach the plan, nor does a precision() that is
  // set later.
  explicit CudaPlan(const Generator<float>& generator);

  // x [N,H,W,3] in [-1,1] -> [N,H,W,3], unbounded, on the generator's device. Each image is treated alone: its bits do not
  // depend on the others, nor on how many there are. Throws ShapeError for another shape, DeviceError for another device.
  Tensor<float> operator()(const Tensor<float>& x) const;

  Precision precision() const { return precision_; }

  // Bytes that a batch of this size takes at the most: input, output, four activations, sums for the norms, weights.
  static std::size_t memory(Index batch, Index height, Index width, Precision precision);

  // Bytes of the four activation buffers for one image: nearly all that grows with the batch.
  static constexpr std::size_t activation_bytes(Index height, Index width, Precision precision) {
    const std::size_t number = precision == Precision::bf16 ? 2 : sizeof(float);
    return 4 * static_cast<std::size_t>(height * width * Generator<float>::channels) * number;
  }

 private:
  cuda::PackedConvolution head_;
  ConvLayer<float> tail_;
  std::vector<cuda::PackedConvolution> convolutions_;  // of layers 1 to 17
  bool has_skip_, norm_free_;
  Precision precision_ = Precision::float32;
};

}  // namespace nlcl
