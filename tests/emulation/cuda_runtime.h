// The part of the CUDA runtime that this project uses, on the CPU. g++ and clang compile the .cuh files against
// it as they are.
//
// Four devices exist. Their memory cannot be touched but by kernels and copies that run on the device, so a
// device's pointer that host code reads ends the program, as does one of another device in a kernel.
#pragma once

#define NLCL_CUDA_EMULATION

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "choices.hpp"
#include "counters.hpp"
#include "device.hpp"
#include "execution.hpp"
#include "vector_types.h"
#include "warp.hpp"

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ static  // one block at a time
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict

inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __int_as_float(int bits) { return std::bit_cast<float>(bits); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
template <class T>
T __ldg(const T* from) {
  return *from;
}
inline unsigned atomicAdd(unsigned* to, unsigned value) { return std::exchange(*to, *to + value); }
inline void __threadfence() {}  // blocks run one after the other
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }

// ---- Errors ----

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureIsolation = 905,
};

namespace emulation {

inline std::string& last_message() {
  static thread_local std::string message;
  return message;
}

inline cudaError_t fail(cudaError_t status, std::string message) {
  last_message() = std::move(message);
  return status;
}

inline thread_local int current_device = 0;

// Work runs at once, or is kept for a graph while the stream captures.
using Work = std::function<cudaError_t()>;
struct Graph {
  std::vector<Work> work;
  Counts counts;
};
// The first stream of a device does its work at once, and any other as late as it may: when something waits for it. So
// what should have been waited for, and was not, is found missing.
struct Stream {
  int device = 0;
  bool is_late = false;
  Graph* capture = nullptr;
  bool is_spoilt = false;     // the capture: something was asked for that cannot be recorded
  std::vector<Work> late{};   // not done yet
  std::size_t submitted = 0;  // pieces of work in all
};

// A fault that nobody has been told of yet (Choices::late_faults): of a kernel that the device has run already.
inline std::string& unreported_fault() {
  static std::string message;
  return message;
}
inline cudaError_t report_fault() {
  const std::lock_guard lock(Device::mutex());
  if (unreported_fault().empty()) return cudaSuccess;
  return fail(cudaErrorLaunchFailure, std::exchange(unreported_fault(), {}));
}

// As on a device, what cannot be recorded spoils all that has been.
inline cudaError_t spoil_capture(Stream* stream, cudaError_t status, const char* message) {
  stream->is_spoilt = true;
  return fail(status, message);
}

// Counts what is asked for: in the graph, where it is recorded.
void count(const Stream* stream, const auto& what) {
  const std::lock_guard lock(Device::mutex());
  what(stream && stream->capture ? stream->capture->counts : counts());
}

inline cudaError_t submit(Stream* stream, Work work) {
  const std::lock_guard lock(Device::mutex());
  if (stream && stream->capture) {
    if (stream->is_spoilt)
      return fail(cudaErrorStreamCaptureInvalidated,
                  "operation failed due to a previous error during capture");
    stream->capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  if (const cudaError_t status = report_fault(); status != cudaSuccess) return status;
  if (choices().only_counts) return cudaSuccess;
  if (stream) ++stream->submitted;
  if (!stream || !stream->is_late) return work();
  stream->late.push_back(std::move(work));
  return cudaSuccess;
}

// Does what was submitted to the stream before its piece of work `end`.
inline cudaError_t finish(Stream* stream, std::size_t end) {
  const std::lock_guard lock(Device::mutex());
  cudaError_t status = report_fault();
  const std::size_t done = stream->submitted - stream->late.size(), count = end > done ? end - done : 0;
  for (std::size_t i = 0; i < count && status == cudaSuccess; ++i) status = stream->late[i]();
  stream->late.erase(stream->late.begin(), stream->late.begin() + static_cast<std::ptrdiff_t>(count));
  return status;
}

// A place in the order of a stream.
struct Event {
  Stream* stream = nullptr;
  std::size_t submitted = 0;
  std::chrono::steady_clock::time_point time{};
};

}  // namespace emulation

// With what went wrong in a kernel, which a real device does not tell.
inline const char* cudaGetErrorString(cudaError_t status) {
  return status == cudaSuccess ? "no error" : emulation::last_message().c_str();
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }  // errors are returned where they are made

// ---- Devices ----

struct cudaUUID_t {
  char bytes[16];
};
struct cudaDeviceProp {
  char name[256];
  cudaUUID_t uuid;
  std::size_t totalGlobalMem;
  int major, minor, multiProcessorCount;
};

enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};

inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = emulation::Device::count;
  return cudaSuccess;
}

inline cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= emulation::Device::count)
    return emulation::fail(cudaErrorInvalidDevice, "invalid device ordinal");
  emulation::current_device = device;
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = emulation::current_device;
  return cudaSuccess;
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int number) {
  const emulation::Device& device = emulation::Device::at(number);
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = emulation::Device::processors;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = device.capability / 10;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = device.capability % 10;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(device.shared_limit());
      break;
  }
  return cudaSuccess;
}

inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int number) {
  const emulation::Device& device = emulation::Device::at(number);
  *properties = {"emulated",
                 {{static_cast<char>('a' + number)}},
                 device.memory_limit(),
                 device.capability / 10,
                 device.capability % 10,
                 emulation::Device::processors};
  return cudaSuccess;
}

// ---- Memory ----

inline cudaError_t cudaMalloc(void** block, std::size_t bytes) {
  *block = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (const cudaError_t status = emulation::report_fault(); status != cudaSuccess) return status;
  *block = emulation::Device::at(emulation::current_device).allocate(bytes);
  return *block ? cudaSuccess : emulation::fail(cudaErrorMemoryAllocation, "out of memory");
}
inline cudaError_t cudaFree(void* block) {
  for (int i = 0; i < emulation::Device::count; ++i)
    if (!block || emulation::Device::at(i).release(block)) return cudaSuccess;
  return emulation::fail(cudaErrorInvalidValue, "cudaFree: not a block of a device");
}
inline constexpr unsigned cudaHostAllocPortable = 1;
inline cudaError_t cudaHostAlloc(void** block, std::size_t bytes, unsigned) {
  *block = ::operator new(bytes, std::nothrow);
  return *block ? cudaSuccess : emulation::fail(cudaErrorMemoryAllocation, "out of memory");
}
inline cudaError_t cudaFreeHost(void* block) {
  ::operator delete(block);
  return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const emulation::Device& device = emulation::Device::at(emulation::current_device);
  *total = device.memory_limit(), *free = *total - std::min(*total, device.in_use());
  return cudaSuccess;
}

// ---- Streams ----

using cudaStream_t = emulation::Stream*;
inline constexpr unsigned cudaStreamNonBlocking = 1;

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  static bool has_first[emulation::Device::count] = {};
  const bool is_late = std::exchange(has_first[emulation::current_device], true);
  *stream = new emulation::Stream{.device = emulation::current_device, .is_late = is_late};
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->capture)
    return emulation::spoil_capture(stream, cudaErrorStreamCaptureUnsupported,
                                    "operation not permitted when stream is capturing");
  emulation::count(stream, [](emulation::Counts& counts) { ++counts.waits; });
  return emulation::finish(stream, stream->submitted);
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {  // does what is left to do
  const cudaError_t status = emulation::finish(stream, stream->submitted);
  delete stream;
  return status;
}

// ---- Events ----

using cudaEvent_t = emulation::Event*;
inline constexpr unsigned cudaEventDefault = 0, cudaEventDisableTiming = 2;

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new emulation::Event;
  return cudaSuccess;
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
// Within a capture there are no events here: nlcl has no use for them.
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (stream->capture)
    return emulation::spoil_capture(stream, cudaErrorStreamCaptureUnsupported,
                                    "an event in a stream that is capturing");
  *event = {stream, stream->submitted, std::chrono::steady_clock::now()};
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!event->stream) return cudaSuccess;
  emulation::count(nullptr, [](emulation::Counts& counts) { ++counts.waits; });
  return emulation::finish(event->stream, event->submitted);
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (stream->capture)
    return emulation::spoil_capture(stream, cudaErrorStreamCaptureIsolation,
                                    "dependency created on uncaptured work in another stream");
  return event->stream ? emulation::finish(event->stream, event->submitted) : cudaSuccess;
}
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (!begin->stream || !end->stream)
    return emulation::fail(cudaErrorInvalidResourceHandle, "an event that was not recorded");
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

// ---- Copies, of whatever kind the addresses say ----

enum cudaMemcpyKind { cudaMemcpyDefault = 4 };

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                                   cudaStream_t stream) {
  emulation::count(stream, [&](emulation::Counts& counts) { counts.copy(to, from, bytes); });
  if (emulation::choices().only_counts && !emulation::Device::bytes_from(to)) std::memset(to, 0, bytes);
  return emulation::submit(stream, [=] {
    const emulation::Device::Open open;
    if (!emulation::Device::holds(to, bytes) || !emulation::Device::holds(from, bytes))
      return emulation::fail(cudaErrorInvalidValue, "copy beyond the end of a block of the device");
    if (bytes > 0) std::memcpy(to, from, bytes);
    return cudaSuccess;
  });
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  emulation::count(stream, [&](emulation::Counts& counts) { counts.fill(bytes); });
  return emulation::submit(stream, [=] {
    const emulation::Device::Open open;
    if (!emulation::Device::holds(to, bytes))
      return emulation::fail(cudaErrorInvalidValue, "memset beyond the end of a block of the device");
    if (bytes > 0) std::memset(to, value, bytes);
    return cudaSuccess;
  });
}

// ---- Launches ----

struct cudaLaunchAttribute {
  int id;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

namespace emulation {

// How much dynamic shared memory a kernel has been allowed on a device, if anybody has asked.
inline std::optional<std::size_t>& allowed_shared(const void* kernel, int device) {
  static std::map<std::pair<const void*, int>, std::optional<std::size_t>> allowed;
  const std::lock_guard lock(Device::mutex());
  return allowed[{kernel, device}];
}

// The name of the kernel that is launched next, for a fault that the launch itself does not report.
inline std::string_view& launched_kernel() {
  static thread_local std::string_view name = "a kernel";
  return name;
}

// The arguments of a kernel, one after the other and with zeros between them: what was left there might look like an
// address.
template <class... Parameters>
auto packed(const Parameters&... parameters) {
  constexpr std::size_t word = sizeof(void*);
  std::array<std::byte, (((sizeof(Parameters) + word - 1) / word) + ... + 0) * word> result{};
  [[maybe_unused]] std::byte* to = result.data();
  [[maybe_unused]] const auto put = [&](auto parameter) {
#if defined(__GNUC__) && !defined(__clang__)
    __builtin_clear_padding(&parameter);
#endif
    std::memcpy(to, &parameter, sizeof(parameter));
    to += (sizeof(parameter) + word - 1) / word * word;
  };
  (put(parameters), ...);
  return result;
}

}  // namespace emulation

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute, int bytes) {
  if (static_cast<std::size_t>(bytes) > emulation::Device::at(emulation::current_device).shared_limit())
    return emulation::fail(cudaErrorInvalidValue, "more shared memory than the device has");
  emulation::allowed_shared(reinterpret_cast<const void*>(kernel), emulation::current_device) =
      static_cast<std::size_t>(bytes);
  return cudaSuccess;
}

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  static_assert((sizeof(Parameters) + ... + std::size_t{0}) <= 4096, "the arguments of a kernel have 4 KB");
  const dim3 grid = config->gridDim, block = config->blockDim;
  const std::size_t shared = config->dynamicSmemBytes;
  const auto in = [](unsigned value, unsigned most) { return value >= 1 && value <= most; };
  if (!in(grid.x, 0x7fffffff) || !in(grid.y, 65535) || !in(grid.z, 65535) || !in(block.x, 1024) ||
      !in(block.y, 1024) || !in(block.z, 64) || !in(block.x * block.y * block.z, 1024))
    return emulation::fail(cudaErrorInvalidConfiguration, "invalid configuration argument");
  if (config->stream && config->stream->device != emulation::current_device)
    return emulation::fail(cudaErrorInvalidValue, "the stream belongs to another device");
  const int device = emulation::current_device;
  const auto allowed = emulation::allowed_shared(reinterpret_cast<const void*>(kernel), device);
  if (shared > allowed.value_or(emulation::shared_by_default))
    return emulation::fail(cudaErrorInvalidValue, "more shared memory than the kernel has been allowed");
  const std::size_t most_shared =  // with the arrays that the kernel itself has
      allowed ? emulation::Device::at(device).shared_limit() : emulation::shared_by_default;

  std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  const bool is_recorded = config->stream && config->stream->capture;
  const std::string_view name = std::exchange(emulation::launched_kernel(), "a kernel");
  emulation::count(config->stream, [&](emulation::Counts& counts) {
    counts.launch(name, emulation::bytes_given(std::apply(
                            [](const Parameters&... all) { return emulation::packed(all...); }, values)));
  });
  return emulation::submit(config->stream, [=, values = std::move(values)] {
    struct Closure {
      void (*kernel)(Parameters...);
      const std::tuple<Parameters...>* values;
    } const closure{kernel, &values};
    const emulation::Device::Open open(device);
    try {
      emulation::Execution::instance().run(
          grid, block, shared,
          [](const void* raw) {
            const Closure& self = *static_cast<const Closure*>(raw);
            std::apply(self.kernel, *self.values);
          },
          &closure, most_shared);
    } catch (const emulation::KernelError& error) {
      std::string message = error.what();
      if (is_recorded) message = "kernel " + std::string(name) + ": " + message;
      if (!emulation::choices().late_faults)
        return emulation::fail(cudaErrorLaunchFailure, std::move(message));
      emulation::unreported_fault() = std::move(message);
    }
    return cudaSuccess;
  });
}

// ---- Graphs ----

using cudaGraph_t = emulation::Graph*;
using cudaGraphExec_t = emulation::Graph*;
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };

inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->capture)
    return emulation::fail(cudaErrorStreamCaptureUnsupported, "the stream captures already");
  stream->capture = new emulation::Graph;
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = std::exchange(stream->capture, nullptr);
  if (!std::exchange(stream->is_spoilt, false)) return cudaSuccess;
  delete std::exchange(*graph, nullptr);
  return emulation::fail(cudaErrorStreamCaptureInvalidated,
                         "operation failed due to a previous error during capture");
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                        unsigned long long = 0) {
  *executable = new emulation::Graph(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  emulation::count(stream, [&](emulation::Counts& counts) { counts.add(executable->counts); });
  for (const emulation::Work& work : executable->work)
    if (const cudaError_t status = emulation::submit(stream, work); status != cudaSuccess) return status;
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
