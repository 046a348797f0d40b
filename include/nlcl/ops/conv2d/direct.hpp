// conv2d_direct: a convolution of any sizes, by register tiles. What one output pixel sees of one input row,
// x[i', j'..j'+kw-1, :], is kw * in contiguous numbers, and its right neighbour's begins stride * in later. So for every
// kernel row u the input row is the left matrix of a product, read with overlapping rows, and weight[u] is the right one:
// no im2col.
#pragma once

#include <algorithm>

#include "nlcl/core/tensor.hpp"
#include "nlcl/core/tile_product.hpp"
#include "nlcl/ops/conv2d/padded_rows.hpp"
#include "nlcl/ops/conv2d/read_plain.hpp"
#include "nlcl/ops/conv2d/sizes.hpp"

namespace nlcl {

namespace detail {

// y = conv(x, weight) + bias, bias may be absent.
template <class T, class Read = ReadPlain>
Tensor<T> conv2d_direct(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& weight,
                        const Tensor<T>& bias, const Read& read = {}) {
  const Index depth = s.kernel_height * s.window();
  Tensor<T> packed({packed_size<T>(depth, s.out)}), start({packed_size<T>(1, s.out)});
  pack_columns(weight.data(), s.out, depth, s.out, packed.mutable_data());
  if (bias)
    pack_columns(bias.data(), s.out, 1, s.out, start.mutable_data());
  else
    std::fill_n(start.mutable_data(), start.size(), T{});

  return conv2d_by_blocks(
      s, x, s.width + 2 * s.padding, read, [&](const PaddedRows<T>& rows, Index count, T* to) {
        for (Index o = 0; o < s.out; o += tile_columns<T>) {
          const Index columns = std::min(tile_columns<T>, s.out - o);
          for (Index i = 0; i < count; ++i) {
            T* const y_row = to + i * s.out_width * s.out + o;
            for_each_tile<T>(s.out_width, [&]<int Pixels>(Index j) NLCL_INLINE_LAMBDA {
              Tile<T, Pixels> tile;
              tile.fill(start.data() + o);
              for (Index u = 0; u < s.kernel_height; ++u)
                tile.accumulate(rows.row(i, u) + j * s.stride * s.in, s.stride * s.in, 1,
                                packed.data() + o * depth + u * s.window() * tile_columns<T>, s.window());
              tile.store(y_row + j * s.out, s.out, columns);
            });
          }
        }
      });
}

// dweight: for every kernel row u, (padded rows)^T * dy, a task for each block of columns.
template <class T>
Tensor<T> conv2d_weight_gradient_direct(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& dy,
                                        const auto& read) {
  const Index column_blocks = (s.out + tile_columns<T> - 1) / tile_columns<T>;
  const Index depth = s.kernel_height * s.window(), panel = depth * tile_columns<T>;
  const Tensor<T> sums = conv2d_sum_of_bands(
      s, x, s.width + 2 * s.padding, read, column_blocks, panel,
      [&](const PaddedRows<T>& rows, Index offset, Index count, Index block, T* sum) {
        const Index o = block * tile_columns<T>, columns = std::min(tile_columns<T>, s.out - o);
        Tensor<T> packed({s.out_width, tile_columns<T>});
        T* const dy_row = packed.mutable_data();
        for (Index i = 0; i < count; ++i) {
          pack_columns(dy.data() + offset + i * s.out_width * s.out + o, s.out, s.out_width, columns, dy_row);
          for (Index u = 0; u < s.kernel_height; ++u)
            for_each_tile<T>(s.window(), [&]<int Rows>(Index k) NLCL_INLINE_LAMBDA {
              T* const c = sum + (u * s.window() + k) * tile_columns<T>;
              Tile<T, Rows> tile;
              tile.load(c, tile_columns<T>);
              tile.accumulate(rows.row(i, u) + k, 1, s.stride * s.in, dy_row, s.out_width);
              tile.store(c, tile_columns<T>);
            });
        }
      });
  Tensor<T> dweight(s.weight());
  T* const to = dweight.mutable_data();
  for (Index o = 0; o < s.out; o += tile_columns<T>)
    for (Index k = 0; k < depth; ++k)
      std::copy_n(sums.data() + o * depth + k * tile_columns<T>, std::min(tile_columns<T>, s.out - o),
                  to + k * s.out + o);
  return dweight;
}

}  // namespace detail

}  // namespace nlcl
