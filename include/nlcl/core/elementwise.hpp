// A function of each element, on all threads.
//
// The function takes values, not places: they are read before it decides anything, and so the loop can be
// vectorised even where the function chooses between two of them.
#pragma once

#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// y = f(x), of x's shape.
template <class T, class F>
Tensor<T> map(const Tensor<T>& x, const F& f) {
  Tensor<T> y(x.shape());
  const T* const from = x.data();
  T* const to = y.mutable_data();
  parallel_blocks(y.size(), elements_per_task, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] = f(from[i]);
  });
  return y;
}

// y = f(a, b), a and b of one shape.
template <class T, class F>
Tensor<T> map(const Tensor<T>& a, const Tensor<T>& b, const F& f) {
  require<ShapeError>(a.shape() == b.shape(), "map: shapes ", a.shape(), " and ", b.shape());
  Tensor<T> y(a.shape());
  const T *const left = a.data(), *const right = b.data();
  T* const to = y.mutable_data();
  parallel_blocks(y.size(), elements_per_task, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] = f(left[i], right[i]);
  });
  return y;
}

}  // namespace nlcl
