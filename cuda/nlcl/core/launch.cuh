// Launching kernels.
//
//     launch<relu_kernel>({.device = x.device(), .grid = blocks_for(x.size(), 256), .block = 256}, from, to, size);
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <limits>
#include <string_view>

#include "nlcl/core/cuda.hpp"
#include "nlcl/core/device.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/runtime.cuh"
#include "nlcl/core/shape.hpp"

namespace nlcl::cuda {

struct Launch {
  Device device;
  dim3 grid, block;
  std::size_t shared_bytes = 0;  // of dynamic shared memory
};

// How many blocks of `block` threads (or elements) it takes. Throws ShapeError where a grid cannot have as many.
inline unsigned blocks_for(Index count, Index block) {
  const Index blocks = (count + block - 1) / block;
  require<ShapeError>(blocks <= std::numeric_limits<int>::max(), "cuda: ", count,
                      " elements are too many for a grid");
  return static_cast<unsigned>(blocks);
}

// Throws ShapeError for a size that an int cannot hold: inside kernels it is one.
inline int to_int(Index size) {
  require<ShapeError>(size >= 0 && size <= std::numeric_limits<int>::max(), "cuda: ", size,
                      " elements are too many for one kernel");
  return static_cast<int>(size);
}

namespace detail {

// "relu_kernel", from what the compiler calls a function with this template argument.
template <auto kernel>
constexpr std::string_view kernel_name() {
  constexpr std::string_view function = __PRETTY_FUNCTION__, key = "kernel = ";
  constexpr std::string_view rest = function.substr(function.rfind(key) + key.size());
  constexpr std::string_view name = rest.substr(0, rest.find_first_of("<;]"));
  return name.substr(name.rfind(':') + 1);
}

}  // namespace detail

// Runs the kernel on the stream of its device. A grid without blocks is nothing to do. Throws DeviceError if it cannot be
// launched; a fault while it runs is found later, unless is_synchronous().
template <auto kernel, class... Arguments>
void launch(const Launch& how, const Arguments&... arguments) {
  if (how.grid.x == 0 || how.grid.y == 0 || how.grid.z == 0) return;
  const UseDevice use(how.device.index);
  const auto check_launch = [](cudaError_t status) {
    check(status, "kernel ", detail::kernel_name<kernel>());
  };
  if (how.shared_bytes > 0)  // beyond 48 KB it has to be asked for, and the kernel's own arrays count, too
    check_launch(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      static_cast<int>(how.shared_bytes)));
  cudaLaunchConfig_t config{};
  config.gridDim = how.grid;
  config.blockDim = how.block;
  config.dynamicSmemBytes = how.shared_bytes;
  config.stream = stream(how.device.index);
#if defined(NLCL_CUDA_EMULATION)
  emulation::launched_kernel() = detail::kernel_name<kernel>();
#endif
  check_launch(cudaLaunchKernelEx(&config, kernel, arguments...));
  if (is_synchronous() && !is_recording(how.device.index)) check_launch(cudaStreamSynchronize(config.stream));
}

}  // namespace nlcl::cuda
