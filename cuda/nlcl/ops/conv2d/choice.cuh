// Which kernel computes a convolution, and in which numbers.
#pragma once

#include "nlcl/core/cuda.hpp"
#include "nlcl/core/device.hpp"
#include "nlcl/ops/conv2d/shape.cuh"

namespace nlcl::cuda {

inline constexpr int most_shared_slots = (64 << 10) / 16;  // of a block, on every device
inline constexpr int enough_blocks = 128;                  // to keep a large device busy

enum class Conv2dKernel {
  dot_1,
  dot_3,
  deep_dot_1,
  deep_dot_3,
  block_tiles,
  narrow_tiles,
  wide_tiles,
  small_tiles
};

struct Conv2dChoice {
  Precision precision;
  Conv2dKernel kernel;   // of y
  bool sums_are_turned;  // dweight is computed as the turned convolution's, with x and dy exchanged
};

// 3x3 from 32 channels to 32, of an image that stays as large as it is: the convolutions of residual blocks.
inline bool is_of_a_block(const Conv2dShape& s) {
  return s.in == tile_channels && s.out == tile_channels && s.kernel_height == 3 && s.kernel_width == 3 &&
         s.stride == 1 && s.spread == 1 && s.top == 1 && s.left == 1;
}

// The one place where kernels are chosen: by sizes, by precision() and by what the device can.
inline Conv2dChoice choose_conv2d(const Conv2dShape& s, Device device) {
  using enum Conv2dKernel;
  Conv2dChoice choice{};

  // Few multiplications, and on the image itself: float32.
  const bool from_image = s.in <= 4, to_image = s.out <= 4;
  const bool has_tensor_cores = compute_capability(device.index) >= 80;
  choice.precision = from_image || to_image || !has_tensor_cores ? Precision::float32 : precision();

  const bool weight_fits = s.depth() * s.out <= most_shared_slots / 2 * 4;
  const bool deep = s.in >= 128;  // few pixels, many channels: a warp for each pixel
  const int wide_blocks =
      s.batch * ceil_divide(s.out_height, 8) * ceil_divide(s.out_width, 16) * ceil_divide(s.out, 64);
  if (s.out == 1 && s.in % 4 == 0 && weight_fits)
    choice.kernel = deep ? deep_dot_1 : dot_1;
  else if (s.out == 3 && s.in % 4 == 0 && weight_fits)
    choice.kernel = deep ? deep_dot_3 : dot_3;
  else if (is_of_a_block(s))
    choice.kernel = block_tiles;
  else if (s.out <= 32)
    choice.kernel = narrow_tiles;
  else
    choice.kernel = wide_blocks >= enough_blocks ? wide_tiles : small_tiles;

  choice.sums_are_turned = to_image && !from_image;
  return choice;
}

}  // namespace nlcl::cuda
