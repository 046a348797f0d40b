// conv2d_winograd: the 3x3 convolutions of the generator, by Winograd's minimal filtering (core/winograd.hpp), with a
// quarter of the multiplications.
#pragma once

#include <algorithm>
#include <array>

#include "nlcl/core/tensor.hpp"
#include "nlcl/core/winograd.hpp"
#include "nlcl/ops/conv2d/padded_rows.hpp"
#include "nlcl/ops/conv2d/read_plain.hpp"
#include "nlcl/ops/conv2d/sizes.hpp"

namespace nlcl {

namespace detail {

// The generator's convolutions: 3x3, stride 1, padding 1, 32 channels.
inline bool conv2d_suits_winograd(const Conv2dSizes& s) {
  return s.weight() == Shape{3, 3, 32, 32} && s.stride == 1 && s.padding == 1;
}

// The six padded rows under four output rows from row i of a block on.
template <class T>
std::array<const T*, 6> winograd_window(const PaddedRows<T>& rows, Index i) {
  return {rows.row(i, 0), rows.row(i, 1), rows.row(i, 2), rows.row(i, 3), rows.row(i, 4), rows.row(i, 5)};
}

// y = conv(x, weight) + bias, bias may be absent: 3x3, stride 1, padding 1, and channels known to the compiler.
template <class T, Index In, Index Out, class Read = ReadPlain>
Tensor<T> conv2d_winograd(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& weight,
                          const Tensor<T>& bias, const Read& read = {}) {
  using Kernel = Winograd<T, In, Out>;
  static_assert(conv2d_block_rows % Kernel::tile == 0);
  const Kernel kernel(weight, bias ? bias : Tensor<T>::zeros({Out}));
  return conv2d_by_blocks(
      s, x, Kernel::padded_width(s.width), read, [&](const PaddedRows<T>& rows, Index count, T* to) {
        typename Kernel::Scratch scratch = kernel.make_scratch();
        for (Index i = 0; i < count; i += Kernel::tile)
          kernel.strip(winograd_window(rows, i), s.width, std::min(Kernel::tile, count - i),
                       to + i * s.width * Out, nullptr, scratch, [](Index, Index) {});
      });
}

// dweight, summed in the same domain.
template <class T, Index In, Index Out>
Tensor<T> conv2d_weight_gradient_winograd(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& dy,
                                          const auto& read) {
  using Kernel = WinogradWeightGradient<T, In, Out>;
  const Index padded_width = Winograd<T, In, Out>::padded_width(s.width);
  const Tensor<T> sums = conv2d_sum_of_bands(
      s, x, padded_width, read, 1, Kernel::sum_size,
      [&](const PaddedRows<T>& rows, Index offset, Index count, Index, T* sum) {
        typename Kernel::Scratch scratch = Kernel::make_scratch();
        for (Index i = 0; i < count; i += Kernel::tile)
          Kernel::accumulate(winograd_window(rows, i), s.width, std::min(Kernel::tile, count - i),
                             dy.data() + offset + i * s.width * Out, sum, scratch);
      });
  return Kernel::finish(sums.data());
}

}  // namespace detail

}  // namespace nlcl
