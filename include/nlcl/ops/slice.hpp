// slice: some rows of a tensor, as the images of a batch.      y = x[first : first + count], along the first axis
//
// dx = dy in these rows, 0 in all others. What shares weights runs as one batch, and slices are its parts again.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace cuda {

// dy from number `first` on of an x that is 0 elsewhere.
Tensor<float> slice_gradient(const Shape& x, Index first, const Tensor<float>& dy);

}  // namespace cuda

template <class T>
struct Slice {
  static constexpr std::string_view name = "slice";
  Index first, count;
  Shape x;

  Tensor<T> forward(const Tensor<T>& input) {
    x = input.shape();
    require<ShapeError>(x.rank() > 0 && first >= 0 && count >= 0 && first <= x[0] - count, "slice: ", count,
                        " rows from ", first, " on of x ", x);
    const Tensor<T> rows = input.part(first, count);
    // Kernels trust that tensors begin on a cache line: rows that begin within one are copied.
    const bool is_aligned = reinterpret_cast<std::uintptr_t>(rows.data()) % Pool::alignment == 0;
    return is_aligned ? rows : rows.clone();
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    const Index at = x[0] == 0 ? 0 : first * (x.size() / x[0]);
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda()) return {cuda::slice_gradient(x, at, dy)};
    Tensor<T> dx = Tensor<T>::zeros(x);
    std::copy_n(dy.data(), dy.size(), dx.mutable_data() + at);
    return {dx};
  }
};

// Rows first .. first + count - 1 of x along its first axis, which share its values where they can. Throws ShapeError for
// rows that x has not.
template <class T>
Tensor<T> slice(const Tensor<T>& x, Index first, Index count) {
  return apply(Slice<T>{first, count, {}}, x);
}

}  // namespace nlcl
