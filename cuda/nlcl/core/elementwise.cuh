// A function of each element: what map() of core/elementwise.hpp does on a device.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/tensor.hpp"

namespace nlcl::cuda {

namespace detail {

inline constexpr int map_threads = 256, map_elements = 4;  // a thread's elements: one load of 16 bytes

// to[i] = f(from[i]...). Every thread has four elements; `to` may be one of `from`.
template <class F, class... From>
__global__ void map_kernel(F f, std::int64_t count, float* to, From... from) {
  const std::int64_t first = map_elements * grid_thread();
  if (first + map_elements <= count) {
    const auto four = [&](const auto&... x) { return float4{f(x.x...), f(x.y...), f(x.z...), f(x.w...)}; };
    *reinterpret_cast<float4*>(to + first) = four(*reinterpret_cast<const float4*>(from + first)...);
  } else {
    for (std::int64_t i = first; i < count; ++i) to[i] = f(from[i]...);
  }
}

template <class F, class... From>
void map_to(int device, const F& f, Index count, float* to, const From*... from) {
  launch<map_kernel<F, const From*...>>({.device = Device::cuda(device),
                                         .grid = blocks_for(count, map_threads * map_elements),
                                         .block = map_threads},
                                        f, std::int64_t{count}, to, from...);
}

}  // namespace detail

// Instantiated for a function by the .cuh of its op:
//     template Tensor<float> map(const Tensor<float>&, const ReluValue&);
template <class F>
Tensor<float> map(const Tensor<float>& x, const F& f) {
  Tensor<float> y(x.shape(), x.device());
  detail::map_to(x.device().index, f, y.size(), y.mutable_data(), x.data());
  return y;
}

template <class F>
Tensor<float> map(const Tensor<float>& a, const Tensor<float>& b, const F& f) {
  Tensor<float> y(a.shape(), a.device());
  detail::map_to(a.device().index, f, y.size(), y.mutable_data(), a.data(), b.data());
  return y;
}

template <class F>
void update(Tensor<float>& y, const Tensor<float>& x, const F& f) {
  float* const to = y.mutable_data();
  detail::map_to(y.device().index, f, y.size(), to, static_cast<const float*>(to), x.data());
}

}  // namespace nlcl::cuda
