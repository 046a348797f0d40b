// The CUDA device of the tests: an emulated one, unless they were built for a real one.
#pragma once

#include "nlcl/core/cuda.hpp"
#include "nlcl/core/tensor.hpp"
#include "support/tensors.hpp"

namespace nlcl::test {

inline const Device cuda_device = Device::cuda(0);

inline bool cuda_is_there() {
  if constexpr (has_cuda) return cuda::device_count() > 0;
  return false;
}

// Whether launches wait for their kernels, for the length of a scope.
class WithSynchronous {
 public:
  explicit WithSynchronous(bool wanted) : before_(cuda::is_synchronous()) { cuda::set_synchronous(wanted); }
  ~WithSynchronous() { cuda::set_synchronous(before_); }
  WithSynchronous(const WithSynchronous&) = delete;
  WithSynchronous& operator=(const WithSynchronous&) = delete;

 private:
  bool before_;
};

// Absent tensors stay absent.
template <class T>
Tensors<T> on_device(const Tensors<T>& tensors, Device device) {
  Tensors<T> result;
  for (const Tensor<T>& x : tensors) result.push_back(x ? x.to(device) : x);
  return result;
}

}  // namespace nlcl::test
