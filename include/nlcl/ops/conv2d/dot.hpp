// conv2d_dot: a convolution to few channels, by dot products. A register tile would be mostly padding there, so the
// product runs along the window: its numbers are contiguous, as are those of the transposed weight.
#pragma once

#include "nlcl/core/tensor.hpp"
#include "nlcl/core/tile_product.hpp"
#include "nlcl/ops/conv2d/padded_rows.hpp"
#include "nlcl/ops/conv2d/read_plain.hpp"
#include "nlcl/ops/conv2d/sizes.hpp"

namespace nlcl {

namespace detail {

// y = conv(x, weight) + bias for `Out` output channels, bias may be absent. `in` must fill whole registers.
template <class T, int Out, class Read = ReadPlain>
Tensor<T> conv2d_dot(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias,
                     const Read& read = {}) {
  const Index depth = s.kernel_height * s.window();
  Tensor<T> transposed({Out, depth});
  for (Index o = 0; o < Out; ++o)
    for (Index k = 0; k < depth; ++k) transposed.mutable_data()[o * depth + k] = weight.data()[k * Out + o];
  const Tensor<T> start = bias ? bias : Tensor<T>::zeros({Out});

  return conv2d_by_blocks(s, x, s.width + 2 * s.padding, read,
                          [&](const PaddedRows<T>& rows, Index count, T* to) {
                            for (Index i = 0; i < count; ++i) {
                              T* const y_row = to + i * s.out_width * Out;
                              const auto pixels = [&]<int Pixels>(Index j) NLCL_INLINE_LAMBDA {
                                DotTile<T, Pixels, Out> tile;
                                for (Index u = 0; u < s.kernel_height; ++u)
                                  tile.accumulate(rows.row(i, u) + j * s.stride * s.in, s.stride * s.in,
                                                  transposed.data() + u * s.window(), depth, s.window());
                                tile.store(y_row + j * Out, Out, start.data());
                              };
                              Index j = 0;
                              for (; j + 4 <= s.out_width; j += 4) pixels.template operator()<4>(j);
                              for (; j < s.out_width; ++j) pixels.template operator()<1>(j);
                            }
                          });
}

}  // namespace detail

}  // namespace nlcl
