// What the threads of a kernel do together, on an emulated device or a real one.
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "nlcl/core/block.cuh"
#include "nlcl/core/last_block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/mma.cuh"
#include "nlcl/core/tensor.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;
using cuda::launch;

namespace {

const Device device = Device::cuda(0);

// ---- Kernels ----

template <int Threads>
__global__ void sum_kernel(const float* from, int count, float* to) {
  float sum = 0;
  for (int i = cuda::thread().x; i < count; i += Threads) sum += from[i];
  sum = cuda::block_sum<Threads>(sum);
  if (cuda::thread().x == 0) to[cuda::block().x] = sum;
}

__global__ void dynamic_kernel(int i, float* to) {
  const auto values = cuda::dynamic_shared<float>(64);
  values[cuda::thread().x] = static_cast<float>(cuda::thread().x);
  cuda::block_sync();
  to[cuda::thread().x] = values[i];
}

__global__ void shuffle_kernel(int* to) {
  const int i = cuda::lane();
  to[i] = cuda::shuffle(i * i, 3);
  to[32 + i] = cuda::shuffle_xor(i * i, 5);
  to[64 + i] = cuda::shuffle_down(i * i, 7);
  to[96 + i] = cuda::warp_sum(i);
}

__global__ void order_kernel(int* to, int digit) { *to = 10 * *to + digit; }

// Of each row of blocks the last adds up what all have written, and says which it is: to[row,2].
__global__ void last_block_kernel(int* parts, unsigned* tickets, int* to) {
  const int row = cuda::block().y, blocks = cuda::grid_size().x;
  int* const of_row = parts + row * blocks;
  if (cuda::thread().x == 40) of_row[cuda::block().x] = 100 + cuda::block().x;
  if (!cuda::is_last_block(tickets + row, blocks)) return;
  if (cuda::thread().x > 0) return;
  int sum = 0;
  for (int i = 0; i < blocks; ++i) sum += of_row[i];
  to[2 * row] += sum;
  to[2 * row + 1] = cuda::block().x;
}

// One warp: d [16,8] = a [16,16] b [16,8], in bf16.
__global__ void bf16_kernel(const float* a, const float* b, float* d) {
  const int group = cuda::lane() / 4, member = cuda::lane() % 4;
  const auto pair_a = [&](int row, int column) {
    return cuda::round_to_bf16(a[row * 16 + column], a[row * 16 + column + 1]);
  };
  const auto pair_b = [&](int row, int column) {
    return cuda::round_to_bf16(b[row * 8 + column], b[(row + 1) * 8 + column]);
  };
  const std::uint32_t left[4] = {pair_a(group, 2 * member), pair_a(group + 8, 2 * member),
                                 pair_a(group, 2 * member + 8), pair_a(group + 8, 2 * member + 8)};
  const std::uint32_t right[2] = {pair_b(2 * member, group), pair_b(2 * member + 8, group)};
  float sum[4] = {1, 1, 1, 1};
  cuda::mma_bf16_16x8x16(sum, left, right);
  for (int i = 0; i < 4; ++i) d[(group + i / 2 * 8) * 8 + 2 * member + i % 2] = sum[i];
}

// The same from shared memory, and with load_matrices().
__global__ void load_matrices_kernel(const float* a, const float* b, float* d) {
  __shared__ cuda::SharedArray<std::uint16_t, 16, 16> tile;
  const int lane = cuda::lane(), group = lane / 4, member = lane % 4;
  for (int i = lane; i < 256; i += 32) tile[i] = static_cast<std::uint16_t>(cuda::round_to_bf16(a[i]));
  cuda::warp_sync();
  std::uint32_t left[4];
  cuda::load_matrices(left, tile.as<uint4>(tile.offset(lane % 16, lane / 16 * 8)));
  const auto pair_b = [&](int row) {
    return cuda::round_to_bf16(b[row * 8 + group], b[(row + 1) * 8 + group]);
  };
  const std::uint32_t right[2] = {pair_b(2 * member), pair_b(2 * member + 8)};
  float sum[4] = {1, 1, 1, 1};
  cuda::mma_bf16_16x8x16(sum, left, right);
  for (int i = 0; i < 4; ++i) d[(group + i / 2 * 8) * 8 + 2 * member + i % 2] = sum[i];
}

// d [16,8] = a [16,8] b [8,8], in tf32.
__global__ void tf32_kernel(const float* a, const float* b, float* d) {
  const int group = cuda::lane() / 4, member = cuda::lane() % 4;
  const auto at = [](const float* from, int row, int column) {
    return cuda::round_to_tf32(from[row * 8 + column]);
  };
  const std::uint32_t left[4] = {at(a, group, member), at(a, group + 8, member), at(a, group, member + 4),
                                 at(a, group + 8, member + 4)};
  const std::uint32_t right[2] = {at(b, member, group), at(b, member + 4, group)};
  float sum[4] = {1, 1, 1, 1};
  cuda::mma_tf32_16x8x8(sum, left, right);
  for (int i = 0; i < 4; ++i) d[(group + i / 2 * 8) * 8 + 2 * member + i % 2] = sum[i];
}

// The first eight numbers to bf16, the others to tf32.
__global__ void round_kernel(const float* from, float* to) {
  const int i = cuda::thread().x;
  const std::uint32_t rounded = i >= 8       ? cuda::round_to_tf32(from[i])
                                : i % 2 == 0 ? cuda::round_to_bf16(from[i]) << 16
                                             : cuda::round_to_bf16(0, from[i]);  // the high half of a pair
  to[i] = __uint_as_float(rounded);
}

// ---- Helpers ----

template <class T>
Tensor<T> on_device(const Shape& shape) {
  return Tensor<T>::zeros(shape, device);
}

// a b + 1, in double.
Tensor<double> product(const Tensor<float>& a, const Tensor<float>& b) {
  const Index rows = a.shape()[0], inner = a.shape()[1], columns = b.shape()[1];
  auto d = Tensor<double>::full({rows, columns}, 1);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j)
      for (Index k = 0; k < inner; ++k)
        d.mutable_data()[i * columns + j] += static_cast<double>(a(i, k)) * static_cast<double>(b(k, j));
  return d;
}

// Small whole numbers, which every format holds exactly.
Tensor<float> whole_numbers(const Shape& shape, Random& random) {
  Tensor<float> x(shape);
  for (Index i = 0; i < x.size(); ++i) x.mutable_data()[i] = static_cast<float>(random.below(17)) - 8;
  return x;
}

}  // namespace

TEST_CASE("a block adds up", "[cuda]") {
  Random random(1);
  const auto x = random_tensor<float>({1000}, random);
  double expected = 0;
  for (float value : x.values()) expected += static_cast<double>(value);
  const auto from = x.to(device);
  auto to = on_device<float>({3});
  launch<sum_kernel<256>>({device, 3, 256}, from.data(), 1000, to.mutable_data());
  const Tensor<float> sums = to.to(Device::cpu());
  for (int i = 0; i < 3; ++i) CHECK(static_cast<double>(sums(i)) == Approx(expected).margin(1e-4));
}

TEST_CASE("the last block finds what all others have written, and leaves its ticket for the next", "[cuda]") {
  const auto check = [](unsigned blocks, unsigned rows) {
    CAPTURE(blocks, rows);
    const Shape shape{rows, blocks};
    auto parts = on_device<int>(shape), to = on_device<int>({rows, 2});
    for (int times = 1; times <= 3; ++times) {
      launch<last_block_kernel>({device, {blocks, rows}, 64}, parts.mutable_data(),
                                cuda::tickets(device, rows), to.mutable_data());
      const Tensor<int> found = to.to(Device::cpu());
      const auto n = static_cast<int>(blocks);
      for (Index row = 0; row < rows; ++row) CHECK(found(row, 0) == times * (100 * n + n * (n - 1) / 2));
#if defined(NLCL_CUDA_EMULATION)  // a device says nothing about the order of its blocks
      for (Index row = 0; row < rows; ++row)
        CHECK(found(row, 1) == (emulation::choices().blocks_backward ? 0 : n - 1));
#endif
    }
  };
  const auto check_all = [&] {
    for (unsigned blocks : {1u, 2u, 7u, 33u})
      for (unsigned rows : {1u, 3u}) check(blocks, rows);
  };
  check_all();
#if defined(NLCL_CUDA_EMULATION)
  const emulation::WithChoices with;
  with->blocks_backward = true;
  check_all();
#endif
  CHECK_THROWS_WITH(cuda::tickets(device, 100'000),
                    "cuda:0: a sum for each of 100000 images or parts of one, expected at most 8192");
}

TEST_CASE("dynamic shared memory", "[cuda]") {
  auto to = on_device<float>({64});
  for (std::size_t bytes : {256u, 50u << 10, 64u << 10}) {  // as much as every device allows
    launch<dynamic_kernel>({device, 1, 64, bytes}, 63, to.mutable_data());
    CHECK(to.to(Device::cpu())(0) == 63);
  }
}

TEST_CASE("lanes give each other values", "[cuda]") {
  auto to = on_device<int>({4, 32});
  launch<shuffle_kernel>({device, 1, 32}, to.mutable_data());
  const Tensor<int> found = to.to(Device::cpu());
  for (int i = 0; i < 32; ++i) {
    CHECK(found(0, i) == 9);
    CHECK(found(1, i) == (i ^ 5) * (i ^ 5));
    CHECK(found(2, i) == (i + 7 < 32 ? (i + 7) * (i + 7) : i * i));
    CHECK(found(3, i) == 31 * 32 / 2);
  }
}

TEST_CASE("the matrix instructions multiply", "[cuda]") {
  Random random(1);
  auto d = on_device<float>({16, 8});
  const auto check = [&](auto run, Index inner) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      const auto a = whole_numbers({16, inner}, random), b = whole_numbers({inner, 8}, random);
      run(a.to(device), b.to(device));
      CHECK(difference(d.to(Device::cpu()), product(a, b)) <= 0);
    }
  };
  check(
      [&](const auto& a, const auto& b) {
        launch<bf16_kernel>({device, 1, 32}, a.data(), b.data(), d.mutable_data());
      },
      16);
  check(
      [&](const auto& a, const auto& b) {
        launch<load_matrices_kernel>({device, 1, 32}, a.data(), b.data(), d.mutable_data());
      },
      16);
  check(
      [&](const auto& a, const auto& b) {
        launch<tf32_kernel>({device, 1, 32}, a.data(), b.data(), d.mutable_data());
      },
      8);
}

TEST_CASE("numbers are rounded to the nearest, ties to even", "[cuda]") {
  const float infinity = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  const auto b = 0x1p-7f, t = 0x1p-10f;  // the steps of the two formats above 1
  const auto row = [&](float step) {
    return std::array{1.0f,     1 + step, 1 + step / 2, 1 + 3 * step / 2, 1 + 0.51f * step, -1 - 0.51f * step,
                      infinity, nan};
  };
  std::vector<float> numbers;
  for (float step : {b, t})
    for (float number : row(step)) numbers.push_back(number);
  const Tensor<float> from = Tensor<float>({2, 8}, numbers).to(device);
  auto to = on_device<float>({2, 8});
  launch<round_kernel>({device, 1, 16}, from.data(), to.mutable_data());
  const Tensor<float> found = to.to(Device::cpu());
  for (int format : {0, 1}) {
    const float step = format == 0 ? b : t;
    CHECK(found(format, 0) == 1);
    CHECK(found(format, 1) == 1 + step);
    CHECK(found(format, 2) == 1);             // a tie: down to even
    CHECK(found(format, 3) == 1 + 2 * step);  // and up
    CHECK(found(format, 4) == 1 + step);
    CHECK(found(format, 5) == -1 - step);
    CHECK(found(format, 6) == infinity);
    CHECK(std::isnan(found(format, 7)));
  }
}

TEST_CASE("a recorded graph repeats its work on the same addresses", "[cuda]") {
  auto to = Tensor<int>::zeros({1}, device);
  const cuda::Graph graph = cuda::record(0, [&] {
    for (int digit = 0; digit < 3; ++digit) launch<order_kernel>({device, 1, 1}, to.mutable_data(), digit);
  });
  CHECK(to.item() == 0);  // so far it was only recorded
  graph.replay();
  CHECK(to.item() == 12);
  graph.replay();
  CHECK(to.item() == 12012);
}
