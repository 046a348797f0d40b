// How a kernel reads the numbers of an image: here as they are. A caller may put something of its own in its place, as
// ops/residual_block.hpp does with a ReLU.
#pragma once

#include <algorithm>

#include "nlcl/core/device.hpp"
#include "nlcl/core/shape.hpp"

namespace nlcl {

namespace detail {

// A row at once on the CPU; on a GPU one number, of which it may know the image and the channel.
struct ReadPlain {
  template <class T>
  void operator()(const T* from, Index count, T* to) const {
    std::copy_n(from, count, to);
  }
  NLCL_BOTH float operator()(float value, int /*image*/, int /*channel*/) const { return value; }
};

}  // namespace detail

namespace cuda {
using nlcl::detail::ReadPlain;
}

}  // namespace nlcl
