// The one CUDA translation unit.
#include <cuda_runtime.h>

#include "nlcl/core/arithmetic_rate.cuh"
#include "nlcl/core/copy_stream.cuh"
#include "nlcl/core/cuda.cuh"
#include "nlcl/core/error.hpp"
#include "nlcl/core/patch_center.cuh"
#include "nlcl/core/runtime.cuh"
#include "nlcl/core/stopwatch.cuh"
#include "nlcl/devices.hpp"
#include "nlcl/model/cuda_plan.cuh"
#include "nlcl/model/tiles.cuh"
#include "nlcl/ops/blur_down.cuh"
#include "nlcl/ops/conv2d.cuh"
#include "nlcl/ops/gather_patches.cuh"
#include "nlcl/ops/instance_norm.cuh"
#include "nlcl/ops/l2_normalize.cuh"
#include "nlcl/ops/layer_contrast.cuh"
#include "nlcl/ops/leaky_relu.cuh"
#include "nlcl/ops/linear.cuh"
#include "nlcl/ops/patch_nce.cuh"
#include "nlcl/ops/patch_search.cuh"
#include "nlcl/ops/pixel_losses.cuh"
#include "nlcl/ops/relu.cuh"
#include "nlcl/ops/residual_block.cuh"
#include "nlcl/ops/scale.cuh"
#include "nlcl/ops/slice.cuh"
#include "nlcl/ops/soft_match.cuh"
#include "nlcl/ops/sum.cuh"
#include "nlcl/train/adam.cuh"
#include "nlcl/train/nccl.cuh"

namespace nlcl {

std::vector<std::string> cuda_devices() {
  std::vector<std::string> devices;
  for (int i = 0; i < cuda::device_count(); ++i) {
    cudaDeviceProp device{};
    cuda::check(cudaGetDeviceProperties(&device, i), "cudaGetDeviceProperties");
    devices.push_back(text(device.name, ", ", device.totalGlobalMem >> 20, " MiB"));
  }
  return devices;
}

}  // namespace nlcl
