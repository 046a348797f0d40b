// What the CPU kernels of a convolution have in common: a block of output rows at a time, made from padded rows of the
// input, by all threads.
#pragma once

#include <algorithm>

#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/conv2d/sizes.hpp"

namespace nlcl {

namespace detail {

inline constexpr Index conv2d_block_rows = 8;  // output rows that share one set of padded input rows

// The input rows under a block of output rows, with their zeros at all four sides.
template <class T>
class PaddedRows {
 public:
  // `width`: pixels of a padded row, at least the image's and its padding's.
  PaddedRows(const Conv2dSizes& s, Index width)
      : sizes_(s), row_(width * s.in), rows_({(conv2d_block_rows - 1) * s.stride + s.kernel_height, row_}) {}

  // For the block of image n that begins with output row `first`. Rows below the image are zero.
  void fill(const T* x, Index n, Index first, const auto& read) {
    const Conv2dSizes& s = sizes_;
    T* row = rows_.mutable_data();
    const Index top = first * s.stride - s.padding, side = s.padding * s.in;
    for (Index y = top; y < top + rows_.shape()[0]; ++y, row += row_) {
      if (y < 0 || y >= s.height) {
        std::fill_n(row, row_, T{});
        continue;
      }
      std::fill_n(row, side, T{});
      read(x + (n * s.height + y) * s.width * s.in, s.width * s.in, row + side);
      std::fill(row + side + s.width * s.in, row + row_, T{});
    }
  }

  // What kernel row u sees for the block's output row i.
  const T* row(Index i, Index u) const { return rows_.data() + (i * sizes_.stride + u) * row_; }

 private:
  const Conv2dSizes& sizes_;
  Index row_;  // numbers
  Tensor<T> rows_;
};

// Makes y block by block on all threads: body(rows, count, to) gets the padded input rows of a block, how
// many output rows it has, and where they go.
template <class T, class Body>
Tensor<T> conv2d_by_blocks(const Conv2dSizes& s, const Tensor<T>& x, Index padded_width, const auto& read,
                           const Body& body) {
  Tensor<T> y(s.y());
  T* const to = y.mutable_data();
  const Index blocks = (s.out_height + conv2d_block_rows - 1) / conv2d_block_rows;
  parallel_for(s.batch * blocks, [&](Index task) {
    const Index n = task / blocks, first = task % blocks * conv2d_block_rows;
    PaddedRows<T> rows(s, padded_width);
    rows.fill(x.data(), n, first, read);
    body(rows, std::min(conv2d_block_rows, s.out_height - first),
         to + (n * s.out_height + first) * s.out_width * s.out);
  });
  return y;
}

// Sums over an image whose rows are cut into bands, each with a sum of its own; these are then added in
// order, so that the bits depend on the sizes alone. Every band has `tasks` of them, of `size` numbers.
// body(rows, offset, count, task, sum) adds a block of `count` output rows, at `offset` of y, to one of these.
// Returns [bands,tasks,size], of which the first [tasks,size] are the result.
template <class T, class Body>
Tensor<T> conv2d_sum_of_bands(const Conv2dSizes& s, const Tensor<T>& x, Index padded_width, const auto& read,
                              Index tasks, Index size, const Body& body) {
  const Index row_blocks = (s.out_height + conv2d_block_rows - 1) / conv2d_block_rows,
              blocks = s.batch * row_blocks;
  const Index bands =
      std::clamp<Index>(32 / tasks, 1, blocks);  // enough to do for all threads, few partial sums
  Tensor<T> partial = Tensor<T>::zeros({bands, tasks, size});
  T* const sums = partial.mutable_data();
  parallel_for(bands * tasks, [&](Index task) {
    const Index band = task / tasks;
    PaddedRows<T> rows(s, padded_width);
    for (Index block = blocks * band / bands; block < blocks * (band + 1) / bands; ++block) {
      const Index n = block / row_blocks, first = block % row_blocks * conv2d_block_rows;
      const Index count = std::min(conv2d_block_rows, s.out_height - first);
      rows.fill(x.data(), n, first, read);
      body(rows, (n * s.out_height + first) * s.out_width * s.out, count, task % tasks, sums + task * size);
    }
  });
  parallel_blocks(tasks * size, elements_per_task, [&](Index begin, Index end) {
    for (Index band = 1; band < bands; ++band)
      for (Index i = begin; i < end; ++i) sums[i] += sums[band * tasks * size + i];
  });
  return partial;
}

}  // namespace detail

}  // namespace nlcl
