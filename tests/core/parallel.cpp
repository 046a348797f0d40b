#include "nlcl/core/parallel.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// How often each index of a loop was run.
class Counts {
 public:
  explicit Counts(Index size) : counts_(static_cast<std::size_t>(size)) {}
  void add(Index i) { ++counts_[static_cast<std::size_t>(i)]; }
  bool all(int expected) const {
    return std::all_of(counts_.begin(), counts_.end(), [&](const auto& count) { return count == expected; });
  }
  int total() const { return std::accumulate(counts_.begin(), counts_.end(), 0); }

 private:
  std::vector<std::atomic<int>> counts_;
};

// True once `arrived` has reached `count`; false if that takes longer than any machine should need.
bool all_arrive(std::atomic<int>& arrived, int count) {
  ++arrived;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (arrived < count) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("parallel_for runs every index once", "[core]") {
  for (int count : {1, 2, 3, 7}) {
    const WithThreads with(count);
    CHECK(threads() == count);
    for (Index size : {0, 1, 2, 6, 7, 8, 1000}) {
      Counts counts(size);
      parallel_for(size, [&](Index i) { counts.add(i); });
      CHECK(counts.all(1));
    }
  }
}

TEST_CASE("a loop without indices runs nothing", "[core]") {
  parallel_for(0, [](Index) { FAIL(); });
  parallel_for(-1, [](Index) { FAIL(); });
}

TEST_CASE("one thread is the caller's own, in order", "[core]") {
  const WithThreads with(1);
  std::vector<Index> order;
  parallel_for(4, [&](Index i) { order.push_back(i); });
  CHECK(order == std::vector<Index>{0, 1, 2, 3});
}

TEST_CASE("threads run at the same time, and the caller is one of them", "[core]") {
  const WithThreads with(3);
  std::atomic<int> arrived = 0, met = 0;
  std::vector<std::thread::id> ids(3);
  parallel_for(3, [&](Index i) {
    ids[static_cast<std::size_t>(i)] = std::this_thread::get_id();
    met += all_arrive(arrived, 3);
  });
  CHECK(met == 3);
  const std::set<std::thread::id> distinct(ids.begin(), ids.end());
  CHECK(distinct.size() == 3);
  CHECK(distinct.contains(std::this_thread::get_id()));
}

TEST_CASE("many loops one after the other", "[core]") {
  const WithThreads with(4);
  Counts counts(5);
  for (int repeat = 0; repeat < 2000; ++repeat) parallel_for(5, [&](Index i) { counts.add(i); });
  CHECK(counts.all(2000));
}

TEST_CASE("an exception of a body comes out of the loop", "[core]") {
  for (int count : {1, 4}) {
    const WithThreads with(count);
    Counts counts(1000);
    const auto loop = [&] {
      parallel_for(1000, [&](Index i) {
        counts.add(i);
        require<IoError>(i != 3, "index ", i);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      });
    };
    CHECK(message_of<IoError>(loop) == "index 3");
    CHECK(counts.total() < 1000);  // what had not begun was left out

    Counts after(1000);  // and the threads are fit for the next loop
    parallel_for(1000, [&](Index i) { after.add(i); });
    CHECK(after.all(1));
  }
}

TEST_CASE("when every body throws, one exception comes out", "[core]") {
  const WithThreads with(4);
  for (int repeat = 0; repeat < 100; ++repeat)
    CHECK_THROWS_AS(parallel_for(8, [](Index i) { throw IoError(text(i)); }), IoError);
}

TEST_CASE("no body runs any more when the exception arrives", "[core]") {
  const WithThreads with(4);
  std::atomic<int> running = 0;
  const auto loop = [&] {
    parallel_for(100, [&](Index i) {
      ++running;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      --running;
      require<Error>(i != 0, "stop");
    });
  };
  CHECK_THROWS_AS(loop(), Error);
  CHECK(running == 0);
}

TEST_CASE("loops inside loops", "[core]") {
  const WithThreads with(4);
  Counts counts(6 * 7 * 8);
  parallel_for(6, [&](Index i) {
    parallel_for(7, [&](Index j) { parallel_for(8, [&](Index k) { counts.add((i * 7 + j) * 8 + k); }); });
  });
  CHECK(counts.all(1));
}

TEST_CASE("an exception of an inner loop comes out of the outer one", "[core]") {
  const WithThreads with(4);
  const auto loops = [] {
    parallel_for(6,
                 [](Index i) { parallel_for(7, [&](Index j) { require<IoError>(i + j < 5, "too far"); }); });
  };
  CHECK(message_of<IoError>(loops) == "too far");
}

TEST_CASE("many threads start loops at the same time", "[core]") {
  const WithThreads with(3);
  Counts counts(100);
  std::vector<std::thread> callers;
  for (int t = 0; t < 6; ++t)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 200; ++repeat) parallel_for(100, [&](Index i) { counts.add(i); });
    });
  for (auto& caller : callers) caller.join();
  CHECK(counts.all(6 * 200));
}

TEST_CASE("the number of threads can be changed between loops", "[core]") {
  const WithThreads restore(threads());
  for (int count : {2, 1, 5, 5, 3}) {
    set_threads(count);
    CHECK(threads() == count);
    Counts counts(50);
    parallel_for(50, [&](Index i) { counts.add(i); });
    CHECK(counts.all(1));
  }
}

TEST_CASE("numbers of threads that cannot be", "[core]") {
  const int before = threads();
  for (int count : {0, -1, 1025})
    CHECK(message_of<ShapeError>([&] { set_threads(count); }) ==
          text("threads: ", count, ", expected 1 to 1024"));
  CHECK(threads() == before);
}

TEST_CASE("parallel_blocks covers the range without overlap", "[core]") {
  const WithThreads with(3);
  for (Index count : {0, 1, 9, 10, 11, 20, 95}) {
    Counts counts(count);
    std::atomic<bool> fits = true;
    parallel_blocks(count, 10, [&](Index begin, Index end) {
      if (begin % 10 != 0 || begin >= end || end - begin > 10) fits = false;
      for (Index i = begin; i < end; ++i) counts.add(i);
    });
    CHECK(fits);
    CHECK(counts.all(1));
  }
}
