// What core/stopwatch.hpp declares: two events with the time of the device.
#pragma once

#include <cuda_runtime.h>

#include "nlcl/core/cuda.hpp"
#include "nlcl/core/runtime.cuh"
#include "nlcl/core/stopwatch.hpp"

namespace nlcl::cuda {

struct Stopwatch::State {
  explicit State(int number) : device(number) {}

  void mark(Event& event) {
    require<DeviceError>(!is_recording(device), "cuda:", device,
                         ": a stopwatch cannot be recorded in a graph");
    const UseDevice use(device);
    event.record(stream(device));
  }

  int device;
  Event begin{cudaEventDefault}, end{cudaEventDefault};
};

Stopwatch::Stopwatch(int device) {
  const UseDevice use(device);
  state_ = std::make_shared<State>(device);
}

void Stopwatch::start() { state_->mark(state_->begin); }

double Stopwatch::stop() {
  state_->mark(state_->end);
  const UseDevice use(state_->device);
  check(cudaEventSynchronize(state_->end.get()), "cuda:", state_->device);
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, state_->begin.get(), state_->end.get()), "an event");
  return static_cast<double>(milliseconds) / 1e3;
}

}  // namespace nlcl::cuda
