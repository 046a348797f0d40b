// Inside a kernel: places, shared memory, and what the threads of a warp or a block do together.
//
// Indices are int. Shared memory is checked in emulation and costs nothing on a device.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "nlcl/core/elementwise.hpp"

#if defined(NLCL_CUDA_EMULATION)
#define NLCL_UNROLL
#define NLCL_CHECK(condition, ...) emulation::require(condition, __VA_ARGS__)
#else
#define NLCL_UNROLL _Pragma("unroll")
#define NLCL_CHECK(condition, ...) static_cast<void>(0)
#endif

namespace nlcl::cuda {

// ---- Places ----

struct Place {
  int x, y, z;
};
namespace detail {
template <class Builtin>
__device__ __forceinline__ Place place(const Builtin& at) {
  return {static_cast<int>(at.x), static_cast<int>(at.y), static_cast<int>(at.z)};
}
}  // namespace detail

__device__ __forceinline__ Place thread() { return detail::place(threadIdx); }     // in its block
__device__ __forceinline__ Place block() { return detail::place(blockIdx); }       // in the grid
__device__ __forceinline__ Place block_size() { return detail::place(blockDim); }  // in threads
__device__ __forceinline__ Place grid_size() { return detail::place(gridDim); }    // in blocks

inline constexpr int warp_size = 32;
inline constexpr unsigned all_lanes = ~0u;

// For blocks of one dimension:
__device__ __forceinline__ int lane() { return thread().x % warp_size; }
__device__ __forceinline__ int warp() { return thread().x / warp_size; }

// For grids of one dimension, to loop over as many elements as there are:
//     for (std::int64_t i = grid_thread(); i < count; i += grid_threads())
__device__ __forceinline__ std::int64_t grid_thread() {
  return std::int64_t{block().x} * block_size().x + thread().x;
}
__device__ __forceinline__ std::int64_t grid_threads() {
  return std::int64_t{grid_size().x} * block_size().x;
}

// The value, and for the compiler one that it knows nothing of: what is made of it within a loop is made there, each time, and
// needs no registers until then.
__device__ __forceinline__ int anew(int value) {
#if defined(__CUDA_ARCH__)
  asm volatile("" : "+r"(value));
#endif
  return value;
}

// ---- Shared memory ----

// T[A] or T[A][B]..., row-major: `__shared__ SharedArray<float, 8, 33> tile;`, then tile(row, column) or tile[i].
template <class T, int... Extents>
class SharedArray {
 public:
  static constexpr int size = (Extents * ... * 1);

  __device__ __forceinline__ T& operator[](int i) {
    prepare();
    NLCL_CHECK(i >= 0 && i < size, "shared memory: index ", i, " of ", int{size});
    return values_[i];
  }

  template <class... At>
  __device__ __forceinline__ T& operator()(At... at) {
    return values_[offset(at...)];
  }

  // Several elements at once, from element i on: tile.template as<float4>(i).
  template <class Vector>
  __device__ __forceinline__ Vector& as(int i) {
    static_assert(sizeof(Vector) % sizeof(T) == 0);
    [[maybe_unused]] constexpr int count = sizeof(Vector) / sizeof(T);
    prepare();
    NLCL_CHECK(i >= 0 && i + count <= size, "shared memory: indices ", i, " to ", i + count - 1, " of ",
               int{size});
    NLCL_CHECK(i % count == 0, "shared memory: index ", i, ", expected a multiple of ", int{count});
    return *reinterpret_cast<Vector*>(values_ + i);
  }

  // The place of an element.
  template <class... At>
  __device__ __forceinline__ int offset(At... at) {
    static_assert(sizeof...(At) == sizeof...(Extents));
    prepare();
    int result = 0;
    ((NLCL_CHECK(at >= 0 && at < Extents, "shared memory: index ", at, " on an axis of ", int{Extents}),
      result = result * Extents + at),
     ...);
    return result;
  }

 private:
#if defined(NLCL_CUDA_EMULATION)
  void prepare() {  // a new block finds nothing of the last one's
    const std::uint64_t now = emulation::Execution::instance().block_number();
    if (block_ == now) return;
    emulation::Execution::instance().static_shared(sizeof(values_));
    std::memset(static_cast<void*>(values_), 0xff, sizeof(values_));
    block_ = now;
  }
  std::uint64_t block_;
#else
  __device__ __forceinline__ void prepare() {}
#endif
  alignas(16) T values_[size];
};

// `count` elements of the shared memory that the launch gave (Launch::shared_bytes), from byte `offset` on.
template <class T>
class DynamicShared {
 public:
  __device__ __forceinline__ DynamicShared(int count, int offset = 0) : count_(count) {
    NLCL_CHECK(offset % 16 == 0, "dynamic shared memory: offset ", offset, ", expected a multiple of 16");
#if defined(NLCL_CUDA_EMULATION)
    values_ = reinterpret_cast<T*>(emulation::Execution::instance().dynamic_shared(
        static_cast<std::size_t>(count) * sizeof(T), static_cast<std::size_t>(offset)));
#else
    extern __shared__ uint4 nlcl_dynamic_shared[];
    values_ = reinterpret_cast<T*>(reinterpret_cast<char*>(nlcl_dynamic_shared) + offset);
#endif
  }

  __device__ __forceinline__ T& operator[](int i) const {
    NLCL_CHECK(i >= 0 && i < count_, "dynamic shared memory: index ", i, " of ", count_);
    return values_[i];
  }

  template <class Vector>
  __device__ __forceinline__ Vector& as(int i) const {
    static_assert(sizeof(Vector) % sizeof(T) == 0);
    [[maybe_unused]] constexpr int count = sizeof(Vector) / sizeof(T);
    NLCL_CHECK(i >= 0 && i + count <= count_, "dynamic shared memory: indices ", i, " to ", i + count - 1,
               " of ", count_);
    NLCL_CHECK(i % count == 0, "dynamic shared memory: index ", i, ", expected a multiple of ", int{count});
    return *reinterpret_cast<Vector*>(values_ + i);
  }

 private:
  T* values_;
  int count_;
};

template <class T>
__device__ __forceinline__ DynamicShared<T> dynamic_shared(int count, int offset = 0) {
  return {count, offset};
}

// 16 bytes of global memory to shared memory, which arrive by copy_wait<N>(): all but the N youngest groups that
// copy_commit() closed. Before sm_80 they arrive at once, in emulation as late as they may.
__device__ __forceinline__ void copy_16_bytes([[maybe_unused]] uint4& shared,
                                              [[maybe_unused]] const void* global) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(&shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
#elif defined(NLCL_CUDA_EMULATION)
  NLCL_CHECK(reinterpret_cast<std::uintptr_t>(global) % 16 == 0,
             "copy_16_bytes: from an address that is no multiple of 16");
  emulation::Execution::instance().copy(&shared, global);
#elif defined(__CUDA_ARCH__)
  shared = *static_cast<const uint4*>(global);
#endif
}
__device__ __forceinline__ void copy_commit() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#elif defined(NLCL_CUDA_EMULATION)
  emulation::Execution::instance().close_copies();
#endif
}
template <int N>
__device__ __forceinline__ void copy_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#elif defined(NLCL_CUDA_EMULATION)
  emulation::Execution::instance().wait_for_copies(N);
#endif
}

// ---- Numbers ----

// relu: NaN stays NaN.
__device__ __forceinline__ float clip(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float result;
  asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(result) : "f"(value));
  return result;
#else
  return value < 0 ? 0.0f : value;
#endif
}

// ---- Together ----

// All threads of the block, and what they wrote before is seen after.
__device__ __forceinline__ void block_sync() { __syncthreads(); }
// The same for the lanes of a warp.
__device__ __forceinline__ void warp_sync() { __syncwarp(all_lanes); }
// All threads of the device that see what this one writes later see what it wrote before, and the other way round.
__device__ __forceinline__ void device_fence() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
  asm volatile("fence.acq_rel.gpu;" ::: "memory");  // __threadfence() orders more, and takes longer
#else
  __threadfence();
#endif
}

// All 32 lanes take part in each of these.
template <class T>
__device__ __forceinline__ T shuffle(T value, int from_lane) {
  return __shfl_sync(all_lanes, value, from_lane);
}
template <class T>
__device__ __forceinline__ T shuffle_xor(T value, int bits) {
  return __shfl_xor_sync(all_lanes, value, bits);
}
template <class T>
__device__ __forceinline__ T shuffle_down(T value, int distance) {
  return __shfl_down_sync(all_lanes, value, static_cast<unsigned>(distance));
}

// combine() over the lanes of a warp, for all of them. The order is that of a tree, the same every time.
template <class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, Combine combine) {
  NLCL_UNROLL
  for (int bits = warp_size / 2; bits > 0; bits /= 2) value = combine(value, shuffle_xor(value, bits));
  return value;
}

template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  return warp_reduce(value, Plus{});
}

// combine() over a block of one dimension, `Threads` wide, for all of its threads; `identity` changes nothing.
template <int Threads, class T, class Combine>
__device__ __forceinline__ T block_reduce(T value, T identity, Combine combine) {
  static_assert(Threads % warp_size == 0 && Threads <= warp_size * warp_size);
  constexpr int warps = Threads / warp_size;
  __shared__ SharedArray<T, warps> parts;
  value = warp_reduce(value, combine);
  block_sync();  // an earlier sum has been read
  if (lane() == 0) parts[warp()] = value;
  block_sync();
  return warp_reduce(lane() < warps ? parts[lane()] : identity, combine);
}

template <int Threads, class T>
__device__ __forceinline__ T block_sum(T value) {
  return block_reduce<Threads>(value, T{}, Plus{});
}

}  // namespace nlcl::cuda
