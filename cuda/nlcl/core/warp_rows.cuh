// Rows of numbers, a warp for each.
#pragma once

#include <cmath>

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"

namespace nlcl::cuda {

// Bit i: what lane i says.
__device__ __forceinline__ unsigned ballot(bool vote) { return __ballot_sync(all_lanes, vote); }

namespace detail {
inline constexpr int rows_per_block = 4;
}

inline Launch launch_rows(Device device, Index rows) {
  return {.device = device,
          .grid = blocks_for(rows, detail::rows_per_block),
          .block = detail::rows_per_block * warp_size};
}

// The row of this warp, under launch_rows(). In the last block there are warps beyond the last row.
__device__ __forceinline__ int own_row() { return block().x * detail::rows_per_block + warp(); }

// body(i) for i from 0 to count - 1, each by one lane, which is the same every time.
template <class Body>
__device__ __forceinline__ void each_lane(int count, const Body& body) {
  for (int i = lane(); i < count; i += warp_size) body(i);
}

// combine() of value(0) to value(count - 1), for all lanes, in an order that is the same every time.
// combine(identity, x) is x.
template <class T, class Combine, class Value>
__device__ __forceinline__ T over_row(int count, T identity, Combine combine, const Value& value) {
  T result = identity;
  each_lane(count, [&](int i) { result = combine(result, value(i)); });
  return warp_reduce(result, combine);
}

template <class Value>
__device__ __forceinline__ double row_sum(int count, const Value& value) {
  return over_row(count, 0.0, Plus{}, [&](int i) { return static_cast<double>(value(i)); });
}

// At least `least`. Values that are no numbers are passed over.
struct Larger {
  __device__ float operator()(float a, float b) const { return b > a ? b : a; }
};
template <class Value>
__device__ __forceinline__ float row_maximum(int count, float least, const Value& value) {
  return over_row(count, least, Larger{}, value);
}

// y = factor * sum of terms, by one block.
inline constexpr int sum_terms_threads = 256;

__global__ void sum_terms(int count, const double* terms, double factor, float* y) {
  double sum = 0;
  for (int i = thread().x; i < count; i += sum_terms_threads) sum += terms[i];
  sum = block_sum<sum_terms_threads>(sum);
  if (thread().x == 0) *y = static_cast<float>(factor * sum);
}

inline Tensor<float> sum_of_terms(const Tensor<double>& terms, double factor) {
  Tensor<float> y(Shape{}, terms.device());
  launch<sum_terms>({.device = terms.device(), .grid = 1, .block = sum_terms_threads}, to_int(terms.size()),
                    terms.data(), factor, y.mutable_data());
  return y;
}

}  // namespace nlcl::cuda
