// dbias of a convolution: the sum of dy over all pixels.
#pragma once

#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/conv2d/sizes.hpp"

namespace nlcl {

namespace detail {

// Row by row, then the rows in order: the bits do not depend on the number of threads.
template <class T>
Tensor<T> conv2d_bias_sums(const Conv2dSizes& s, const Tensor<T>& dy) {
  const Index rows = s.batch * s.out_height;
  Tensor<double> partial = Tensor<double>::zeros({rows, s.out});  // in double: up to a million terms
  double* const sums = partial.mutable_data();
  parallel_for(rows, [&](Index row) {
    const T* from = dy.data() + row * s.out_width * s.out;
    for (Index j = 0; j < s.out_width; ++j)
      for (Index o = 0; o < s.out; ++o) sums[row * s.out + o] += static_cast<double>(*from++);
  });
  Tensor<T> dbias({s.out});
  T* const to = dbias.mutable_data();
  for (Index o = 0; o < s.out; ++o) {
    double sum = 0;
    for (Index row = 0; row < rows; ++row) sum += sums[row * s.out + o];
    to[o] = static_cast<T>(sum);
  }
  return dbias;
}

}  // namespace detail

}  // namespace nlcl
