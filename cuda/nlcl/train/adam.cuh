// Adam's step and the moving average on a CUDA device.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "nlcl/core/block.cuh"
#include "nlcl/core/elementwise.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/train/adam.hpp"

namespace nlcl::cuda {

namespace detail {

inline constexpr int adam_threads = 256;
inline constexpr int adam_blocks = 256;  // at most, for one parameter
inline constexpr std::size_t adam_slots =
    64;  // in one launch: 2.5 KB of the 4 KB of arguments that there can be

struct AdamSlots {
  AdamSlot slot[adam_slots];
};

// A row of blocks for each parameter.
__global__ void adam_kernel(AdamUpdate<float> update, const AdamFactors<float>* factors, AdamSlots slots) {
  const AdamSlot& slot = slots.slot[block().y];
  for (std::int64_t i = grid_thread(); i < slot.size; i += grid_threads())
    update(*factors, slot.gradient[i], slot.mean[i], slot.square[i], slot.parameter[i]);
}

}  // namespace detail

void adam(const AdamUpdate<float>& update, const Tensor<AdamFactors<float>>& factors,
          const std::vector<AdamSlot>& slots) {
  for (std::size_t first = 0; first < slots.size(); first += detail::adam_slots) {
    const std::size_t count = std::min(detail::adam_slots, slots.size() - first);
    detail::AdamSlots some{};
    std::int64_t largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
      some.slot[i] = slots[first + i];
      largest = std::max(largest, some.slot[i].size);
    }
    const unsigned across =
        std::min<unsigned>(detail::adam_blocks, blocks_for(largest, detail::adam_threads));
    launch<detail::adam_kernel>({.device = factors.device(),
                                 .grid = {across, static_cast<unsigned>(count)},
                                 .block = detail::adam_threads},
                                update, factors.data(), some);
  }
}

template void update(Tensor<float>&, const Tensor<float>&, const MovingAverage<float>&);

}  // namespace nlcl::cuda
