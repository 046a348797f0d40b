// The sum of the gradients of a step's batches, which several ranks share: batch i of rank r is number i * ranks + r, and
// numbers are added in their order. So the sum is, to the bit, that of one process that has all batches.
//
// Each rank adds up one part of all values for all ranks. A step moves twice the gradients' bytes through each rank, less
// one part, as a ring's all-reduce does, and a sum in a fixed order costs no more than one in any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/train/communicator.hpp"

namespace nlcl {

class GradientSum {
 public:
  // Gradients of other tensors than `parameters`, whose order is that of all ranks, are left out where there are several.
  GradientSum(Communicator& ranks, std::vector<Tensor<float>> parameters)
      : ranks_(ranks), parameters_(std::move(parameters)) {}

  // Adds what `make` returns on each rank. If it throws on one, this throws on all, see together().
  template <class Make>
  void add(const Make& make) {
    if (ranks_.size() == 1) return sum_.add(make());
    Gradients<float> mine;
    together(ranks_, [&] { mine = make(); });
    if (total_.empty())
      std::erase_if(parameters_, [&](const auto& parameter) { return !mine.has(parameter); });
    std::vector<float> values;
    for (const Tensor<float>& parameter : parameters_) {
      const Tensor<float> gradient = mine.of(parameter).to(Device::cpu());
      values.insert(values.end(), gradient.values().begin(), gradient.values().end());
    }
    total_.resize(values.size(), -0.0f);  // what a sum may begin with: -0 + x is x, also for -0
    ranks_.add_in_order(total_, values);
  }

  // What was added.
  Gradients<float> take() {
    if (ranks_.size() == 1) return std::move(sum_);
    Gradients<float> result;
    std::span<const float> left = total_;
    for (const Tensor<float>& parameter : parameters_) {
      const auto count = static_cast<std::size_t>(parameter.size());
      result.insert(parameter, Tensor<float>(parameter.shape(), left.first(count)).to(parameter.device()));
      left = left.subspan(count);
    }
    return result;
  }

 private:
  Communicator& ranks_;
  std::vector<Tensor<float>> parameters_;  // once something was added, those that have gradients
  Gradients<float> sum_;                   // of the only rank
  std::vector<float> total_;               // of several, in the order of their parameters
};

}  // namespace nlcl
