// What goes through the same weights in a step. A GPU takes it as one batch: launches are what it is slow at. On the CPU a
// batch would only be more than the caches hold, so there it is one after the other.
#pragma once

#include <cstddef>
#include <vector>

#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/slice.hpp"

namespace nlcl {

// Images [N,H,W,C] of one shape, as constants -> one batch of all, or a batch of each.
template <class T>
std::vector<Tensor<T>> batches_of(const std::vector<Tensor<T>>& parts) {
  if (!parts.front().device().is_cuda()) return parts;
  Tensor<T> all = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) all = concatenate(all, parts[i]);
  return {all};
}

// What a network made of these batches -> what it made of each of `count` parts.
template <class T>
std::vector<Tensor<T>> parts_of(const std::vector<Tensor<T>>& results, std::size_t count) {
  if (results.size() == count) return results;
  const Index rows = results.front().shape()[0] / static_cast<Index>(count);
  std::vector<Tensor<T>> parts;
  for (std::size_t i = 0; i < count; ++i)
    parts.push_back(slice(results.front(), static_cast<Index>(i) * rows, rows));
  return parts;
}

}  // namespace nlcl
