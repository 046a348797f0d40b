// Adam (Kingma and Ba, ICLR 2015): steps scaled by running means of the gradient and of its square.
//
//     m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
//     w = w - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)        t: steps taken, this one included
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/nn/module.hpp"

namespace nlcl {

struct AdamOptions {
  double beta1 = 0.5, beta2 = 0.999, eps = 1e-8;
};

template <class T>
class Adam {
 public:
  explicit Adam(AdamOptions options = {}) : options_(options) {}

  // The parameters of `module` are stepped too, under names that begin with `prefix`.
  template <class Module>
  void add(const std::string& prefix, Module& module) {
    module.parameters(prefix, [&](const std::string& name, Tensor<T>& value) {
      slots_.push_back({name, value, Tensor<T>::zeros(value.shape()), Tensor<T>::zeros(value.shape())});
    });
  }

  // One step. A parameter that the loss does not depend on stays as it is.
  void step(const Gradients<T>& gradients, double learning_rate) {
    ++steps_;
    const double t = static_cast<double>(steps_);
    const T b1 = static_cast<T>(options_.beta1), b2 = static_cast<T>(options_.beta2),
            rest1 = static_cast<T>(1 - options_.beta1), rest2 = static_cast<T>(1 - options_.beta2),
            eps = static_cast<T>(options_.eps);
    const T rate = static_cast<T>(learning_rate / (1 - std::pow(options_.beta1, t)));
    const T correction = static_cast<T>(1 / (1 - std::pow(options_.beta2, t)));
    for (Slot& slot : slots_) {
      if (!gradients.has(slot.parameter)) continue;
      const T* const g = gradients.of(slot.parameter).data();
      T *const m = slot.mean.mutable_data(), *const v = slot.square.mutable_data(),
               *const w = slot.parameter.mutable_data();
      parallel_blocks(slot.parameter.size(), elements_per_task, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
          m[i] = b1 * m[i] + rest1 * g[i];
          v[i] = b2 * v[i] + rest2 * g[i] * g[i];
          w[i] -= rate * m[i] / (std::sqrt(v[i] * correction) + eps);
        }
      });
    }
  }

  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }

  // Its state is named as parameters are: NAME.mean and NAME.square.
  void parameters(const std::string& prefix, const auto& visit) {
    for (Slot& slot : slots_) {
      visit(join_name(prefix, slot.name + ".mean"), slot.mean);
      visit(join_name(prefix, slot.name + ".square"), slot.square);
    }
  }

 private:
  struct Slot {
    std::string name;
    Tensor<T> parameter, mean, square;
  };
  AdamOptions options_;
  std::vector<Slot> slots_;
  std::uint64_t steps_ = 0;
};

}  // namespace nlcl
