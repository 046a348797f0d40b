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
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/nn/module.hpp"

namespace nlcl {

struct AdamOptions {
  double beta1 = 0.5, beta2 = 0.999, eps = 1e-8;
};

// What changes from step to step.
template <class T>
struct AdamFactors {
  T rate = 0;        // lr / (1 - b1^t)
  T correction = 0;  // 1 / (1 - b2^t)
};

// One parameter's step.
template <class T>
struct AdamUpdate {
  T b1, rest1, b2, rest2, eps;

  NLCL_BOTH void operator()(const AdamFactors<T>& factors, T g, T& m, T& v, T& w) const {
    m = b1 * m + rest1 * g;
    v = b2 * v + rest2 * g * g;
    w -= factors.rate * m / (std::sqrt(v * factors.correction) + eps);
  }
};

// A mean over about 1 / (1 - keep) steps.
template <class T>
struct MovingAverage {
  T keep;
  NLCL_BOTH T operator()(T mean, T value) const { return keep * mean + (1 - keep) * value; }
};

namespace cuda {

struct AdamSlot {
  float *parameter, *mean, *square;
  const float* gradient;
  std::int64_t size;
};

struct AverageSlot {
  float* mean;
  const float* value;
  std::int64_t size;
};

void update_averages(Device device, const MovingAverage<float>& average,
                     const std::vector<AverageSlot>& slots);
void adam(const AdamUpdate<float>& update, const Tensor<AdamFactors<float>>& factors,
          const std::vector<AdamSlot>& slots);

}  // namespace cuda

// Each of `means` with the value at its place in `values`, all of them on one device.
template <class T>
void update_averages(std::vector<Tensor<T>>& means, const std::vector<Tensor<T>>& values,
                     const MovingAverage<T>& average) {
  require<ShapeError>(means.size() == values.size(), "average: ", means.size(), " means of ", values.size(),
                      " values");
  if constexpr (on_cuda<T>)
    if (!means.empty() && means.front().device().is_cuda()) {
      std::vector<cuda::AverageSlot> slots;
      for (std::size_t i = 0; i < means.size(); ++i)
        slots.push_back({means[i].mutable_data(), values[i].data(), means[i].size()});
      return cuda::update_averages(means.front().device(), average, slots);
    }
  for (std::size_t i = 0; i < means.size(); ++i) update(means[i], values[i], average);
}

template <class T>
class Adam {
 public:
  explicit Adam(AdamOptions options = {}) : options_(options) {}

  // The parameters of `module` are stepped too, under names that begin with `prefix`; handles to them are kept. Throws
  // DeviceError unless all parameters of one Adam are on one device.
  template <class Module>
  void add(const std::string& prefix, Module& module) {
    module.parameters(prefix, [&](const std::string& name, Tensor<T>& value) {
      require<DeviceError>(slots_.empty() || slots_.front().parameter.device() == value.device(),
                           "adam: ", name, " is on ", value.device(), ", parameters before it on ",
                           slots_.empty() ? Device() : slots_.front().parameter.device());
      const auto zeros = [&] { return Tensor<T>::zeros(value.shape(), value.device()); };
      slots_.push_back({name, value, zeros(), zeros()});
    });
  }

  // One step. A parameter that the loss does not depend on stays as it is.
  void step(const Gradients<T>& gradients, double learning_rate) {
    begin_step(learning_rate);
    update_parameters(gradients);
  }

  // The two halves of a step. On a CUDA device the second can be recorded and repeated, each time after the first:
  // what the first computes stands in the device's memory.
  void begin_step(double learning_rate) {
    ++steps_;
    const double t = static_cast<double>(steps_);
    factors_ = {static_cast<T>(learning_rate / (1 - std::pow(options_.beta1, t))),
                static_cast<T>(1 / (1 - std::pow(options_.beta2, t)))};
    if constexpr (on_cuda<T>) {
      const Device device = slots_.empty() ? Device::cpu() : slots_.front().parameter.device();
      if (!device.is_cuda()) return;
      if (!on_device_) on_device_ = Tensor<AdamFactors<T>>({1}, device);
      cuda::fill(on_device_.mutable_data(), &factors_, sizeof(factors_), 1, device.index);
    }
  }

  void update_parameters(const Gradients<T>& gradients) {
    const AdamUpdate<T> update{static_cast<T>(options_.beta1), static_cast<T>(1 - options_.beta1),
                               static_cast<T>(options_.beta2), static_cast<T>(1 - options_.beta2),
                               static_cast<T>(options_.eps)};
    if constexpr (on_cuda<T>)
      if (on_device_) return cuda::adam(update, on_device_, slots_with(gradients));
    for (Slot& slot : slots_) {
      if (!gradients.has(slot.parameter)) continue;
      const T* const g = gradients.of(slot.parameter).data();
      T *const m = slot.mean.mutable_data(), *const v = slot.square.mutable_data(),
               *const w = slot.parameter.mutable_data();
      parallel_blocks(slot.parameter.size(), elements_per_task,
                      [update, factors = factors_, g, m, v, w](Index begin, Index end) {
                        for (Index i = begin; i < end; ++i) update(factors, g[i], m[i], v[i], w[i]);
                      });
    }
  }

  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }

  // As if no step had been taken.
  void restart() {
    steps_ = 0;
    for (Slot& slot : slots_)
      for (Tensor<T>* mean : {&slot.mean, &slot.square})
        mean->assign(Tensor<T>::zeros(mean->shape(), mean->device()));
  }

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

  std::vector<cuda::AdamSlot> slots_with(const Gradients<T>& gradients) {
    std::vector<cuda::AdamSlot> result;
    for (Slot& slot : slots_)
      if (gradients.has(slot.parameter))
        result.push_back({slot.parameter.mutable_data(), slot.mean.mutable_data(), slot.square.mutable_data(),
                          gradients.of(slot.parameter).data(), slot.parameter.size()});
    return result;
  }

  AdamOptions options_;
  std::vector<Slot> slots_;
  AdamFactors<T> factors_;
  Tensor<AdamFactors<T>> on_device_;  // the factors, absent on the CPU
  std::uint64_t steps_ = 0;
};

}  // namespace nlcl
