// Memory of tensors, on any device: aligned, reference-counted, recycled through a pool.
//
// A step of training asks for the same sizes again and again. The pool keeps what is given back and hands it
// out to the next request of the same size, so that after the first step nothing is asked of the system, and
// the peak can be told.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "nlcl/core/cuda.hpp"
#include "nlcl/core/device.hpp"
#include "nlcl/core/error.hpp"

namespace nlcl {

// Where a pool has its memory from. Sizes are multiples of Pool::alignment.
struct MemorySource {
  void* (*allocate)(std::size_t size, int device);  // null when there is none left
  void (*release)(void* block, std::size_t size, int device) noexcept;
};

namespace detail {

// Large blocks ask for large pages: an image of 32 channels is thousands of ordinary ones, more than the
// processor keeps the addresses of.
inline constexpr std::size_t large_page = std::size_t{1} << 21;
inline constexpr std::size_t cache_line = 64;  // also the widest vector register

inline std::align_val_t alignment_of(std::size_t size) {
  return std::align_val_t{size >= 2 * large_page ? large_page : cache_line};
}
inline void* allocate_on_cpu(std::size_t size, int) {
  void* const block = ::operator new(size, alignment_of(size), std::nothrow);
#if defined(__linux__)
  if (block && size >= 2 * large_page) madvise(block, size, MADV_HUGEPAGE);  // a wish: it may be refused
#endif
  return block;
}
inline void release_on_cpu(void* block, std::size_t size, int) noexcept {
  ::operator delete(block, alignment_of(size));
}

}  // namespace detail

class Pool {
 public:
  static constexpr std::size_t alignment = detail::cache_line;

  struct Stats {
    std::size_t in_use = 0;       // bytes held by live storages
    std::size_t cached = 0;       // bytes given back and kept for reuse
    std::size_t peak = 0;         // largest in_use + cached since the start or the last reset_peak()
    std::size_t allocations = 0;  // requests that the system had to serve
  };

  // What becomes of the blocks that are given back.
  enum class Unused {
    reuse,    // they wait for the next request of their size, and go back to the system when memory is short
    keep,     // they wait, and stay: kernels that were recorded, and will run later, write to them
    release,  // they go back to the system at once
  };

  Pool() = default;  // on the CPU
  Pool(const MemorySource& source, Device device) : source_(source), device_(device) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // The pool of the CPU. It is never destroyed: storages of static lifetime may outlive any destructor.
  static Pool& cpu() {
    static Pool* const pool = new Pool;
    return *pool;
  }

  // At least `bytes` bytes, uninitialised. Throws MemoryError when the system has none left, even after all unused
  // blocks have gone back to it, which those of a pool that keeps them do not.
  void* take(std::size_t bytes) {
    const std::size_t size = block_size(bytes);
    const std::lock_guard lock(mutex_);
    Bin& bin = bins_[size];
    void* block = nullptr;
    if (!bin.free.empty()) {
      block = bin.free.back();
      bin.free.pop_back();
      stats_.cached -= size;
    } else {
      if (bin.free.capacity() == bin.blocks) bin.free.reserve(2 * bin.blocks + 1);  // give_back() cannot fail
      block = source_.allocate(size, device_.index);
      if (!block && unused_ != Unused::keep) {  // what lies unused in other sizes may be enough
        release_cached();
        block = source_.allocate(size, device_.index);
      }
      require<MemoryError>(
          block, "memory: ", bytes, " bytes cannot be had", where(), ", ", stats_.in_use, " are in use",
          unused_ == Unused::keep ? text(" and ", stats_.cached, " are kept for what is recorded") : "");
      ++bin.blocks;
      ++stats_.allocations;
    }
    stats_.in_use += size;
    stats_.peak = std::max(stats_.peak, stats_.in_use + stats_.cached);
    return block;
  }

  void give_back(void* block, std::size_t bytes) noexcept {
    const std::size_t size = block_size(bytes);
    const std::lock_guard lock(mutex_);
    Bin& bin = bins_.find(size)->second;
    stats_.in_use -= size;
    if (unused_ == Unused::release) {
      source_.release(block, size, device_.index);
      --bin.blocks;
      return;
    }
    bin.free.push_back(block);
    stats_.cached += size;
  }

  // Returns all unused blocks to the system: between jobs of different sizes. Does nothing in a pool that keeps them.
  void trim() {
    const std::lock_guard lock(mutex_);
    if (unused_ != Unused::keep) release_cached();
  }

  void set_unused(Unused unused) {
    const std::lock_guard lock(mutex_);
    unused_ = unused;
    if (unused_ == Unused::release) release_cached();
  }

  Stats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.peak = stats_.in_use + stats_.cached;
  }

 private:
  struct Bin {                // the blocks of one size
    std::vector<void*> free;  // waiting for reuse
    std::size_t blocks = 0;   // in existence
  };

  static std::size_t block_size(std::size_t bytes) {
    require<MemoryError>(bytes <= PTRDIFF_MAX - alignment, "memory: ", bytes, " bytes cannot be had");
    return (bytes + alignment - 1) / alignment * alignment;
  }
  std::string where() const { return device_.is_cuda() ? text(" on ", device_) : ""; }
  void release_cached() {
    for (auto& [size, bin] : bins_) {
      for (void* block : bin.free) source_.release(block, size, device_.index);
      bin.blocks -= bin.free.size();
      bin.free.clear();
    }
    stats_.cached = 0;
  }

  MemorySource source_{&detail::allocate_on_cpu, &detail::release_on_cpu};
  Device device_;
  Unused unused_ = Unused::reuse;
  mutable std::mutex mutex_;
  std::map<std::size_t, Bin> bins_;  // by block size
  Stats stats_;
};

// A block of its device's pool. `version` counts the writes, so that a change after the fact can be noticed.
class Storage {
 public:
  Storage(std::size_t bytes, Device device)
      : bytes_(bytes), device_(device), pool_(&pool_of(device)), data_(pool_->take(bytes)) {}
  ~Storage() { pool_->give_back(data_, bytes_); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  const void* data() const { return data_; }
  void* mutable_data() {
    ++version_;
    return data_;
  }
  std::uint64_t version() const { return version_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  static Pool& pool_of(Device device) {
    require_available(device);
    if constexpr (has_cuda)
      if (device.is_cuda()) return cuda::pool(device.index);
    return Pool::cpu();
  }

  std::size_t bytes_;
  Device device_;
  Pool* pool_;
  void* data_ = nullptr;
  std::uint64_t version_ = 0;
};

}  // namespace nlcl
