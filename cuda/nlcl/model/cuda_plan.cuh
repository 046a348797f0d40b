// The generator for inference on the GPU (model/cuda_plan.hpp): each pass of model/plan_schedule.hpp is one convolution of
// ops/conv2d.cuh, which normalises, clips or sums what it reads, and takes the statistics of the next norm from what it
// writes: a launch for each convolution.
//
// Unlike on the CPU a result cannot overwrite what it is made of: blocks read one pixel beyond their tile, and nobody
// knows whether the neighbour has been there already. Hence four buffers instead of two: a pass writes y' and, where it
// keeps the residual sum, x', which then change places with y and x. Activations are stored in bf16 when that is what
// the convolutions multiply in, else in float32.
//
// What it takes at best, for 512 x 1024 pixels. S is one buffer: 33.6 MB in bf16, 67.1 MB in float32.
//
//     bytes        S for head and tail each, 2 + 2 S for the first block (it has no sum to read or keep), 4 + 2 S for
//                  each of the other 15, 3 + 2 S for layer 17, whose sum nobody needs; 6.3 MB for image and result each
//                  101 S + 13 MB = 3.4 GB in bf16, 6.8 GB in float32
//     operations   34 * 9.66 GFLOP + 2 * 0.91 GFLOP = 330 GFLOP
//
//     H200         bytes, at 4.8 TB/s      operations
//     bf16         0.71 ms                 0.33 ms at 990 TFLOP/s
//     tf32         1.41 ms                 0.67 ms at 495 TFLOP/s
//     float32      1.41 ms                 4.9 ms at 67 TFLOP/s
//
// So memory sets the pace on the tensor cores. With norm, ReLU and sum as passes of their own, a block would move 15 S
// instead of 6. A tile of 16 x 16 pixels reads 18 x 18, a quarter more than is counted here, but out of the L2 cache.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "nlcl/core/block.cuh"
#include "nlcl/core/channel_statistics.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/model/cuda_plan.hpp"
#include "nlcl/model/generator.hpp"
#include "nlcl/ops/conv2d.cuh"
#include "nlcl/ops/conv2d/tile_statistics.cuh"

namespace nlcl::cuda {

inline constexpr int plan_channels = static_cast<int>(Generator<float>::channels);
static_assert(plan_channels == tile_channels);

// ---- What a convolution sees in place of what is stored ----

// x + norm(y)
template <class Number>
struct ResidualSource {
  PlainSource<Number> skip;
  NormSource<Number> norm;
  Number* sum;  // where it is kept; may be null

  template <int Width>
  __device__ __forceinline__ auto channels(int n, int c) const {
    return norm.template channels<Width>(n, c);
  }
  template <int Width>
  __device__ __forceinline__ auto fetch(Index offset) const {
    return Both{skip.template fetch<Width>(offset), norm.template fetch<Width>(offset)};
  }
  template <class Fetched, int Width>
  __device__ __forceinline__ Vector<Width> value(const Fetched& fetched,
                                                 const ScaleShift<Width>& channels) const {
    Vector<Width> value = norm.value(fetched.second, channels);
    const Vector<Width> x = numbers(fetched.first);
    NLCL_UNROLL
    for (int k = 0; k < Width; ++k) value[k] += x[k];
    return value;
  }
  template <class Fetched, int Width>
  __device__ __forceinline__ void keep(Index offset, const Fetched& fetched,
                                       const ScaleShift<Width>& channels) const {
    if (sum) store(sum + offset, value(fetched, channels));
  }
};

// ---- The plan ----

namespace detail {

using PlanTile = NarrowTile;

// The convolutions of layers 0 to 17, of x [N,H,W,C].
inline Conv2dShape plan_shape(const Shape& x) {
  return conv2d_shape({x, {3, 3, x[3], plan_channels}, {.padding = 1}});
}

// One run of the plan: its buffers, and what is launched on them.
template <class Format>
class PlanRun {
 public:
  using Number = StoredAs<Format>;

  PlanRun(const Tensor<float>& image, const PackedConvolution& head, const ConvLayer<float>& tail,
          bool norm_free, Tensor<float>& result)
      : image_(image),
        head_(head),
        tail_(tail),
        result_(result),
        shape_(plan_shape({image.shape()[0], image.shape()[1], image.shape()[2], plan_channels})),
        tiles_(block_plan(shape_)),
        sums_(image.shape()[0], tiles_, image.device()) {
    for (auto* buffer : {&x_, &next_x_, &y_, &next_y_})
      *buffer = Tensor<Number>({image.shape()[0], image.shape()[1], image.shape()[2], plan_channels},
                               image.device());
    const Index batch = image.shape()[0];
    if (norm_free)
      norm_ = {Tensor<float>::zeros({batch, plan_channels}, image.device()),
               Tensor<float>::full({batch, plan_channels}, 1, image.device())};
    else
      for (ChannelStatistics* norm : {&norm_, &next_norm_}) *norm = {batch, plan_channels, image.device()};
  }

  void head() {
    const Conv2dShape s = plan_shape(image_.shape());
    launch_tiles<Float32, PlanTile>(s, tile_plan<PlanTile>(s, Float32::pair),
                                    PlainSource<float>{image_.data()}, head_.weight, head_.bias,
                                    StoredResult<Number>{.y = x_.mutable_data()});
  }

  void first_pass(const PackedConvolution& conv, bool norm_follows) {
    pass(PlainSource<Number>{x_.data()}, conv, norm_follows);
  }

  void residual_pass(const PackedConvolution& conv, bool sum_is_kept, bool norm_follows) {
    pass(ResidualSource<Number>{{x_.data()}, norm_source(), sum_is_kept ? next_x_.mutable_data() : nullptr},
         conv, norm_follows);
    if (sum_is_kept) std::swap(x_, next_x_);
  }

  void activation_pass(const PackedConvolution& conv, bool norm_follows) {
    pass(ReluSource<NormSource<Number>, Number>{norm_source()}, conv, norm_follows);
  }

  void tail() {
    const Conv2dShape s = conv2d_shape({y_.shape(), tail_.weight.shape(), tail_.options});
    launch_dot<DotTile<3, 8, 4>>(s, PlainSource<Number>{y_.data()}, tail_.weight, tail_.bias,
                                 TensorResult{result_.mutable_data()});
  }

 private:
  template <class Source>
  void pass(const Source& source, const PackedConvolution& conv, bool norm_follows) {
    StoredResult<Number> result{.y = next_y_.mutable_data()};
    if (norm_follows) result.statistics = sums_.statistics(next_norm_);
    tiles_.backward = !tiles_.backward;
    launch_block<Format>(shape_, tiles_, source, conv.weight, conv.bias, result);
    if (norm_follows) std::swap(norm_, next_norm_);
    std::swap(y_, next_y_);
  }

  NormSource<Number> norm_source() const {
    return {y_.data(), norm_.mean.data(), norm_.inverse_deviation.data()};
  }

  const Tensor<float>& image_;
  const PackedConvolution& head_;
  const ConvLayer<float>& tail_;
  Tensor<float>& result_;
  Conv2dShape shape_;
  BlockPlan tiles_;
  Tensor<Number> x_, next_x_, y_, next_y_;  // [N,H,W,32]
  TileSums sums_;
  ChannelStatistics norm_, next_norm_;  // of y and next_y
};

}  // namespace detail

}  // namespace nlcl::cuda

namespace nlcl {

CudaPlan::CudaPlan(const Generator<float>& generator)
    : tail_(detail::with_own_values(generator.tail)),
      has_skip_(generator.has_skip()),
      norm_free_(generator.is_norm_free()) {
  using namespace cuda;
  using Tile = cuda::detail::PlanTile;
  const auto packed = [&]<class Format>(const ConvLayer<float>& conv) {
    const Conv2dShape s = cuda::detail::plan_shape({1, 1, 1, conv.weight.shape()[2]});
    return PackedConvolution{packed_weight<Format, Tile>(s, tile_plan<Tile>(s, Format::pair), conv.weight),
                             conv.bias.clone()};
  };
  head_ = packed.template operator()<Float32>(generator.head);
  precision_ =
      choose_conv2d(cuda::detail::plan_shape({1, 1, 1, plan_channels}), tail_.weight.device()).precision;
  with_format(precision_, [&]<class Format>() {
    for (const auto& pair : generator.pairs)
      for (const ConvLayer<float>* conv : {&pair.first, &pair.second})
        convolutions_.push_back(packed.template operator()<Format>(*conv));
  });
}

Tensor<float> CudaPlan::operator()(const Tensor<float>& x) const {
  detail::require_images(x, tail_.weight.device());
  Tensor<float> result(x.shape(), x.device());
  cuda::with_format(precision_, [&]<class Format>() {
    cuda::detail::PlanRun<Format> run(x, head_, tail_, norm_free_, result);
    run_schedule(run, convolutions_, !norm_free_);
  });
  if (has_skip_) add_to(result, x);
  return result;
}

std::size_t CudaPlan::memory(Index batch, Index height, Index width, Precision precision) {
  using Tile = cuda::detail::PlanTile;
  constexpr Index channels = cuda::plan_channels,
                  convolutions = 2 * (Index{Generator<float>::residual_blocks} + 1);
  const Index number = precision == Precision::bf16 ? sizeof(cuda::StoredBf16) : sizeof(float);
  const Index pixels = batch * height * width;
  const Index tiles =
      batch * ((height + Tile::rows - 1) / Tile::rows) * ((width + Tile::columns - 1) / Tile::columns);
  const Index images = 2 * pixels * Generator<float>::image_channels * Index{sizeof(float)};
  const Index weights = convolutions * 9 * channels * channels * number;
  const Index sums = tiles * channels * Index{sizeof(cuda::StripSums) + sizeof(cuda::JoinedSums) / 4};
  const Index small = (Index{1} << 16) + 1024 * batch;  // biases, head, tail, statistics
  return static_cast<std::size_t>(batch) * activation_bytes(height, width, precision) +
         static_cast<std::size_t>(images + weights + sums + small);
}

}  // namespace nlcl
