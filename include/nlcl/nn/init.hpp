// Initial weights.
#pragma once

#include <algorithm>
#include <cmath>

#include "nlcl/core/random.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// Overwrites the values of `tensor`, which is on the CPU, in their order: uniform in [-bound, bound).
template <class T>
void fill_uniform(Tensor<T>& tensor, double bound, Random& random) {
  std::generate_n(tensor.mutable_data(), tensor.size(),
                  [&] { return static_cast<T>(random.uniform(-bound, bound)); });
}

// How a layer's weight and bias begin.
struct Init {
  enum class Kind { kaiming_uniform, xavier_normal } kind = Kind::kaiming_uniform;
  double gain = 1;  // of xavier_normal

  // PyTorch's default (He et al. 2015 with a = sqrt(5)): uniform in 1/sqrt(fan_in), the bias too.
  static constexpr Init kaiming_uniform() { return {}; }
  // Glorot and Bengio 2010: deviation gain * sqrt(2 / (fan_in + fan_out)), bias 0.
  static constexpr Init xavier_normal(double gain = 0.02) { return {Kind::xavier_normal, gain}; }
};

// Overwrites a layer's weight, of whatever shape, and its bias; both are on the CPU. fan_in: how many inputs an output
// is a sum of, for a convolution [k,k,in,out] k * k * in; fan_out: how many outputs an input goes into, k * k * out.
// What is drawn from `random` are the numbers of the weight in the order of memory, then those of the bias.
template <class T>
void initialize(Tensor<T>& weight, Tensor<T>& bias, Index fan_in, Index fan_out, Init init, Random& random) {
  if (init.kind == Init::Kind::kaiming_uniform) {
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    fill_uniform(weight, bound, random);
    fill_uniform(bias, bound, random);
  } else {
    const double deviation = init.gain * std::sqrt(2 / static_cast<double>(fan_in + fan_out));
    std::generate_n(weight.mutable_data(), weight.size(),
                    [&] { return static_cast<T>(deviation * random.normal()); });
    std::fill_n(bias.mutable_data(), bias.size(), T{});
  }
}

}  // namespace nlcl
