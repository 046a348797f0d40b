// The sum of the gradients of a step's batches, which several ranks share: batch i of rank r is number i * ranks + r, and
// numbers are added in their order. So the sum is, to the bit, that of one process that has all batches.
//
// Each rank adds up one part of all values for all ranks. A step moves twice the gradients' bytes through each rank, less
// one part, as a ring's all-reduce does, and a sum in a fixed order costs no more than one in any.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/tensor.hpp"
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
    if (!total_) std::erase_if(parameters_, [&](const auto& parameter) { return !mine.has(parameter); });
    Tensor<float> values({size()}, parameters_.front().device());
    each_part([&](const Tensor<float>& parameter, Index first, Index count) {
      values.part(first, count).assign(mine.of(parameter).reshaped({count}));
    });
    // What a sum may begin with: -0 + x is x, also for -0.
    if (!total_) total_ = Tensor<float>::full(values.shape(), -0.0f, values.device());
    ranks_.add_in_order(total_, values);
  }

  // What was added.
  Gradients<float> take() {
    if (ranks_.size() == 1) return std::move(sum_);
    Gradients<float> result;
    each_part([&](const Tensor<float>& parameter, Index first, Index count) {
      result.insert(parameter, total_.part(first, count).reshaped(parameter.shape()).clone());
    });
    return result;
  }

 private:
  Index size() const {
    Index size = 0;
    for (const Tensor<float>& parameter : parameters_) size += parameter.size();
    return size;
  }

  // visit(parameter, the first of its values among all, how many it has)
  template <class Visit>
  void each_part(const Visit& visit) const {
    Index first = 0;
    for (const Tensor<float>& parameter : parameters_) {
      visit(parameter, first, parameter.size());
      first += parameter.size();
    }
  }

  Communicator& ranks_;
  std::vector<Tensor<float>> parameters_;  // once something was added, those that have gradients
  Gradients<float> sum_;                   // of the only rank
  Tensor<float> total_;                    // of several, in the order of their parameters
};

}  // namespace nlcl
