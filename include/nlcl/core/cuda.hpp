// What the rest needs of CUDA: memory, copies, and work recorded once to be repeated. The target nlcl::cuda defines
// it; a program without that backend never gets here.
//
// A device does its work in the order in which it was asked, and later than it was asked. Only a copy to the CPU and
// synchronize() wait for it. All functions throw DeviceError for a device that fails.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "nlcl/core/device.hpp"
#include "nlcl/core/shape.hpp"

namespace nlcl {

class Pool;

namespace cuda {

int device_count();                  // 0 without a driver
int compute_capability(int device);  // 75, 80, 90, ...
int processors(int device);          // streaming multiprocessors
void synchronize(int device);
std::size_t free_memory(int device);  // bytes that nobody has taken

// Memory of a device. While a graph is being recorded, a pool that belongs to the graph.
Pool& pool(int device);

// From anywhere to anywhere. It has been done on return, except from one place to another on the same device.
void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes);

// `count` times the `value_bytes` bytes at `value`, which are a multiple of 4 and at most 16, or all 0.
void fill(void* to, const void* value, std::size_t value_bytes, Index count, int device);

// Work of a device that was recorded and can be repeated: the same kernels on the same addresses, so inputs are
// written to where they were. Memory that was taken while recording stays with the graph as long as it lives.
class Graph {
 public:
  Graph() = default;
  explicit operator bool() const { return recorded_ != nullptr; }
  void replay() const;

  struct Recorded;
  explicit Graph(std::shared_ptr<Recorded> recorded) : recorded_(std::move(recorded)) {}

 private:
  std::shared_ptr<Recorded> recorded_;
};

// From begin_recording() to end_recording(), or to cancel_recording(), the device only takes note of what it is asked.
// Nothing may wait for it meanwhile: no item(), no copy to the CPU or from it.
void begin_recording(int device);
Graph end_recording(int device);
void cancel_recording(int device) noexcept;

// The work that `work()` asks of the device.
template <class Work>
Graph record(int device, const Work& work) {
  begin_recording(device);
  try {
    work();
  } catch (...) {
    cancel_recording(device);
    throw;
  }
  return end_recording(device);
}

}  // namespace cuda

// Throws DeviceError unless `device` is there.
inline void require_available(const Device& device) {
  if (!device.is_cuda()) return;
  if constexpr (has_cuda) {
    const int count = cuda::device_count();
    require<DeviceError>(device.index >= 0 && device.index < count, "device: ", device,
                         " is not available, CUDA devices found: ", count);
  } else {
    throw DeviceError(text("device: ", device, " is not available, this program was built without CUDA"));
  }
}

}  // namespace nlcl
