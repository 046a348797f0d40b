// Devices and their streams.
#pragma once

#include <cuda_runtime.h>

#include "nlcl/core/error.hpp"

namespace nlcl::cuda {

template <class... What>
void check(cudaError_t status, const What&... what) {
  if (status != cudaSuccess) [[unlikely]] {
    cudaGetLastError();  // an error that is reported here is not reported again
    throw DeviceError(text(what..., ": ", cudaGetErrorString(status)));
  }
}

// Makes a device the current one for the length of a scope.
class UseDevice {
 public:
  explicit UseDevice(int device) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    if (before_ != device) check(cudaSetDevice(device), "cuda:", device);
    changed_ = before_ != device;
  }
  ~UseDevice() {
    if (changed_) cudaSetDevice(before_);
  }
  UseDevice(const UseDevice&) = delete;
  UseDevice& operator=(const UseDevice&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

// Each device has one stream. Its order is the order of all work on the device, so a block of memory may go back
// to the pool, and be handed out again, while a kernel that reads it has yet to run.
cudaStream_t stream(int device);

// A place in the order of a stream.
class Event {
 public:
  explicit Event(unsigned flags = cudaEventDisableTiming) {
    check(cudaEventCreateWithFlags(&event_, flags), "an event");
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  cudaEvent_t get() const { return event_; }
  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "an event"); }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace nlcl::cuda
