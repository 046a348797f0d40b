// Threads: `parallel_for(count, body)` runs body(0) .. body(count-1), each exactly once, on all threads.
//
// Which thread runs which index is left to chance; a body must therefore write only what belongs to its
// index, and sums over indices are added up afterwards in index order. Then the result does not depend on the
// number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"

namespace nlcl {

class ThreadPool {
 public:
  static ThreadPool& instance() {
    static ThreadPool pool;
    return pool;
  }

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // The calling thread counts. Not to be called while work is running. Throws ShapeError outside 1 .. 1024, and MemoryError
  // if the system does not give that many.
  void resize(int threads) {
    require<ShapeError>(threads >= 1 && threads <= 1024, "threads: ", threads, ", expected 1 to 1024");
    stop();
    try {
      for (int i = 1; i < threads; ++i) workers_.emplace_back([this, seen = generation_] { work(seen); });
    } catch (const std::system_error& error) {
      stop();
      throw MemoryError(text("cannot start ", threads, " threads: ", error.code().message()));
    }
  }

  // The first exception of a body is thrown here once all threads have come to rest; indices not yet begun
  // are left out.
  void run(Index count, const std::function<void(Index)>& body) {
    // A loop inside a loop runs on its own thread, and so does one that another thread's loop is in the way of.
    const bool is_alone = inside_ || workers_.empty() || count <= 1;
    const std::unique_lock busy =
        is_alone ? std::unique_lock<std::mutex>() : std::unique_lock(busy_, std::try_to_lock);
    if (!busy.owns_lock()) {
      for (Index i = 0; i < count; ++i) body(i);
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      body_ = &body;
      count_ = count;
      next_ = 0;
      error_ = nullptr;
      pending_ = workers_.size();
      ++generation_;
    }
    wake_.notify_all();
    drain();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return pending_ == 0; });
    body_ = nullptr;
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  ThreadPool() { resize(std::max(1, static_cast<int>(std::thread::hardware_concurrency()))); }
  ~ThreadPool() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
    stopping_ = false;
  }

  void work(std::uint64_t seen) {
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      lock.unlock();
      drain();
      lock.lock();
      if (--pending_ == 0) done_.notify_one();
    }
  }

  void drain() {
    inside_ = true;
    for (Index i = next_++; i < count_; i = next_++) {
      try {
        (*body_)(i);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        next_ = count_;
      }
    }
    inside_ = false;
  }

  inline static thread_local bool inside_ = false;

  std::vector<std::thread> workers_;
  std::mutex busy_;  // one loop at a time
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(Index)>* body_ = nullptr;
  Index count_ = 0;
  std::atomic<Index> next_ = 0;
  std::size_t pending_ = 0;
  std::uint64_t generation_ = 0;
  std::exception_ptr error_;
  bool stopping_ = false;
};

inline void set_threads(int threads) { ThreadPool::instance().resize(threads); }
inline int threads() { return ThreadPool::instance().threads(); }

template <class Body>
void parallel_for(Index count, const Body& body) {
  ThreadPool::instance().run(count, std::cref(body));
}

inline constexpr Index elements_per_task =
    1 << 15;  // of an elementwise operation: 128 KB of float, about 10 us

// The same over 0 .. count-1 cut into blocks of `block` (the last may be shorter): body(begin, end).
template <class Body>
void parallel_blocks(Index count, Index block, const Body& body) {
  parallel_for((count + block - 1) / block,
               [&](Index i) { body(i * block, std::min(count, (i + 1) * block)); });
}

}  // namespace nlcl
