// The means over all elements of pixel_losses.hpp on a CUDA device.
#pragma once

#include <cstdint>

#include "nlcl/core/elementwise.cuh"
#include "nlcl/core/reduce.cuh"
#include "nlcl/ops/pixel_losses.hpp"

namespace nlcl::cuda {

namespace detail {

template <class Error>
struct ErrorAt {
  const float *a, *b;
  __device__ double operator()(std::int64_t i) const {
    return Error::value(static_cast<double>(a[i] - b[i]));
  }
};

struct DividedBy {
  double count;
  __device__ float operator()(double sum) const { return static_cast<float>(sum / count); }
};

// The gradient that arrives stays on the device.
template <class Error>
struct ErrorGradient {
  const float* dy;
  float sign, count;
  __device__ float operator()(float a, float b) const {
    return sign * (*dy / count) * Error::derivative(a - b);
  }
};

}  // namespace detail

template <class Error>
Tensor<float> mean_error(const Tensor<float>& a, const Tensor<float>& b) {
  return ordered_sum(a.device(), a.size(), detail::ErrorAt<Error>{a.data(), b.data()},
                     detail::DividedBy{static_cast<double>(a.size())});
}

template <class Error>
Tensor<float> mean_error_gradient(const Tensor<float>& a, const Tensor<float>& b, const Tensor<float>& dy,
                                  float sign) {
  return map(a, b, detail::ErrorGradient<Error>{dy.data(), sign, static_cast<float>(a.size())});
}

template Tensor<float> mean_error<SquaredError>(const Tensor<float>&, const Tensor<float>&);
template Tensor<float> mean_error<AbsoluteError>(const Tensor<float>&, const Tensor<float>&);
template Tensor<float> mean_error_gradient<SquaredError>(const Tensor<float>&, const Tensor<float>&,
                                                         const Tensor<float>&, float);
template Tensor<float> mean_error_gradient<AbsoluteError>(const Tensor<float>&, const Tensor<float>&,
                                                          const Tensor<float>&, float);

}  // namespace nlcl::cuda
