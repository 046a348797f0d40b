// What a CUDA device can do at most, measured. The target nlcl::cuda defines it.
#pragma once

#include "nlcl/core/device.hpp"

namespace nlcl::cuda {

// Operations a second (a multiply-add is two) of the instructions that convolutions of this precision are made of: the
// matrix units' in tf32 and bf16, where there are any.
double arithmetic_rate(int device, Precision precision);

}  // namespace nlcl::cuda
