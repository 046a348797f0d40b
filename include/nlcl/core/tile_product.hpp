// The register tile: the one matrix product under every convolution of this engine.
//
//     C[r, j] += sum over k of A[r * a_row + k * a_step] * B[k, j]        r < rows, j < tile_columns
//
// The tile of C stays in registers while k runs. A is any matrix with two strides: its rows may overlap,
// which makes a convolution without im2col, and with a_row = 1 it is a transposed matrix, which makes the
// weight gradient. B is packed: tile_columns contiguous numbers per k, padded with zeros.
//
// Per k: two loads of B, one load of A per row, two multiply-adds per row. With 12 rows that is 14 loads for
// 24 multiply-adds, so the arithmetic sets the pace.
#pragma once

#include <algorithm>
#include <utility>

#include "nlcl/core/simd.hpp"

namespace nlcl {

template <class T>
inline constexpr Index tile_columns = 2 * Pack<T>::width;

// As many rows as fit, up to 12: 2 accumulators each, beside two registers for B and one for A.
template <class T>
inline constexpr int tile_rows = std::min(12, (Pack<T>::registers - 3) / 2);

template <class T, int Rows>
struct Tile {
  Pack<T> left[Rows], right[Rows];  // [Rows, tile_columns]

  // Every row starts as the same tile_columns numbers: zeros, or a bias.
  NLCL_INLINE void fill(const T* row) {
    const Pack<T> l = Pack<T>::load(row), r = Pack<T>::load(row + Pack<T>::width);
    each_row([&]<int R>() NLCL_INLINE_LAMBDA { left[R] = l, right[R] = r; });
  }
  NLCL_INLINE void load(const T* c, Index c_row) {
    each_row([&]<int R>() NLCL_INLINE_LAMBDA {
      left[R] = Pack<T>::load(c + R * c_row);
      right[R] = Pack<T>::load(c + R * c_row + Pack<T>::width);
    });
  }
  NLCL_INLINE void store(T* c, Index c_row) const {
    each_row([&]<int R>() NLCL_INLINE_LAMBDA {
      left[R].store(c + R * c_row);
      right[R].store(c + R * c_row + Pack<T>::width);
    });
  }
  // Only the first `columns` of every row: the last block of a matrix that is not a multiple of tile_columns
  // wide.
  NLCL_INLINE void store(T* c, Index c_row, Index columns) const {
    if (columns == tile_columns<T>) return store(c, c_row);
    T row[tile_columns<T>];
    each_row([&]<int R>() NLCL_INLINE_LAMBDA {
      left[R].store(row);
      right[R].store(row + Pack<T>::width);
      std::copy_n(row, columns, c + R * c_row);
    });
  }

  NLCL_INLINE void accumulate(const T* a, Index a_row, Index a_step, const T* b, Index depth) {
    for (Index k = 0; k < depth; ++k, a += a_step, b += tile_columns<T>) {
      const Pack<T> l = Pack<T>::load(b), r = Pack<T>::load(b + Pack<T>::width);
      each_row([&]<int R>() NLCL_INLINE_LAMBDA {
        const Pack<T> value = broadcast_once(a + R * a_row);
        left[R] = multiply_add(value, l, left[R]);
        right[R] = multiply_add(value, r, right[R]);
      });
    }
  }

 private:
  // Written out for every row at compile time: an array that a loop indexes would live in memory, not in
  // registers.
  template <class Body>
  static NLCL_INLINE void each_row(const Body& body) {
    [&]<int... R>(std::integer_sequence<int, R...>) NLCL_INLINE_LAMBDA {
      (body.template operator()<R>(), ...);
    }
    (std::make_integer_sequence<int, Rows>{});
  }
};

// Covers `rows` rows with tiles, largest first: body.operator()<Rows>(first_row).
template <class T, class Body>
NLCL_INLINE void for_each_tile(Index rows, const Body& body) {
  Index row = 0;
  for (; rows - row >= tile_rows<T>; row += tile_rows<T>) body.template operator()<tile_rows<T>>(row);
  if constexpr (tile_rows<T> == 12)
    for (; rows - row >= 6; row += 6) body.template operator()<6>(row);
  for (; rows - row >= 3; row += 3) body.template operator()<3>(row);
  for (; rows - row >= 1; row += 1) body.template operator()<1>(row);
}

// The same product for a C of few columns, where a tile would be mostly padding: C[r, j] = sum over k of A[r,
// k] * B[j, k], with k along the register and one horizontal sum per number at the end. `depth` is a multiple
// of Pack<T>::width.
template <class T, int Rows, int Columns>
struct DotTile {
  Pack<T> sum[Rows][Columns];

  NLCL_INLINE DotTile() {
    for (auto& row : sum)
      for (auto& number : row) number = Pack<T>::all(T{});
  }
  NLCL_INLINE void accumulate(const T* a, Index a_row, const T* b, Index b_row, Index depth) {
    for (Index k = 0; k < depth; k += Pack<T>::width) {
      Pack<T> column[Columns];
      for (int j = 0; j < Columns; ++j) column[j] = Pack<T>::load(b + j * b_row + k);
      for (int r = 0; r < Rows; ++r) {
        const Pack<T> value = Pack<T>::load(a + r * a_row + k);
        for (int j = 0; j < Columns; ++j) sum[r][j] = multiply_add(value, column[j], sum[r][j]);
      }
    }
  }
  // Every row is added to `start` [Columns].
  NLCL_INLINE void store(T* c, Index c_row, const T* start) const {
    for (int r = 0; r < Rows; ++r)
      for (int j = 0; j < Columns; ++j) c[r * c_row + j] = start[j] + sum_of_lanes(sum[r][j]);
  }
};

// B [depth, columns] with `b_row` numbers from row to row -> blocks of tile_columns: [blocks, depth,
// tile_columns].
template <class T>
Index packed_size(Index depth, Index columns) {
  return (columns + tile_columns<T> - 1) / tile_columns<T> * depth * tile_columns<T>;
}
template <class T, class From>
void pack_columns(const From* b, Index b_row, Index depth, Index columns, T* packed) {
  for (Index first = 0; first < columns; first += tile_columns<T>) {
    const Index count = std::min(tile_columns<T>, columns - first);
    for (Index k = 0; k < depth; ++k, packed += tile_columns<T>) {
      std::transform(b + k * b_row + first, b + k * b_row + first + count, packed,
                     [](From x) { return static_cast<T>(x); });
      std::fill_n(packed + count, tile_columns<T> - count, T{});
    }
  }
}

}  // namespace nlcl
