// Adam's step and the moving average on a CUDA device.
#pragma once

#include <vector>

#include "nlcl/core/slots.cuh"
#include "nlcl/train/adam.hpp"

namespace nlcl::cuda {

__global__ void adam_kernel(AdamUpdate<float> update, const AdamFactors<float>* factors,
                            SlotTable<AdamSlot> slots) {
  slots.each([&](const AdamSlot& slot, std::int64_t i) {
    update(*factors, slot.gradient[i], slot.mean[i], slot.square[i], slot.parameter[i]);
  });
}

void adam(const AdamUpdate<float>& update, const Tensor<AdamFactors<float>>& factors,
          const std::vector<AdamSlot>& slots) {
  launch_slots<adam_kernel>(factors.device(), slots, update, factors.data());
}

__global__ void average_kernel(MovingAverage<float> average, SlotTable<AverageSlot> slots) {
  slots.each(
      [&](const AverageSlot& slot, std::int64_t i) { slot.mean[i] = average(slot.mean[i], slot.value[i]); });
}

void update_averages(Device device, const MovingAverage<float>& average,
                     const std::vector<AverageSlot>& slots) {
  launch_slots<average_kernel>(device, slots, average);
}

}  // namespace nlcl::cuda
