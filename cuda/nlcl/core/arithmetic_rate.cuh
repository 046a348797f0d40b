// How many operations a second a device can do at most, measured: the same instructions as its convolutions have, on
// registers alone.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "nlcl/core/arithmetic_rate.hpp"
#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/mma.cuh"
#include "nlcl/core/stopwatch.cuh"
#include "nlcl/core/tensor.hpp"

namespace nlcl::cuda {

namespace detail {

inline constexpr int rate_threads = 256;
inline constexpr int rate_chains = 8;  // in flight in a warp: none waits for the one before it

// One instruction of each kind, and what it counts for a thread: a multiply-add is two.
struct MultiplyAdd {
  static constexpr double operations = 2;
  float sum;
  __device__ __forceinline__ explicit MultiplyAdd(float start) : sum(start) {}
  __device__ __forceinline__ void operator()(std::uint32_t seed) { sum = sum * 0.5f + __uint_as_float(seed); }
};
struct Tf32Product {
  static constexpr double operations = 2.0 * 16 * 8 * 8 / warp_size;
  float sum[4];
  __device__ __forceinline__ explicit Tf32Product(float start) : sum{start, start, start, start} {}
  __device__ __forceinline__ void operator()(std::uint32_t seed) {
    const std::uint32_t a[4] = {seed, seed, seed, seed}, b[2] = {seed, seed};
    mma_tf32_16x8x8(sum, a, b);
  }
};
struct Bf16Product {
  static constexpr double operations = 2.0 * 16 * 8 * 16 / warp_size;
  float sum[4];
  __device__ __forceinline__ explicit Bf16Product(float start) : sum{start, start, start, start} {}
  __device__ __forceinline__ void operator()(std::uint32_t seed) {
    const std::uint32_t a[4] = {seed, seed, seed, seed}, b[2] = {seed, seed};
    mma_bf16_16x8x16(sum, a, b);
  }
};

__device__ __forceinline__ float total(const MultiplyAdd& chain) { return chain.sum; }
template <class Product>
__device__ __forceinline__ float total(const Product& chain) {
  return chain.sum[0] + chain.sum[1] + chain.sum[2] + chain.sum[3];
}

// Chains begin with numbers of their own, so that they are not one, and their sum is used, if only in a case that
// never comes.
template <class Instruction>
__global__ void rate_kernel(int rounds, std::uint32_t seed, float* sink) {
  static_assert(rate_chains == 8);
  Instruction chain[rate_chains]{Instruction(0), Instruction(1), Instruction(2), Instruction(3),
                                 Instruction(4), Instruction(5), Instruction(6), Instruction(7)};
  for (int round = 0; round < rounds; ++round) {
    NLCL_UNROLL
    for (int i = 0; i < rate_chains; ++i) chain[i](seed);
  }
  float sum = 0;
  NLCL_UNROLL
  for (int i = 0; i < rate_chains; ++i) sum += total(chain[i]);
  if (sum < 0) *sink = sum;
}

// More and more rounds until it takes long enough to be timed; the best of several runs.
template <class Instruction>
double measured_rate(int device) {
  const unsigned blocks = 8 * static_cast<unsigned>(processors(device));
  Tensor<float> sink({1}, Device::cuda(device));
  Stopwatch watch(device);
  const auto time = [&](int rounds) {
    watch.start();
    launch<rate_kernel<Instruction>>({.device = Device::cuda(device), .grid = blocks, .block = rate_threads},
                                     rounds, std::uint32_t{0}, sink.mutable_data());
    return watch.stop();
  };
  int rounds = 1;
  while (time(rounds) < 5e-3) rounds *= 2;
  double best = time(rounds);
  for (int i = 0; i < 5; ++i) best = std::min(best, time(rounds));
  return Instruction::operations * rate_chains * rounds * blocks * rate_threads / best;
}

}  // namespace detail

double arithmetic_rate(int device, Precision precision) {
  const bool has_matrix_units = compute_capability(device) >= 80;
  if (has_matrix_units && precision == Precision::bf16)
    return detail::measured_rate<detail::Bf16Product>(device);
  if (has_matrix_units && precision == Precision::tf32)
    return detail::measured_rate<detail::Tf32Product>(device);
  return detail::measured_rate<detail::MultiplyAdd>(device);
}

}  // namespace nlcl::cuda
