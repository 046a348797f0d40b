// Sums over all elements on a device: ordered_sum() of core/reduce.hpp.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/last_block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/tensor.hpp"

namespace nlcl::cuda {

namespace detail {

inline constexpr int reduce_threads = 256;
inline constexpr Index reduce_per_block = 8 * reduce_threads;  // at least, and at most reduce_blocks blocks
inline constexpr Index reduce_blocks = 1024;

template <class F, class Finish>
__global__ void ordered_sum_kernel(F f, std::int64_t count, double* partial, unsigned* ticket, Finish finish,
                                   float* to) {
  double sum = 0;
  for (std::int64_t i = grid_thread(); i < count; i += grid_threads()) sum += f(i);
  sum = block_sum<reduce_threads>(sum);
  if (thread().x == 0) partial[block().x] = sum;

  if (!is_last_block(ticket, grid_size().x)) return;
  sum = 0;
  for (int i = thread().x; i < grid_size().x; i += reduce_threads) sum += partial[i];
  sum = block_sum<reduce_threads>(sum);
  if (thread().x == 0) *to = finish(sum);
}

}  // namespace detail

// finish(the sum of f(i) for i in 0 .. count-1, in double), a scalar on the device. Which thread adds what, and the
// order in which the parts are added, follow from `count` alone. f and finish are structs with an operator() of the
// device.
template <class F, class Finish>
Tensor<float> ordered_sum(Device device, Index count, const F& f, const Finish& finish) {
  const Index blocks = std::min(detail::reduce_blocks, Index{blocks_for(count, detail::reduce_per_block)});
  Tensor<double> partial({blocks}, device);
  Tensor<float> result({}, device);
  launch<detail::ordered_sum_kernel<F, Finish>>(
      {.device = device, .grid = static_cast<unsigned>(blocks), .block = detail::reduce_threads}, f,
      std::int64_t{count}, partial.mutable_data(), tickets(device, 1), finish, result.mutable_data());
  return result;
}

}  // namespace nlcl::cuda
