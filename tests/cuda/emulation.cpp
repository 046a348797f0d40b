// The mistakes of a kernel that the emulated device reports.
#include <catch2/catch.hpp>
#include <cmath>

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/storage.hpp"
#include "nlcl/core/tensor.hpp"
#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;
using cuda::launch;

namespace {

const Device device = Device::cuda(0);

// ---- Kernels ----

// Each thread reads what the next one has written.
__global__ void neighbour_kernel(int* to, bool with_barrier) {
  __shared__ cuda::SharedArray<int, 64> values;
  const int i = cuda::thread().x;
  values[i] = i;
  if (with_barrier) cuda::block_sync();
  to[i] = values[(i + 1) % 64];
}

__global__ void early_end_kernel() {
  if (cuda::thread().x == 5) return;
  cuda::block_sync();
}

__global__ void array_kernel(int row, int column) {
  __shared__ cuda::SharedArray<float, 4, 8> values;
  values(row, column) = 1;
}

__global__ void index_kernel(int i) {
  __shared__ cuda::SharedArray<float, 4, 8> values;
  values[i] = 1;
}

__global__ void vector_kernel(int i) {
  __shared__ cuda::SharedArray<float, 4, 8> values;
  values.as<float4>(i) = make_float4(0, 0, 0, 0);
}

__global__ void dynamic_kernel(int i) { cuda::dynamic_shared<float>(64)[i] = 1; }

// Shared memory of an earlier block is not to be relied on.
__global__ void stale_kernel(float* to) {
  __shared__ cuda::SharedArray<float, 1> value;
  to[cuda::block().x] = value[0];
  value[0] = 1;
}

__global__ void divergent_kernel() {
  if (cuda::lane() < 16)
    cuda::shuffle(1, 0);
  else
    cuda::shuffle_xor(1, 1);
}

__global__ void missing_lane_kernel() {
  if (cuda::lane() != 9) cuda::warp_sum(1);
}

// ---- Helpers ----

template <class T>
Tensor<T> on_device(const Shape& shape) {
  return Tensor<T>::zeros(shape, device);
}

template <auto kernel>
std::string message_of_launch(unsigned threads, const auto&... arguments) {
  return message_of<DeviceError>([&] { launch<kernel>({device, 1, threads}, arguments...); });
}

}  // namespace

TEST_CASE("a barrier makes writes visible, and its lack is noticed", "[cuda]") {
  auto to = on_device<int>({64});
  const auto wrong = [&](bool with_barrier) {
    launch<neighbour_kernel>({device, 1, 64}, to.mutable_data(), with_barrier);
    const Tensor<int> found = to.to(Device::cpu());
    int count = 0;
    for (int i = 0; i < 64; ++i) count += found(i) != (i + 1) % 64;
    return count;
  };
  CHECK(wrong(true) == 0);
  CHECK(wrong(false) > 0);
}

TEST_CASE("threads that miss a barrier", "[cuda]") {
  CHECK(message_of_launch<early_end_kernel>(64) ==
        "kernel early_end_kernel: block (0,0,0), thread (0,0,0) waits at a barrier, thread "
        "(5,0,0) has "
        "ended without it");
  CHECK(message_of_launch<array_kernel>(1, 0, 0) == "no error");  // the device works again
}

TEST_CASE("shared memory out of bounds", "[cuda]") {
  const auto ends_with = [](const std::string& end) { return Catch::EndsWith(end); };
  CHECK_THAT((message_of_launch<array_kernel>(1, 4, 0)),
             ends_with("thread (0,0,0): shared memory: index 4 on an axis of 4"));
  CHECK_THAT((message_of_launch<array_kernel>(1, 0, 8)), ends_with("shared memory: index 8 on an axis of 8"));
  CHECK_THAT((message_of_launch<array_kernel>(1, -1, 0)),
             ends_with("shared memory: index -1 on an axis of 4"));
  CHECK_THAT((message_of_launch<index_kernel>(1, 32)), ends_with("shared memory: index 32 of 32"));
  CHECK_THAT((message_of_launch<vector_kernel>(1, 30)), ends_with("shared memory: indices 30 to 33 of 32"));
  CHECK_THAT((message_of_launch<vector_kernel>(1, 2)),
             ends_with("shared memory: index 2, expected a multiple of 4"));
  CHECK(message_of_launch<vector_kernel>(1, 28) == "no error");
}

TEST_CASE("dynamic shared memory out of bounds", "[cuda]") {
  const auto run = [](int index, std::size_t bytes) {
    return message_of<DeviceError>([&] { launch<dynamic_kernel>({device, 1, 64, bytes}, index); });
  };
  CHECK(run(63, 256) == "no error");
  CHECK_THAT(run(64, 256), Catch::EndsWith("dynamic shared memory: index 64 of 64"));
  CHECK_THAT(run(0, 252), Catch::EndsWith("dynamic shared memory: bytes 0 to 256, the launch gave 252"));
  CHECK(run(0, 200 << 10) == "no error");
  CHECK_THAT(run(0, 300 << 10), Catch::EndsWith("more shared memory than the device has"));
}

TEST_CASE("a block does not see the shared memory of another", "[cuda]") {
  auto to = on_device<float>({4});
  launch<stale_kernel>({device, 4, 1}, to.mutable_data());
  const Tensor<float> found = to.to(Device::cpu());
  for (float value : found.values()) CHECK(std::isnan(value));
}

TEST_CASE("lanes that part", "[cuda]") {
  CHECK_THAT(message_of_launch<divergent_kernel>(32),
             Catch::Contains("lane") && Catch::Contains("is in __shfl"));
  CHECK_THAT(message_of_launch<missing_lane_kernel>(32),
             Catch::EndsWith("__shfl_xor_sync: waits for lanes that do not come, missing 9"));
  CHECK_THAT(message_of_launch<missing_lane_kernel>(16),
             Catch::EndsWith("missing 9 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31"));
}

TEST_CASE("launches that no device takes", "[cuda]") {
  CHECK(message_of_launch<early_end_kernel>(2048) ==
        "kernel early_end_kernel: invalid configuration argument");
  CHECK_NOTHROW(launch<early_end_kernel>({device, 0, 64}));  // no blocks: nothing to do
}

TEST_CASE("from one device to another", "[cuda]") {
  const Tensor<float> x({3}, {1, 2, 3});
  const Tensor<float> there = x.to(Device::cuda(0)).to(Device::cuda(1));
  CHECK(there.device() == Device::cuda(1));
  CHECK(same_bits(there.to(Device::cpu()), x));
}

TEST_CASE("a device without memory left", "[cuda]") {
  Pool& pool = cuda::pool(1);
  pool.trim();
  emulation::Device& emulated = emulation::Device::at(1);
  const std::size_t limit = emulated.memory_limit();
  emulated.set_memory_limit(emulated.in_use() + 3'000'000);
  {
    const Tensor<float> kept({250'000}, Device::cuda(1));
    const std::size_t in_use = pool.stats().in_use;
    CHECK(message_of<MemoryError>([] { Tensor<float>({600'000}, Device::cuda(1)); }) ==
          text("memory: 2400000 bytes cannot be had on cuda:1, ", in_use, " are in use"));
    Tensor<float>({400'000}, Device::cuda(1));  // given back, and given up for another size
    CHECK(Tensor<float>({450'000}, Device::cuda(1)).data() != nullptr);
  }
  emulated.set_memory_limit(limit);
  CHECK(Tensor<float>({600'000}, Device::cuda(1)).data() != nullptr);
}
