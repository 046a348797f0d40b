// What core/copy_stream.hpp declares: a second stream, and events between the two.
#pragma once

#include <cuda_runtime.h>

#include "nlcl/core/copy_stream.hpp"
#include "nlcl/core/cuda.hpp"
#include "nlcl/core/runtime.cuh"

namespace nlcl::cuda {

PinnedMemory::PinnedMemory(std::size_t bytes) : bytes_(bytes) {
  void* block = nullptr;
  const cudaError_t status = cudaHostAlloc(&block, bytes, cudaHostAllocPortable);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw MemoryError(text("memory: ", bytes, " bytes of pinned memory cannot be had"));
  }
  check(status, "pinned memory");
  block_ = std::shared_ptr<void>(block, [](void* memory) { cudaFreeHost(memory); });
}

struct CopyStream::State {
  explicit State(int number) : device(number) {
    const UseDevice use(device);
    stream(device);  // comes first
    check(cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking), "cuda:", device, ": a stream");
  }
  ~State() {
    cudaStreamSynchronize(copies);
    cudaStreamDestroy(copies);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // What comes next on `later` begins after all that is on `earlier`.
  void order(cudaStream_t earlier, cudaStream_t later) {
    require<DeviceError>(!is_recording(device), "cuda:", device,
                         ": an order of two streams cannot be recorded in a graph");
    const UseDevice use(device);
    Event event;  // CUDA keeps an event that is waited for
    event.record(earlier);
    check(cudaStreamWaitEvent(later, event.get(), 0), "cuda:", device);
  }

  int device;
  cudaStream_t copies = nullptr;
};

CopyStream::CopyStream(int device) : state_(std::make_shared<State>(device)) {}

void CopyStream::wait() { state_->order(stream(state_->device), state_->copies); }
void CopyStream::join() { state_->order(state_->copies, stream(state_->device)); }
void CopyStream::finish() { check(cudaStreamSynchronize(state_->copies), "cuda:", state_->device); }

void CopyStream::copy(void* to, const void* from, std::size_t bytes) {
  const UseDevice use(state_->device);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, state_->copies), "cuda:", state_->device,
        ": a copy");
}

}  // namespace nlcl::cuda
