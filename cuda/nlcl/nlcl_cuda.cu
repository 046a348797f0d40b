// The one CUDA translation unit.
#include <cuda_runtime.h>

#include "nlcl/core/error.hpp"
#include "nlcl/devices.hpp"

namespace nlcl {
namespace {

void check(cudaError_t status, const char* call) {
  require<DeviceError>(status == cudaSuccess, call, ": ", cudaGetErrorString(status));
}

}  // namespace

std::vector<std::string> cuda_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) return {};
  check(status, "cudaGetDeviceCount");

  std::vector<std::string> devices;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp device{};
    check(cudaGetDeviceProperties(&device, i), "cudaGetDeviceProperties");
    devices.push_back(text(device.name, ", ", device.totalGlobalMem >> 20, " MiB"));
  }
  return devices;
}

}  // namespace nlcl
