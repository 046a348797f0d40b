// How a kernel of the CPU reads the numbers of an image: here as they are. A caller may put something of its own in its
// place, as ops/residual_block.hpp does with a ReLU. Those of a GPU have the sources of cuda/nlcl/ops/conv2d/source.cuh.
#pragma once

#include <algorithm>

#include "nlcl/core/shape.hpp"

namespace nlcl {

namespace detail {

// A row at once.
struct ReadPlain {
  template <class T>
  void operator()(const T* from, Index count, T* to) const {
    std::copy_n(from, count, to);
  }
};

}  // namespace detail

}  // namespace nlcl
