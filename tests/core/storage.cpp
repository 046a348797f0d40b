#include "nlcl/core/storage.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

// AddressSanitizer ends the program when memory cannot be had, unless told otherwise; here that is a test.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

namespace {

constexpr std::size_t impossible = std::size_t{1} << 62;

// A pool of the test's own, empty again at the end.
struct TestPool : Pool {
  ~TestPool() { trim(); }
};

}  // namespace

TEST_CASE("memory is aligned and as large as asked for", "[core]") {
  TestPool pool;
  for (std::size_t bytes : {1u, 7u, 63u, 64u, 65u, 4096u, 100'000u, 10'000'000u}) {
    void* const block = pool.take(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % Pool::alignment == 0);
    std::memset(block, 0xff, bytes);
    CHECK(pool.stats().in_use >= bytes);
    pool.give_back(block, bytes);
    CHECK(pool.stats().in_use == 0);
  }
}

TEST_CASE("a storage without bytes", "[core]") {
  const Storage storage(0, Device::cpu());
  CHECK(storage.bytes() == 0);
  CHECK(storage.data() != nullptr);
}

TEST_CASE("memory given back is used again", "[core]") {
  TestPool pool;
  void* const first = pool.take(1000);
  pool.give_back(first, 1000);
  CHECK(pool.take(1000) == first);
  CHECK(pool.stats().allocations == 1);

  void* const other_size = pool.take(2000);
  CHECK(other_size != first);
  CHECK(pool.stats().allocations == 2);

  void* const while_in_use = pool.take(1000);
  CHECK(while_in_use != first);
  CHECK(pool.stats().allocations == 3);
  for (int i = 0; i < 1000; ++i) {
    void* const block = pool.take(3000);
    pool.give_back(block, 3000);
  }
  CHECK(pool.stats().allocations == 4);
  pool.give_back(first, 1000);
  pool.give_back(while_in_use, 1000);
  pool.give_back(other_size, 2000);
}

TEST_CASE("the pool counts bytes in use, cached, and at the peak", "[core]") {
  TestPool pool;
  void* const a = pool.take(640);
  void* const b = pool.take(6400);
  CHECK(pool.stats().in_use == 7040);
  CHECK(pool.stats().cached == 0);
  CHECK(pool.stats().peak == 7040);

  pool.give_back(b, 6400);
  CHECK(pool.stats().in_use == 640);
  CHECK(pool.stats().cached == 6400);
  CHECK(pool.stats().peak == 7040);

  void* const c = pool.take(1280);  // another size: the cached block stays, and counts
  CHECK(pool.stats().peak == 8320);

  pool.trim();
  CHECK(pool.stats().cached == 0);
  CHECK(pool.stats().in_use == 1920);
  CHECK(pool.stats().peak == 8320);
  pool.reset_peak();
  CHECK(pool.stats().peak == 1920);

  void* const d = pool.take(6400);  // trimmed, so the system is asked again
  CHECK(pool.stats().allocations == 4);
  pool.give_back(a, 640);
  pool.give_back(c, 1280);
  pool.give_back(d, 6400);
}

TEST_CASE("memory that cannot be had", "[core]") {
  TestPool pool;
  pool.give_back(pool.take(6400), 6400);
  void* const in_use = pool.take(640);
  CHECK(message_of<MemoryError>([&] { pool.take(impossible); }) ==
        "memory: 4611686018427387904 bytes cannot be had, 640 are in use");
  CHECK(pool.stats().cached == 0);  // given up in the attempt
  CHECK(pool.stats().in_use == 640);
  CHECK(pool.stats().allocations == 2);
  CHECK(message_of<MemoryError>([&] { pool.take(SIZE_MAX); }) ==
        "memory: 18446744073709551615 bytes cannot be had");
  CHECK(message_of<MemoryError>([] { Storage storage(impossible, Device::cpu()); }) != "no error");
  pool.give_back(in_use, 640);
}

TEST_CASE("what becomes of blocks that are given back", "[core]") {
  TestPool pool;
  void* const block = pool.take(6400);
  pool.give_back(block, 6400);
  pool.set_unused(Pool::Unused::keep);
  pool.trim();
  CHECK(pool.stats().cached == 6400);
  CHECK(
      message_of<MemoryError>([&] { pool.take(impossible); }) ==
      "memory: 4611686018427387904 bytes cannot be had, 0 are in use and 6400 are kept for what is recorded");
  CHECK(pool.stats().cached == 6400);
  CHECK(pool.take(6400) == block);
  void* const other = pool.take(640);
  pool.give_back(block, 6400);

  pool.set_unused(Pool::Unused::release);
  CHECK(pool.stats().cached == 0);
  CHECK(pool.stats().in_use == 640);
  pool.give_back(other, 640);
  CHECK(pool.stats().cached == 0);
  CHECK(pool.stats().in_use == 0);
  pool.give_back(pool.take(640), 640);
  CHECK(pool.stats().allocations == 3);
}

TEST_CASE("threads take from one pool and give back to it", "[core]") {
  TestPool pool;
  std::vector<std::thread> workers;
  std::atomic<int> overwritten = 0;
  for (int t = 0; t < 4; ++t)
    workers.emplace_back([&, t] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const std::size_t bytes = 64 * (1 + i % 5);
        auto* const block = static_cast<unsigned char*>(pool.take(bytes));
        std::memset(block, t, bytes);
        for (std::size_t k = 0; k < bytes; ++k) overwritten += block[k] != t;
        pool.give_back(block, bytes);
      }
    });
  for (auto& worker : workers) worker.join();
  CHECK(overwritten == 0);
  CHECK(pool.stats().in_use == 0);
  CHECK(pool.stats().allocations <= 20);  // no more than 4 threads ever held of each of 5 sizes
}

TEST_CASE("a storage holds memory of the pool while it lives", "[core]") {
  const std::size_t before = Pool::cpu().stats().in_use;
  auto storage = std::make_unique<Storage>(100, Device::cpu());
  CHECK(Pool::cpu().stats().in_use == before + 128);
  CHECK(storage->bytes() == 100);
  CHECK(storage->version() == 0);
  storage->mutable_data();
  CHECK(storage->version() == 1);
  (void)storage->data();
  CHECK(storage->version() == 1);
  storage.reset();
  CHECK(Pool::cpu().stats().in_use == before);
}

TEST_CASE("a storage can be given back by another thread", "[core]") {
  const std::size_t before = Pool::cpu().stats().in_use;
  auto storage = std::make_shared<Storage>(100, Device::cpu());
  std::thread([moved = std::move(storage)] {}).join();
  CHECK(Pool::cpu().stats().in_use == before);
}
