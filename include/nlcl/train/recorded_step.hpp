// A step of training that a CUDA device repeats: the same work on the same addresses, to which is written what is a step's
// own, its images and queries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "nlcl/core/arithmetic_rate.hpp"
#include "nlcl/core/cuda.hpp"
#include "nlcl/core/device.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/model/queries.hpp"
#include "nlcl/train/loader.hpp"

namespace nlcl {

class RecordedStep {
 public:
  // compute(batches, queries) on `device`, which asks nothing of the CPU. The first step of a kind is computed as it comes:
  // it finds whatever is wrong, and loads the kernels, which cannot be done while recording. The second is recorded.
  template <class Compute>
  void run(Device device, const std::vector<Batch>& batches, const std::vector<Queries>& queries,
           const Compute& compute) {
    const bool is_first =
        precision_ != precision() || !std::ranges::equal(batches_, batches, {}, shape_of, shape_of);
    if (is_first) {
      forget();
      batches_.resize(batches.size());
      queries_.resize(batches.size());
      precision_ = precision();
    }
    const auto write = [&](auto& kept, const auto& value) {
      if (!value) return;
      if (is_first)
        kept = value.to(device).clone();
      else
        kept.assign(value);
    };
    for (std::size_t i = 0; i < batches.size(); ++i) {
      for (auto part : Batch::parts()) write(batches_[i].*part, batches[i].*part);
      for (auto search : Queries::searches()) write(queries_[i].*search, queries[i].*search);
    }
    const auto work = [&] { compute(batches_, queries_); };
    if (is_first) return work();
    if (!graph_) {
      cuda::pool(device.index).trim();  // what the first step took: the graph takes its own
      graph_ = cuda::record(device.index, work);
    }
    graph_.replay();
  }

  // The next step is a first one.
  void forget() { *this = {}; }

 private:
  static const Shape& shape_of(const Batch& batch) { return batch.rainy.shape(); }

  std::vector<Batch> batches_;
  std::vector<Queries> queries_;
  Precision precision_{};
  cuda::Graph graph_;  // absent until the second step
};

}  // namespace nlcl
