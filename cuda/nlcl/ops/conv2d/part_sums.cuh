// Sums of parts, in order: the end of dweight, and dbias.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/last_block.cuh"
#include "nlcl/core/shape.hpp"
#include "nlcl/ops/conv2d/shape.cuh"

namespace nlcl::cuda {

inline constexpr int sum_threads = 256, sum_lanes = sum_threads / warp_size;

// A block takes 32 columns; each of its eight warps has every eighth row. Returns the columns' sums to warp 0.
template <class T>
__device__ __forceinline__ double sum_of_column(const T* from, int rows, Index columns, Index column) {
  __shared__ SharedArray<double, sum_lanes, warp_size> sums;
  double sum = 0;
  for (int row = warp(); row < rows; row += sum_lanes)
    if (column < columns) sum += static_cast<double>(from[row * columns + column]);
  sums(warp(), lane()) = sum;
  block_sync();
  sum = 0;
  for (int i = 0; i < sum_lanes; ++i) sum += sums(i, lane());
  return sum;
}

// to[weight_place(i)] = the sum of partial[part, i] over all parts.
__global__ void sum_weight_parts(Conv2dShape s, int parts, const float* partial, float* to) {
  const int i = block().x * warp_size + lane(), size = s.depth() * s.out;
  const double sum = sum_of_column(partial, parts, size, i);
  if (warp() == 0 && i < size) to[s.weight_place(i / s.out, i % s.out)] = static_cast<float>(sum);
}

// Sums over all pixels, in double as on the CPU, for there may be a million of them. partial: [parts, channels]
__global__ void sum_pixels(int pixels, int parts, int channels, const float* dy, double* partial,
                           unsigned* tickets, float* to) {
  const int part = block().x, c = block().y * warp_size + lane();
  const auto first = static_cast<int>(Index{pixels} * part / parts);
  const auto last = static_cast<int>(Index{pixels} * (part + 1) / parts);
  const double sum = sum_of_column(dy + Index{first} * channels, last - first, channels, c);
  const bool stores = warp() == 0 && c < channels;
  if (stores) partial[part * channels + c] = sum;

  if (!is_last_block(tickets + block().y, parts)) return;
  const double total = sum_of_column(partial, parts, channels, c);
  if (stores) to[c] = static_cast<float>(total);
}

}  // namespace nlcl::cuda
