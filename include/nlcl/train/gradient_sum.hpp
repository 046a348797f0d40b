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
#include "nlcl/core/join.hpp"
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
    std::vector<Tensor<float>> values;
    for (const Tensor<float>& parameter : parameters_) values.push_back(mine.of(parameter));
    const Tensor<float> joined = join(values);
    // What a sum may begin with: -0 + x is x, also for -0.
    if (!total_) total_ = Tensor<float>::full(joined.shape(), -0.0f, joined.device());
    ranks_.add_in_order(total_, joined);
  }

  // What was added.
  Gradients<float> take() {
    if (ranks_.size() == 1) return std::move(sum_);
    std::vector<Shape> shapes;
    for (const Tensor<float>& parameter : parameters_) shapes.push_back(parameter.shape());
    std::vector<Tensor<float>> values = split(total_, shapes);
    Gradients<float> result;
    for (std::size_t i = 0; i < values.size(); ++i) result.insert(parameters_[i], std::move(values[i]));
    return result;
  }

 private:
  Communicator& ranks_;
  std::vector<Tensor<float>> parameters_;  // once something was added, those that have gradients
  Gradients<float> sum_;                   // of the only rank
  Tensor<float> total_;                    // of several, in the order of their parameters
};

}  // namespace nlcl
