// The mistakes of a kernel that the emulated device reports, and what it lets a test choose.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/mma.cuh"
#include "nlcl/core/storage.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/model/cuda_plan.hpp"
#include "nlcl/ops/pixel_losses.hpp"
#include "support/cuda.hpp"
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

__global__ void both_kernel() {
  __shared__ cuda::SharedArray<float, 256> values;
  values[0] = cuda::dynamic_shared<float>(1)[0] = 1;
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

// Two groups of copies; how many of them are waited for, and a copy that is in neither.
enum class Waits { none, first, both };
__global__ void copies_kernel(const uint4* from, unsigned* to, Waits waits) {
  __shared__ cuda::SharedArray<uint4, 96> values;
  const int i = cuda::thread().x;
  for (int group = 0; group < 3; ++group) values[32 * group + i] = make_uint4(7, 7, 7, 7);
  cuda::block_sync();
  for (int group = 0; group < 3; ++group) {
    cuda::copy_16_bytes(values[32 * group + i], from + i);
    if (group < 2) cuda::copy_commit();
  }
  if (waits == Waits::first) cuda::copy_wait<1>();
  if (waits == Waits::both) cuda::copy_wait<0>();
  cuda::block_sync();
  for (int group = 0; group < 3; ++group) to[32 * group + i] = values[32 * group + 31 - i].w;
}

// One row and one column of a product: d[0] = start + a . b, in bf16.
__global__ void dot_kernel(const float* a, const float* b, float start, float* d) {
  const int group = cuda::lane() / 4, member = cuda::lane() % 4;
  const auto pair = [&](const float* from, int k) { return cuda::round_to_bf16(from[k], from[k + 1]); };
  const bool first = group == 0;
  const std::uint32_t left[4] = {first ? pair(a, 2 * member) : 0u, 0, first ? pair(a, 2 * member + 8) : 0u,
                                 0};
  const std::uint32_t right[2] = {first ? pair(b, 2 * member) : 0u, first ? pair(b, 2 * member + 8) : 0u};
  float sum[4] = {start, 0, 0, 0};
  cuda::mma_bf16_16x8x16(sum, left, right);
  if (cuda::lane() == 0) *d = sum[0];
}

__global__ void innocent_kernel() {}

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

  cudaLaunchConfig_t config{};  // as launch() does, but for one call
  config.gridDim = 1, config.blockDim = 1, config.dynamicSmemBytes = 50 << 10;
  config.stream = cuda::stream(0);
  CHECK(cudaLaunchKernelEx(&config, innocent_kernel) == cudaErrorInvalidValue);
}

TEST_CASE("shared memory of the launch and of the kernel count together", "[cuda]") {
  cudaLaunchConfig_t config{};  // nobody has asked for more
  config.gridDim = 1, config.blockDim = 1, config.stream = cuda::stream(0);
  const auto launched = [&](std::size_t bytes) {
    config.dynamicSmemBytes = bytes;
    return cudaLaunchKernelEx(&config, both_kernel);
  };
  CHECK(launched(47 << 10) == cudaSuccess);
  CHECK(launched((47 << 10) + 1) == cudaErrorLaunchFailure);
  CHECK(message_of<DeviceError>([&] { launch<both_kernel>({device, 1, 1, 48 << 10}); }) == "no error");
}

TEST_CASE("a copy to shared memory is there when it has been waited for and not before", "[cuda]") {
  const Tensor<unsigned> from = Tensor<unsigned>::full({32, 4}, 9, device);
  auto to = on_device<unsigned>({3, 32});
  const auto groups = [&](Waits waits) {  // what each of them finds
    launch<copies_kernel>({device, 1, 32}, reinterpret_cast<const uint4*>(from.data()), to.mutable_data(),
                          waits);
    const Tensor<unsigned> found = to.to(Device::cpu());
    for (int group = 0; group < 3; ++group)
      for (int i = 0; i < 32; ++i) CHECK(found(group, i) == found(group, 0));
    return std::vector{found(0, 0), found(1, 0), found(2, 0)};
  };
  CHECK(groups(Waits::none) == std::vector{7u, 7u, 7u});
  CHECK(groups(Waits::first) == std::vector{9u, 7u, 7u});
  CHECK(groups(Waits::both) == std::vector{9u, 9u, 7u});  // what is not committed cannot be waited for
  const emulation::WithChoices with;
  with->late_copies = false;
  CHECK(groups(Waits::none) == std::vector{9u, 9u, 9u});
}

TEST_CASE("a matrix instruction adds in the order that is asked for", "[cuda]") {
  const auto sum = [](emulation::Sums sums, float large, float start) {  // large^2, 14 times 1, -large^2
    const emulation::WithChoices with;
    with->sums = sums;
    std::vector<float> a(16, 1), b(16, 1);
    a.front() = b.front() = a.back() = large, b.back() = -large;
    const auto left = Tensor<float>({16}, a).to(device), right = Tensor<float>({16}, b).to(device);
    auto d = on_device<float>({1});
    launch<dot_kernel>({device, 1, 32}, left.data(), right.data(), start, d.mutable_data());
    return d.item();
  };
  using emulation::Sums;
  // At 2^24 a float goes in steps of 2, and ties go to the even neighbour.
  CHECK(sum(Sums::forward, 0x1p12f, 0) == 0);
  CHECK(sum(Sums::forward, 0x1p12f, 3) == 4);    // 2^24 + 3 is a tie
  CHECK(sum(Sums::backward, 0x1p12f, 0) == 14);  // below 2^24 steps are of 1
  CHECK(sum(Sums::pairwise, 0x1p12f, 0) == 13);  // 2^24 + 1 is a tie, 1 - 2^24 is not
  // Of 2^24 + 7 the last bit is kept, and then cut off; 2^24 + 6 + 7 - 2^24 is exact.
  CHECK(sum(Sums::ampere, 0x1p12f, 0) == 13);
  CHECK(sum(Sums::hopper, 0x1p12f, 0) == 14);
  // Beside 2^26 the last of 26 bits is 2, and of 25 it is 4.
  CHECK(sum(Sums::hopper, 0x1p13f, 0) == 0);
  CHECK(sum(Sums::ampere, 0x1p13f, 0) == 0);
  // What is cut off brings negative sums up, too.
  CHECK(sum(Sums::hopper, 0x1p12f, -0.75f) == 13.5f);
  for (Sums sums : emulation::all_sums) {
    INFO(emulation::name_of(sums));
    CHECK(sum(sums, 1, 0.5f) == 14.5f);
    CHECK(std::isnan(sum(sums, INFINITY, 0)));
    CHECK(sum(sums, 1, INFINITY) == INFINITY);
  }
}

// As on a real device, where a launch only asks for the kernel.
TEST_CASE("a fault is reported under the name of its kernel when launches wait", "[cuda]") {
  const emulation::WithChoices with;
  with->late_faults = true;
  const WithSynchronous not_yet(false);
  const std::string fault = "block (0,0,0), thread (0,0,0): shared memory: index 4 on an axis of 4";
  const auto launch_both = [](Device on) {
    return message_of<DeviceError>([&] {
      launch<array_kernel>({on, 1, 1}, 4, 0);
      launch<innocent_kernel>({on, 1, 1});
    });
  };
  CHECK(launch_both(device) == "kernel innocent_kernel: " + fault);
  CHECK(launch_both(device) ==
        "kernel innocent_kernel: " + fault);  // reported once, and the device works again

  // Nor is it a lack of memory.
  cuda::pool(0).trim();
  launch<array_kernel>({device, 1, 1}, 4, 0);
  CHECK(message_of<DeviceError>([] { on_device<float>({1000}); }) == "cuda:0: memory: " + fault);

  {
    const WithSynchronous synchronous(true);
    CHECK(launch_both(device) == "kernel array_kernel: " + fault);

    // While it is recorded nothing can be waited for, and nothing happens. The replay reports it; that the message has
    // the kernel's name is due to the emulation.
    const auto record = [&] { return cuda::record(0, [&] { launch<array_kernel>({device, 1, 1}, 4, 0); }); };
    CHECK(message_of<DeviceError>([&] { record(); }) == "no error");
    CHECK(message_of<DeviceError>([&] { record().replay(); }) ==
          "cuda:0: a kernel of a graph: kernel array_kernel: " + fault);
  }
}

TEST_CASE("a block does not see the shared memory of another", "[cuda]") {
  auto to = on_device<float>({4});
  launch<stale_kernel>({device, 4, 1}, to.mutable_data());
  const Tensor<float> found = to.to(Device::cpu());
  for (float value : found.values()) CHECK(std::isnan(value));
}

// The bits of a sum do not depend on which block is the last to come.
TEST_CASE("sums over many blocks are the same in whatever order the blocks run", "[cuda]") {
  Random random(4);
  // Two images, with four strips, two columns of channels, and pixels that no strip divides by.
  const Tensor<float> x = random_tensor<float>({2, 33, 14, 132}, random).to(device),
                      dy = random_tensor<float>({2, 33, 14, 132}, random).to(device);
  const Tensor<float> image = random_tensor<float>({2, 45, 70, 3}, random).to(device);
  Generator<float> generator(Random(3));
  to(generator, device);
  const CudaPlan plan(generator);
  const auto results = [&] {
    const cuda::InstanceNormResult norm = cuda::instance_norm(x, 1e-5, {{}, 1});
    const Conv2dSizes sizes(x.shape(), {1, 1, 132, 132}, {});
    Tensors<float> all{norm.y, cuda::instance_norm_gradient(norm.y, norm.inverse_deviation, dy, {{}, 1}),
                       cuda::conv2d_bias_gradient(sizes, dy), mean_squared_error(x, dy), plan(image)};
    for (Tensor<float>& result : all) result = result.to(Device::cpu());
    return all;
  };
  const Tensors<float> forward = results();
  const emulation::WithChoices with;
  with->blocks_backward = true;
  for (int times = 0; times < 2; ++times) {
    const Tensors<float> backward = results();
    for (std::size_t i = 0; i < forward.size(); ++i) CHECK(same_bits(backward[i], forward[i]));
  }
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
