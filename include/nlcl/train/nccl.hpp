// Ranks whose GPUs speak with each other, by NCCL, where the backend was built with it: then NLCL_NCCL is defined.
#pragma once

#ifdef NLCL_NCCL

#include <memory>

#include "nlcl/core/device.hpp"
#include "nlcl/train/communicator.hpp"

namespace nlcl {

// The ranks of `hosts`, which outlive the result and talk through it about all but gradients: these are added where they
// lie, and the addition can be recorded. `device` is that of this rank. Null, on all ranks, unless each has a GPU of its own.
// Throws DeviceError for what goes wrong within NCCL.
std::unique_ptr<Communicator> nccl_communicator(Communicator& hosts, Device device);

}  // namespace nlcl

#endif  // NLCL_NCCL
