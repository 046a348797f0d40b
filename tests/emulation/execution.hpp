// How a kernel runs: blocks one after the other, the threads of a block as fibers on this thread.
//
// A thread runs until it waits for others, at a barrier of the block or in an operation of its warp, or until it
// ends; without either no stack but one is ever used. A mistake ends the kernel with a message that says where.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "choices.hpp"
#include "fiber.hpp"
#include "vector_types.h"

inline dim3 gridDim, blockDim;
inline uint3 blockIdx, threadIdx;
inline constexpr int warpSize = 32;

namespace emulation {

struct KernelError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (ok) [[likely]]
    return;
  std::ostringstream out;
  (out << ... << parts);
  throw KernelError(out.str());
}

inline std::string place(const uint3& at) {
  std::ostringstream out;
  out << '(' << at.x << ',' << at.y << ',' << at.z << ')';
  return out.str();
}

// What the lanes of a warp do together: given what each of them brought (null for lanes that are not in the
// mask), it leaves the results there.
using Payloads = std::array<void*, 32>;
using WarpOperation = void (*)(const Payloads&);

// 16 bytes on their way to shared memory, in a group that is counted by thread.
struct Copy {
  void* to;
  const void* from;
  unsigned group;
};

struct Thread {
  enum class State { ready, at_barrier, in_warp, ended };

  uint3 index{};
  State state = State::ready;
  std::unique_ptr<Fiber> fiber;  // from its first step to its end

  // In an operation of the warp:
  const char* name = nullptr;
  WarpOperation operation = nullptr;
  unsigned mask = 0;
  void* payload = nullptr;

  std::vector<Copy> copies{};  // under way, the oldest first
  unsigned groups = 0;         // of copies that are closed
};

inline constexpr std::size_t shared_by_default = 48 << 10;  // bytes that a block may have unasked

class Execution {
 public:
  static Execution& instance() {
    static Execution execution;
    return execution;
  }

  // All blocks of a grid, each with `shared_bytes` of dynamic shared memory and at most `most_shared` in all.
  // `call(closure)` runs the kernel for one thread.
  void run(const dim3& grid, const dim3& block, std::size_t shared_bytes, void (*call)(const void*),
           const void* closure, std::size_t most_shared = shared_by_default) {
    gridDim = grid, blockDim = block;
    call_ = call, closure_ = closure;
    ++launches_;
    threads_.resize(std::size_t{block.x} * block.y * block.z);
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      const auto n = static_cast<unsigned>(i);
      threads_[i].index = {n % block.x, n / block.x % block.y, n / block.x / block.y};
    }
    waiting_.resize((threads_.size() + 31) / 32);
    dynamic_.resize((shared_bytes + sizeof(uint4) - 1) / sizeof(uint4));
    dynamic_bytes_ = shared_bytes, most_shared_ = most_shared;
    const auto in_order = [](unsigned i, unsigned count) {
      return choices().blocks_backward ? count - 1 - i : i;
    };
    for (unsigned z = 0; z < grid.z; ++z)
      for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; ++x) {
          blockIdx = {in_order(x, grid.x), in_order(y, grid.y), in_order(z, grid.z)};
          run_block();
        }
  }

  // The rest is called by threads of the kernel.

  void barrier() { wait(Thread::State::at_barrier); }

  void in_warp(const char* name, unsigned mask, WarpOperation operation, void* payload) {
    const std::size_t self = current_, warp = self / 32, first = 32 * warp;
    require(mask >> self % 32 & 1, name, ": lane ", self % 32, " is not in its own mask");
    Thread& me = threads_[self];
    me.name = name, me.mask = mask, me.operation = operation, me.payload = payload;
    unsigned& waiting = waiting_[warp];
    waiting |= 1u << self % 32;
    if ((waiting & mask) != mask) {
      wait(Thread::State::in_warp);
      return;
    }
    Payloads payloads{};
    for (std::size_t lane = 0; lane < 32; ++lane) {
      if (!(mask >> lane & 1)) continue;
      const Thread& other = threads_[first + lane];
      require(other.name == std::string_view(name) && other.operation == operation && other.mask == mask,
              name, ": lane ", lane, " is in ", other.name, other.mask == mask ? "" : " with another mask");
      payloads[lane] = other.payload;
    }
    operation(payloads);
    waiting &= ~mask;
    for (std::size_t lane = 0; lane < 32; ++lane)
      if (mask >> lane & 1) threads_[first + lane].state = Thread::State::ready;
  }

  // cp.async: a copy of 16 bytes that arrives when its thread waits for its group, or at once (see Choices). What is
  // not waited for never arrives.
  void copy(void* to, const void* from) {
    if (!choices().late_copies)
      std::memcpy(to, from, 16);
    else
      threads_[current_].copies.push_back({to, from, threads_[current_].groups});
  }
  void close_copies() { ++threads_[current_].groups; }
  // For all groups but the `youngest` that were closed last. A group that is not closed is not waited for.
  void wait_for_copies(unsigned youngest) {
    Thread& me = threads_[current_];
    std::size_t arrived = 0;
    for (; arrived < me.copies.size() && me.copies[arrived].group + youngest < me.groups; ++arrived)
      std::memcpy(me.copies[arrived].to, me.copies[arrived].from, 16);
    me.copies.erase(me.copies.begin(), me.copies.begin() + static_cast<std::ptrdiff_t>(arrived));
  }

  std::byte* dynamic_shared(std::size_t bytes, std::size_t offset) {
    require(offset + bytes <= dynamic_bytes_, "dynamic shared memory: bytes ", offset, " to ", offset + bytes,
            ", the launch gave ", dynamic_bytes_);
    return reinterpret_cast<std::byte*>(dynamic_.data()) + offset;
  }

  // An array of the kernel's own, at its first use in a block.
  void static_shared(std::size_t bytes) {
    static_bytes_ += bytes;
    require(static_bytes_ + dynamic_bytes_ <= most_shared_, "shared memory: ", static_bytes_,
            " bytes of the kernel's and ", dynamic_bytes_, " that the launch gave, of ", most_shared_,
            " that it may have");
  }

  // Differs from block to block, so that shared memory can tell that it belongs to another one now.
  std::uint64_t block_number() const { return block_number_; }
  int lane() const { return static_cast<int>(current_ % 32); }

 private:
  void run_block() {
    ++block_number_, static_bytes_ = 0;
    if (!dynamic_.empty()) std::memset(dynamic_.data(), 0xff, dynamic_.size() * sizeof(uint4));
    for (Thread& thread : threads_) {
      thread.state = Thread::State::ready;
      thread.copies.clear(), thread.groups = 0;
    }
    std::fill(waiting_.begin(), waiting_.end(), 0u);
    for (;;) {
      const bool backward = next_order();
      for (std::size_t i = 0; i < waiting_.size(); ++i)
        run_warp(backward ? waiting_.size() - 1 - i : i, backward);
      std::size_t ended = 0, at_barrier = 0;
      for (const Thread& thread : threads_) {
        ended += thread.state == Thread::State::ended;
        at_barrier += thread.state == Thread::State::at_barrier;
      }
      if (ended == threads_.size()) return;
      if (at_barrier != threads_.size()) abandon(who_did_not_come());
      for (Thread& thread : threads_) thread.state = Thread::State::ready;
    }
  }

  // Until no lane can go on.
  void run_warp(std::size_t warp, bool backward) {
    const std::size_t first = 32 * warp, count = std::min<std::size_t>(32, threads_.size() - first);
    for (bool any = true; any;) {
      any = false;
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t n = first + (backward ? count - 1 - i : i);
        if (threads_[n].state != Thread::State::ready) continue;
        run_thread(n);
        any = true;
      }
    }
  }

  void run_thread(std::size_t n) {
    Thread& thread = threads_[n];
    current_ = n;
    threadIdx = thread.index;
    if (!thread.fiber) {
      if (unused_.empty()) unused_.push_back(std::make_unique<Fiber>(&run_body));
      thread.fiber = std::move(unused_.back());
      unused_.pop_back();
    }
    thread.fiber->resume();
    if (thread.state == Thread::State::ended) unused_.push_back(std::move(thread.fiber));
    if (!error_.empty()) abandon("thread " + place(thread.index) + ": " + error_);
  }

  static void run_body() {
    Execution& self = instance();
    try {
      self.call_(self.closure_);
    } catch (const std::exception& error) {
      self.error_ = error.what();
    }
    self.threads_[self.current_].state = Thread::State::ended;
  }

  void wait(Thread::State state) {
    threads_[current_].state = state;
    Fiber::stop();
  }

  // Threads run forward or backward, so that one that relies on another to be first is found out.
  bool next_order() {
    order_ = order_ * 6364136223846793005u + 1442695040888963407u;
    return order_ >> 63;
  }

  std::string who_did_not_come() const {
    const auto is = [](Thread::State state) {
      return [=](const Thread& thread) { return thread.state == state; };
    };
    const auto find = [&](Thread::State state) {
      return std::find_if(threads_.begin(), threads_.end(), is(state));
    };
    std::ostringstream out;
    if (const auto lane = find(Thread::State::in_warp); lane != threads_.end()) {
      const auto n = static_cast<std::size_t>(lane - threads_.begin());
      out << "thread " << place(lane->index) << ": " << lane->name
          << ": waits for lanes that do not come, missing";
      for (std::size_t i = 0; i < 32; ++i)
        if ((lane->mask & ~waiting_[n / 32]) >> i & 1) out << ' ' << i;
    } else {
      const auto ended = find(Thread::State::ended), waits = find(Thread::State::at_barrier);
      out << "thread " << place(waits->index) << " waits at a barrier, thread " << place(ended->index)
          << " has ended without it";
    }
    return out.str();
  }

  [[noreturn]] void abandon(const std::string& message) {
    error_.clear();
    for (Thread& thread : threads_)
      if (thread.fiber) {
        thread.fiber->reset();
        unused_.push_back(std::move(thread.fiber));
      }
    throw KernelError("block " + place(blockIdx) + ", " + message);
  }

  std::vector<Thread> threads_;
  std::vector<unsigned> waiting_;               // by warp: the lanes in an operation
  std::vector<std::unique_ptr<Fiber>> unused_;  // the last one first: its stack is still in the cache
  std::vector<uint4> dynamic_;
  std::size_t dynamic_bytes_ = 0, static_bytes_ = 0, most_shared_ = 0, current_ = 0;
  std::uint64_t block_number_ = 0, launches_ = 0, order_ = 1;
  void (*call_)(const void*) = nullptr;
  const void* closure_ = nullptr;
  std::string error_;
};

// An operation of the lanes of `mask`: `together(payloads)` runs once, when all of them have brought `payload`.
template <class Payload, class Together>
void in_warp(const char* name, unsigned mask, Payload& payload, Together) {
  Execution::instance().in_warp(
      name, mask,
      [](const Payloads& raw) {
        std::array<Payload*, 32> payloads{};
        for (std::size_t i = 0; i < 32; ++i) payloads[i] = static_cast<Payload*>(raw[i]);
        Together{}(payloads);
      },
      &payload);
}

}  // namespace emulation
