// The weight of a convolution in the order in which its lanes read it.
#pragma once

#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/shape.cuh"

namespace nlcl::cuda {

// In shared memory a pixel has planes of four slots, 16 words: 16 channels, or 32 in bf16. The weight of a plane, a
// tap and 32 output channels is a panel of 128 slots, in the order in which lanes read it:
//
//     tensor cores   [4 products][8 columns][4 members]: a lane's slot is its part of B for two instructions, where
//                    word j of member m is row m or m + 4 of the first, and then of the second: 4 * m + j of the plane
//     float32        [16 channels][8 slots of output channels]
inline constexpr int panel_slots = 128;

struct Packing {
  int planes, taps, across;  // across: panels side by side in a block
  bool windows;              // taps is 1, and the channels are the numbers of a window
};

// to: [out / (32 * across)][planes][taps][across] panels, zeros where weight has nothing.
template <class Format>
__global__ void pack_weight(Conv2dShape s, Packing p, int slots, const float* weight, uint4* to) {
  const auto slot = static_cast<int>(grid_thread());
  if (slot >= slots) return;
  int panel = slot / panel_slots;
  const int side = panel % p.across;
  panel /= p.across;
  const int tap = panel % p.taps;
  panel /= p.taps;
  const int plane = panel % p.planes, first = (panel / p.planes * p.across + side) * 32;
  const int channels = p.windows ? s.depth() : s.in;

  const auto value = [&](int c, int o) {
    const bool exists = c < channels && o < s.out;
    return exists ? weight[s.weight_place(tap * channels + c, o)] : 0.0f;
  };
  Vector<4> v[Format::pair];
  int within = slot % panel_slots;
  if constexpr (Format::on_tensor_cores) {  // neighbouring threads take neighbouring output channels
    const int o = within % 32, member = within / 32;
    NLCL_UNROLL
    for (int k = 0; k < 4 * Format::pair; ++k)
      v[k / 4][k % 4] = value((plane * 16 + member * 4) * Format::pair + k, first + o);
    within = (o % 4 * 8 + o / 4) * 4 + member;
  } else {
    NLCL_UNROLL
    for (int k = 0; k < 4; ++k) v[0][k] = value(plane * 16 + within / 8, first + within % 8 * 4 + k);
  }
  to[slot / panel_slots * panel_slots + within] = slot_of_channels<Format>(v);
}

}  // namespace nlcl::cuda
