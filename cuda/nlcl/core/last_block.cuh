// The end of a sum over many blocks, in the kernel that makes its parts: the last block that finishes finds the parts of
// all others, and joins them. Which block that is nobody knows, so it takes the parts in an order that does not depend on
// it.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/runtime.cuh"
#include "nlcl/core/shape.hpp"

namespace nlcl::cuda {

// `count` tickets of a device, for one launch. A kernel finds them at 0 and leaves them so, in a graph that is replayed
// too, and the device runs one kernel after the other: all kernels take the same. Throws ShapeError for more than there are.
unsigned* tickets(Device device, Index count);

// Whether this block is the last to come here with this ticket: it stands for `own` of `count`. If so, it can read what the
// others had written by then. All threads of the block must call it, and all are told the same.
__device__ __forceinline__ bool is_last_block(unsigned* ticket, int count, int own = 1) {
  __shared__ SharedArray<bool, 1> is_last;
  block_sync();  // the block has written its part
  if (thread().x == 0 && thread().y == 0) {
    device_fence();  // and all others see it who see the ticket taken
    const auto mine = static_cast<unsigned>(own);
    is_last[0] = atomicAdd(ticket, mine) + mine == static_cast<unsigned>(count);
    if (is_last[0]) *ticket = 0;
    device_fence();
  }
  block_sync();
  return is_last[0];
}

}  // namespace nlcl::cuda
