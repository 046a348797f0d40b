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

int device_count();                   // 0 without a driver
int compute_capability(int device);   // 75, 80, 90, ...
int processors(int device);           // streaming multiprocessors
void synchronize(int device);         // returns when the device has done all that it has been asked for
std::size_t free_memory(int device);  // bytes that nobody has taken

// Whether every launch of a kernel waits for its end, so that a fault is reported under the name of the kernel that made
// it. Otherwise it is found by whatever the device is asked for next, which then throws DeviceError under a name of its
// own. NLCL_SYNC=1 in the environment says so from the start. It takes time: device and CPU work in turn.
//
// While a graph is recorded no kernel runs, and a launch does not wait; replay() does, but cannot tell which of the
// graph's kernels failed. So whoever records what could be computed at once should ask, and compute it.
bool is_synchronous();
void set_synchronous(bool synchronous);

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
// Nothing may wait for it meanwhile: no item(), no copy to the CPU or from it, no events, no other graph. What it takes
// of memory is never given up for another size: kernels that were recorded write to it, used or not. So an allocation
// that fails throws MemoryError.
//
// end_recording() throws DeviceError if something was asked for that cannot be recorded. cancel_recording() forgets what
// was recorded, if there is anything, and gives its memory back; the device then works as before.
void begin_recording(int device);
Graph end_recording(int device);
void cancel_recording(int device) noexcept;
bool is_recording(int device);

// The work that `work()` asks of the device. Throws what work() throws, and what end_recording() throws.
template <class Work>
Graph record(int device, const Work& work) {
  begin_recording(device);
  try {
    work();
    return end_recording(device);
  } catch (...) {
    cancel_recording(device);
    throw;
  }
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
