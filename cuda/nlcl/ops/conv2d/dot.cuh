// conv2d_dot: y of one or three channels, always in float32.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/result.cuh"
#include "nlcl/ops/conv2d/shape.cuh"
#include "nlcl/ops/conv2d/source.cuh"

namespace nlcl::cuda {

// By dot products along the channels: `Lanes` lanes share the window of a pixel, and make `Pixels` neighbours.
template <int Out, int Lanes, int Pixels>
struct DotTile {
  static constexpr int out = Out, lanes = Lanes, pixels = Pixels, threads = 256;
};

template <class Tile, class Source>
__global__ void __launch_bounds__(Tile::threads, 4)
    conv2d_dot(Conv2dShape s, Source x, const float* __restrict__ weight, const float* __restrict__ bias,
               TensorResult y) {
  const DynamicShared<float> panel = dynamic_shared<float>(s.depth() * Tile::out);  // [taps][out][in]
  for (int i = thread().x; i < s.depth() * Tile::out; i += Tile::threads) {
    const int c = i % s.in, o = i / s.in % Tile::out, tap = i / s.in / Tile::out;
    panel[i] = weight[s.weight_place(tap * s.in + c, o)];
  }
  block_sync();

  const int member = thread().x % Tile::lanes;
  const int per_row = (s.out_width + Tile::pixels - 1) / Tile::pixels;
  const int group = (block().x * Tile::threads + thread().x) / Tile::lanes;
  const int n = group / per_row / s.out_height, row = group / per_row % s.out_height;
  const int column = group % per_row * Tile::pixels;
  const bool exists = n < s.batch;  // all lanes go on, the sums need them
  const PixelReader<Source> reader(x, s, exists ? n : 0);
  float sums[Tile::pixels][Tile::out]{};
  if (exists)
    for (int tap = 0; tap < s.taps(); ++tap) {
      const int top = row * s.stride - s.top + tap / s.kernel_width;
      const int left = column * s.stride - s.left + tap % s.kernel_width;
      for (int c = member * 4; c < s.in; c += Tile::lanes * 4) {
        Vector<4> w[Tile::out];
        NLCL_UNROLL
        for (int o = 0; o < Tile::out; ++o) w[o] = panel.as<Vector<4>>((tap * Tile::out + o) * s.in + c);
        NLCL_UNROLL
        for (int i = 0; i < Tile::pixels; ++i) {
          const Vector<4> value = reader.template pixel<4>(top, left + i * s.stride, c);
          NLCL_UNROLL
          for (int o = 0; o < Tile::out; ++o) {
            NLCL_UNROLL
            for (int k = 0; k < 4; ++k) sums[i][o] += value[k] * w[o][k];
          }
        }
      }
    }
  NLCL_UNROLL
  for (int i = 0; i < Tile::pixels; ++i) {
    NLCL_UNROLL
    for (int o = 0; o < Tile::out; ++o) {
      NLCL_UNROLL
      for (int bits = Tile::lanes / 2; bits > 0; bits /= 2) sums[i][o] += shuffle_xor(sums[i][o], bits);
      const bool stores = member == (i * Tile::out + o) % Tile::lanes;
      if (stores && exists && column + i < s.out_width)
        y.store(Index{(n * s.out_height + row) * s.out_width + column + i} * Tile::out + o,
                sums[i][o] + (bias ? bias[o] : 0.0f));
    }
  }
}

}  // namespace nlcl::cuda
