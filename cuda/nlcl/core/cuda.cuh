// What core/cuda.hpp declares: devices, their memory, and graphs.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/block.cuh"
#include "nlcl/core/cuda.hpp"
#include "nlcl/core/elementwise.cuh"
#include "nlcl/core/last_block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/runtime.cuh"
#include "nlcl/core/storage.hpp"

namespace nlcl::cuda {

namespace detail {

inline void* allocate(std::size_t size, int device) {
  const UseDevice use(device);
  void* block = nullptr;
  const cudaError_t status = cudaMalloc(&block, std::max(size, Pool::alignment));  // no block has no bytes
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(status, "cuda:", device, ": memory");  // the fault of a kernel, say
  return block;
}
inline void release(void* block, std::size_t, int) noexcept { cudaFree(block); }  // waits for the device

inline int attribute(cudaDeviceAttr attribute, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, attribute, device), "cuda:", device);
  return value;
}

inline constexpr Index most_tickets = 1 << 13;  // of one kernel

// One for each device of the machine. They are never destroyed: storages of static lifetime may outlive any
// destructor.
struct State {
  explicit State(int number)
      : device(number),
        pool({&allocate, &release}, Device::cuda(device)),
        capability(10 * attribute(cudaDevAttrComputeCapabilityMajor, device) +
                   attribute(cudaDevAttrComputeCapabilityMinor, device)),
        processors(attribute(cudaDevAttrMultiProcessorCount, device)) {
    const UseDevice use(device);
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cuda:", device, ": a stream");
    constexpr std::size_t bytes = most_tickets * sizeof(unsigned);
    check(cudaMalloc(reinterpret_cast<void**>(&tickets), bytes), "cuda:", device, ": memory");
    check(cudaMemsetAsync(tickets, 0, bytes, stream), "cuda:", device, ": memory");
  }

  // A pool for a graph.
  Pool* take_pool() {
    if (unused_pools.empty()) {
      unused_pools.reserve(++pools);  // give_back_pool() cannot fail
      unused_pools.push_back(new Pool({&allocate, &release}, Device::cuda(device)));
    }
    Pool* const taken = unused_pools.back();
    unused_pools.pop_back();
    taken->set_unused(Pool::Unused::keep);
    return taken;
  }
  // When no kernel that was recorded with it will run any more. What a tensor still holds goes back when it ends.
  void give_back_pool(Pool* of_graph) noexcept {
    of_graph->set_unused(Pool::Unused::release);
    unused_pools.push_back(of_graph);
  }

  int device;
  cudaStream_t stream = nullptr;
  unsigned* tickets = nullptr;  // most_tickets
  Pool pool;
  int capability, processors;
  Pool* recording = nullptr;  // the pool of the graph that is being recorded
  // Of graphs that are gone, though not all of their memory may have come back.
  std::vector<Pool*> unused_pools;
  std::size_t pools = 0;  // of graphs, in all
};

inline std::atomic<bool>& synchronous() {
  static std::atomic<bool> synchronous = [] {
    const char* const wanted = std::getenv("NLCL_SYNC");
    return wanted && *wanted && std::string_view(wanted) != "0";
  }();
  return synchronous;
}

struct Words {
  std::uint32_t word[4];
};

__global__ void fill_kernel(std::uint32_t* to, Words value, int words, std::int64_t count) {
  const std::int64_t i = grid_thread();
  if (i < count) to[i] = value.word[i % words];
}

inline State& state(int device) {
  static std::mutex mutex;
  static std::vector<State*>* const states =
      new std::vector<State*>(static_cast<std::size_t>(device_count()));
  const std::lock_guard lock(mutex);
  require<DeviceError>(device >= 0 && device < device_count(), "device: cuda:", device, " is not available");
  State*& state = (*states)[static_cast<std::size_t>(device)];
  if (!state) state = new State(device);
  return *state;
}

}  // namespace detail

cudaStream_t stream(int device) { return detail::state(device).stream; }

unsigned* tickets(Device device, Index count) {
  require<ShapeError>(count <= detail::most_tickets, device, ": a sum for each of ", count,
                      " images or parts of one, expected at most ", detail::most_tickets);
  return detail::state(device.index).tickets;
}

int device_count() {
  static const int found = [] {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) return 0;
    check(status, "cudaGetDeviceCount");
    return count;
  }();
  return found;
}

int compute_capability(int device) { return detail::state(device).capability; }
std::size_t free_memory(int device) {
  const UseDevice use(device);
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cuda:", device);
  return free;
}
int processors(int device) { return detail::state(device).processors; }

bool is_synchronous() { return detail::synchronous(); }
void set_synchronous(bool synchronous) { detail::synchronous() = synchronous; }

Pool& pool(int device) {
  detail::State& state = detail::state(device);
  return state.recording ? *state.recording : state.pool;
}

void synchronize(int device) { check(cudaStreamSynchronize(stream(device)), "cuda:", device); }

void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  if (!to_device.is_cuda() && !from_device.is_cuda()) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return;
  }
  const int device = to_device.is_cuda() ? to_device.index : from_device.index;
  const bool waits = to_device != from_device;
  for (const Device& side : {to_device, from_device})
    require<DeviceError>(!waits || !side.is_cuda() || !is_recording(side.index), side, ": a copy from ",
                         from_device, " to ", to_device, " cannot be recorded in a graph");
  const UseDevice use(device);
  if (waits && from_device.is_cuda()) synchronize(from_device.index);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream(device)), "copy from ", from_device,
        " to ", to_device);
  if (waits) synchronize(device);
}

void fill(void* to, const void* value, std::size_t value_bytes, Index count, int device) {
  const auto* const bytes = static_cast<const unsigned char*>(value);
  if (std::all_of(bytes, bytes + value_bytes, [](unsigned char byte) { return byte == 0; })) {
    const UseDevice use(device);
    check(cudaMemsetAsync(to, 0, value_bytes * static_cast<std::size_t>(count), stream(device)),
          "cuda:", device);
    return;
  }
  require<DeviceError>(value_bytes % 4 == 0 && value_bytes <= sizeof(detail::Words), "cuda:", device,
                       ": a value of ", value_bytes, " bytes cannot be repeated");
  detail::Words words{};
  std::memcpy(&words, value, value_bytes);
  const Index per_value = static_cast<Index>(value_bytes / 4);
  launch<detail::fill_kernel>(
      {.device = Device::cuda(device), .grid = blocks_for(per_value * count, 256), .block = 256},
      static_cast<std::uint32_t*>(to), words, static_cast<int>(per_value), std::int64_t{per_value * count});
}

// ---- Graphs ----

struct Graph::Recorded {
  int device = 0;
  Pool* pool = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  Event replayed;  // for the last time; the stream itself cannot be waited for while it records another graph

  explicit Recorded(int number) : device(number) {}
  ~Recorded() {
    cudaEventSynchronize(replayed.get());
    if (executable) cudaGraphExecDestroy(executable);
    if (graph) cudaGraphDestroy(graph);
    if (pool) detail::state(device).give_back_pool(pool);
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;
};

void begin_recording(int device) {
  detail::State& state = detail::state(device);
  require<DeviceError>(!state.recording, "cuda:", device, ": a graph is being recorded already");
  const UseDevice use(device);
  Pool* const pool = state.take_pool();
  // Relaxed: the pool may ask for memory while the stream is recorded.
  const cudaError_t status = cudaStreamBeginCapture(state.stream, cudaStreamCaptureModeRelaxed);
  if (status == cudaSuccess)
    state.recording = pool;
  else
    state.give_back_pool(pool);
  check(status, "cuda:", device, ": recording");
}

bool is_recording(int device) { return detail::state(device).recording != nullptr; }

Graph end_recording(int device) {
  detail::State& state = detail::state(device);
  require<DeviceError>(state.recording, "cuda:", device, ": no graph is being recorded");
  const UseDevice use(device);
  const auto recorded = std::make_shared<Graph::Recorded>(device);
  recorded->pool = std::exchange(state.recording, nullptr);
  check(cudaStreamEndCapture(state.stream, &recorded->graph), "cuda:", device, ": recording");
  check(cudaGraphInstantiate(&recorded->executable, recorded->graph, 0), "cuda:", device, ": a graph");
  return Graph(recorded);
}

void cancel_recording(int device) noexcept {
  detail::State& state = detail::state(device);
  if (!state.recording) return;
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(state.stream, &graph) == cudaSuccess && graph) cudaGraphDestroy(graph);
  cudaGetLastError();
  state.give_back_pool(std::exchange(state.recording, nullptr));
}

void Graph::replay() const {
  require<DeviceError>(recorded_ != nullptr, "graph: nothing has been recorded");
  const int device = recorded_->device;
  require<DeviceError>(!is_recording(device), "cuda:", device, ": a graph cannot be recorded in another");
  const UseDevice use(device);
  const cudaStream_t on = stream(device);
  check(cudaGraphLaunch(recorded_->executable, on), "cuda:", device, ": a graph");
  recorded_->replayed.record(on);
  if (is_synchronous()) check(cudaStreamSynchronize(on), "cuda:", device, ": a kernel of a graph");
}

}  // namespace nlcl::cuda
