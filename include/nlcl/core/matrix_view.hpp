// Tensors as matrices of Eigen, for products that need no kernel of their own. Nothing is copied.
#pragma once

#include "nlcl/core/simd.hpp"  // Eigen
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace detail {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// A tensor [rows, columns] as Eigen sees it, or one of `groups` equal parts of its rows.
template <class T>
Eigen::Map<const Matrix<T>> matrix(const Tensor<T>& x, Index group = 0, Index groups = 1) {
  return {x.data() + group * (x.size() / groups), x.shape()[0] / groups, x.shape()[1]};
}
template <class T>
Eigen::Map<Matrix<T>> mutable_matrix(Tensor<T>& x, Index group = 0, Index groups = 1) {
  return {x.mutable_data() + group * (x.size() / groups), x.shape()[0] / groups, x.shape()[1]};
}

}  // namespace detail

}  // namespace nlcl
