// Copies beside a device's work. In emulation they are as late as they may be.
#include <catch2/catch.hpp>

#include "nlcl/core/stopwatch.hpp"
#include "nlcl/train/staging.hpp"
#include "support/cuda.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Batch batch(Index side, std::uint64_t seed, bool with_drawn = true) {
  Random random(seed);
  const auto images = [&] { return random_tensor<float>({2, side, side, 3}, random); };
  return {images(), images(), with_drawn ? images() : Tensor<float>()};
}

}  // namespace

TEST_CASE("batches arrive on the device as they were", "[cuda]") {
  std::vector<Device> devices{Device::cpu()};
  if (cuda_is_there()) devices.push_back(cuda_device);
  for (Device device : devices) {
    CAPTURE(device);
    Staging staging(device);
    std::vector<Batch> one{batch(5, 0)};
    staging.put(one);
    for (std::uint64_t step = 0; step < 5; ++step) {
      CAPTURE(step);
      const std::vector<Batch> taken = staging.take();
      const auto check = [&] {
        REQUIRE(taken.size() == one.size());
        for (std::size_t i = 0; i < taken.size(); ++i)
          for (auto part : Batch::parts()) {
            const Tensor<float>& there = taken[i].*part;
            REQUIRE(static_cast<bool>(there) == static_cast<bool>(one[i].*part));
            if (!there) continue;
            CHECK(there.device() == device);
            CHECK(same_bits(there.clone().to(Device::cpu()), one[i].*part));
          }
      };
      check();
      // The next has another size now and then, no drawn ones, and two batches instead of one.
      std::vector<Batch> next(step == 3 ? 2 : 1, batch(7, 9));
      next.front() = batch(step == 2 ? 6 : 5, step + 1, step != 1);
      staging.put(next);
      check();
      one = next;
    }
  }
}

TEST_CASE("a copy that nobody waits for is not relied on", "[cuda]") {
  if (!cuda_is_there()) return;
  cuda::CopyStream copies(0);
  const cuda::PinnedMemory pinned(sizeof(float));
  auto& value = *static_cast<float*>(pinned.data());
  value = 7;
  auto x = Tensor<float>::zeros({1}, cuda_device);
  copies.wait();
  copies.copy(x.mutable_data(), pinned.data(), sizeof(float));
  copies.join();
  const Tensor<float> y = x.clone();
  copies.finish();
  value = 8;
  CHECK(y.item() == 7);
}

TEST_CASE("a stopwatch runs with the device", "[cuda]") {
  if (!cuda_is_there()) return;
  cuda::Stopwatch watch(0);
  watch.start();
  const auto x = Tensor<float>::full({1000}, 1, cuda_device);
  CHECK(watch.stop() > 0);
}
