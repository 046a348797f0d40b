// An emulated device: a stretch of addresses that only opens while the device works, as long as it is small.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <optional>

#include "choices.hpp"
#include "fiber.hpp"

namespace emulation {

class Device {
 public:
  static constexpr int count = 4, processors = 4;

  static Device& at(int number) {
    static Device devices[count];
    return devices[number];
  }
  // One piece of work at a time, on whatever device.
  static std::recursive_mutex& mutex() {
    static std::recursive_mutex mutex;
    return mutex;
  }

  int capability = 90;  // 75, 80, 90, ...

  std::size_t shared_limit() const {
    return std::size_t{capability >= 90 ? 227u : capability >= 80 ? 163u : 64u} << 10;
  }
  std::size_t memory_limit() const { return memory_limit_; }
  void set_memory_limit(std::size_t bytes) { memory_limit_ = std::min(bytes, reserved); }
  std::size_t in_use() const { return in_use_; }

  // As uninitialised as can be: full of NaN. Null when there is no room.
  void* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex());
    const std::size_t size = rounded(bytes);
    if (size > memory_limit_ || in_use_ > memory_limit_ - size) return nullptr;
    std::size_t offset = 0;  // the first gap that is wide enough
    for (const auto& [begin, block] : blocks_) {
      if (begin - offset >= size) break;
      offset = begin + rounded(block);
    }
    if (offset + size > reserved) return nullptr;
    blocks_.emplace(offset, bytes);
    in_use_ += size;
    if (offset + size > end_) {
      end_ = offset + size;
      access_ = PROT_NONE;  // of the new end
    }
    std::byte* const block = base_ + offset;
    const Open open(*this);
    unpoison(block, bytes);
    if (!choices().only_counts) std::memset(block, 0xff, bytes);
    return block;
  }

  bool release(void* block) {
    const std::lock_guard lock(mutex());
    const auto found = blocks_.find(static_cast<std::size_t>(static_cast<std::byte*>(block) - base_));
    if (found == blocks_.end()) return false;
    in_use_ -= rounded(found->second);
    poison(block, found->second);
    blocks_.erase(found);
    return true;
  }

  // How many bytes from here on lie in the same block of some device's memory; nothing: this is host memory.
  static std::optional<std::size_t> bytes_from(const void* address) {
    const std::lock_guard lock(mutex());
    for (int i = 0; i < count; ++i) {
      const Device& device = at(i);
      const auto* const first = static_cast<const std::byte*>(address);
      if (first < device.base_ || first >= device.base_ + reserved) continue;
      const auto offset = static_cast<std::size_t>(first - device.base_);
      auto block = device.blocks_.upper_bound(offset);
      if (block == device.blocks_.begin()) return 0;
      --block;
      return block->first + block->second - std::min(offset, block->first + block->second);
    }
    return {};
  }
  // Whether bytes that begin in some device's memory all lie in one block of it; true for host memory.
  static bool holds(const void* address, std::size_t bytes) {
    return bytes <= bytes_from(address).value_or(bytes);
  }

  // While it lives, the memory of one device or of all of them can be read and written.
  class Open {
   public:
    Open() {
      for (int i = 0; i < count; ++i) at(i).protect(PROT_READ | PROT_WRITE);
    }
    explicit Open(int number) { at(number).protect(PROT_READ | PROT_WRITE); }
    explicit Open(Device& device) { device.protect(PROT_READ | PROT_WRITE); }
    ~Open() {
      for (int i = 0; i < count; ++i) at(i).protect(PROT_NONE);
    }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
  };

 private:
  static constexpr std::size_t reserved = std::size_t{1} << 35;  // addresses, not memory
  static constexpr std::size_t most_closed = std::size_t{1}
                                             << 26;         // closing more takes longer than most kernels
  static constexpr std::size_t alignment = 256, gap = 256;  // between blocks, so that ends are noticed

  Device() {
    void* const memory =
        mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(memory);
  }

  static std::size_t rounded(std::size_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment + gap;
  }

  void protect(int access) {
    if (end_ == 0 || access == access_) return;
    if (access == PROT_NONE && end_ > most_closed) return;
    mprotect(base_, end_, access);
    access_ = access;
  }

  static void poison([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) {
#if defined(EMULATION_ADDRESS_SANITIZER)
    __asan_poison_memory_region(block, bytes);
#endif
  }
  static void unpoison([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) {
#if defined(EMULATION_ADDRESS_SANITIZER)
    __asan_unpoison_memory_region(block, bytes);
    __asan_poison_memory_region(static_cast<std::byte*>(block) + bytes, rounded(bytes) - bytes);
#endif
  }

  std::byte* base_ = nullptr;
  std::size_t memory_limit_ = std::size_t{8} << 30, in_use_ = 0, end_ = 0;
  int access_ = PROT_NONE;
  std::map<std::size_t, std::size_t> blocks_;  // bytes by offset
};

}  // namespace emulation
