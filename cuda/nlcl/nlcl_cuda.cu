// The one CUDA translation unit.
#include <cuda_runtime.h>

#include "nlcl/core/cuda.cuh"
#include "nlcl/core/error.hpp"
#include "nlcl/core/runtime.cuh"
#include "nlcl/devices.hpp"

#if __has_include("nlcl/ops/relu.cuh")
#include "nlcl/ops/relu.cuh"
#endif
#if __has_include("nlcl/ops/blur_down.cuh")
#include "nlcl/ops/blur_down.cuh"
#endif
#if __has_include("nlcl/ops/conv2d.cuh")
#include "nlcl/ops/conv2d.cuh"
#endif
#if __has_include("nlcl/ops/gather_patches.cuh")
#include "nlcl/ops/gather_patches.cuh"
#endif
#if __has_include("nlcl/ops/instance_norm.cuh")
#include "nlcl/ops/instance_norm.cuh"
#endif
#if __has_include("nlcl/ops/l2_normalize.cuh")
#include "nlcl/ops/l2_normalize.cuh"
#endif
#if __has_include("nlcl/ops/layer_contrast.cuh")
#include "nlcl/ops/layer_contrast.cuh"
#endif
#if __has_include("nlcl/ops/leaky_relu.cuh")
#include "nlcl/ops/leaky_relu.cuh"
#endif
#if __has_include("nlcl/ops/linear.cuh")
#include "nlcl/ops/linear.cuh"
#endif
#if __has_include("nlcl/ops/patch_nce.cuh")
#include "nlcl/ops/patch_nce.cuh"
#endif
#if __has_include("nlcl/ops/patch_search.cuh")
#include "nlcl/ops/patch_search.cuh"
#endif
#if __has_include("nlcl/ops/pixel_losses.cuh")
#include "nlcl/ops/pixel_losses.cuh"
#endif
#if __has_include("nlcl/ops/residual_block.cuh")
#include "nlcl/ops/residual_block.cuh"
#endif
#if __has_include("nlcl/ops/scale.cuh")
#include "nlcl/ops/scale.cuh"
#endif
#if __has_include("nlcl/ops/soft_match.cuh")
#include "nlcl/ops/soft_match.cuh"
#endif
#if __has_include("nlcl/ops/sum.cuh")
#include "nlcl/ops/sum.cuh"
#endif
#if __has_include("nlcl/model/generator_plan.cuh")
#include "nlcl/model/generator_plan.cuh"
#endif
#if __has_include("nlcl/train/adam.cuh")
#include "nlcl/train/adam.cuh"
#endif
#if __has_include("nlcl/analysis/metrics.cuh")
#include "nlcl/analysis/metrics.cuh"
#endif

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
