// The CUDA devices of this machine. Defined in the target nlcl::cuda.
#pragma once

#include <string>
#include <vector>

namespace nlcl {

// One line for each device, as in "NVIDIA H200, 143771 MiB"; none without a device or its driver.
// Throws DeviceError when a driver is there and reports an error.
std::vector<std::string> cuda_devices();

}  // namespace nlcl
