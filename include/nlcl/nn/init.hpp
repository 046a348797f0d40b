// Initial weights.
#pragma once

#include <algorithm>
#include <cmath>

#include "nlcl/core/random.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

template <class T>
void fill_uniform(Tensor<T>& tensor, double bound, Random& random) {
  std::generate_n(tensor.mutable_data(), tensor.size(),
                  [&] { return static_cast<T>(random.uniform(-bound, bound)); });
}

// How a layer's weight and bias begin.
enum class Init {
  kaiming_uniform,  // PyTorch's default (He et al. 2015 with a = sqrt(5)): uniform in 1/sqrt(fan_in), the bias too
  xavier_normal,  // Glorot and Bengio 2010 with gain 0.02: deviation 0.02 sqrt(2 / (fan_in + fan_out)), bias 0
};

template <class T>
void initialize(Tensor<T>& weight, Tensor<T>& bias, Index fan_in, Index fan_out, Init init, Random& random) {
  if (init == Init::kaiming_uniform) {
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    fill_uniform(weight, bound, random);
    fill_uniform(bias, bound, random);
  } else {
    const double deviation = 0.02 * std::sqrt(2 / static_cast<double>(fan_in + fan_out));
    std::generate_n(weight.mutable_data(), weight.size(),
                    [&] { return static_cast<T>(deviation * random.normal()); });
    std::fill_n(bias.mutable_data(), bias.size(), T{});
  }
}

}  // namespace nlcl
