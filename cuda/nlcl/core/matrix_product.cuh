// The matrix product C = A B of a block: a tile of 32 x 32 numbers of C.
//
// A and B are functions, a(i, k) and b(k, j), and store(i, j, sum) takes each number of C away. So the operands
// may be transposed, cut out of larger ones or computed as they are read, and a bias or a factor needs no pass of
// its own.
//
// k runs in slices of 32 through shared memory; while one slice is multiplied, the next is on its way in
// registers. Each of the 64 threads keeps 4 x 4 sums, and for each k reads 4 numbers of A and 4 of B, 16 bytes
// each, for 16 multiply-adds. A tile is small, so that even the products of a single image, 256 x 256, are work
// for 64 blocks.
//
// Every sum runs over k in order, in one register: it does not depend on where in a tile the number stands.
#pragma once

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/vector.cuh"

namespace nlcl::cuda {

// The axis of an operand along which numbers are neighbours in memory: that of k, or the other one.
enum class Along { depth, side };

namespace detail {

inline constexpr int tile_side = 32, tile_depth = 32, product_threads = 64;
inline constexpr int tile_pitch =
    tile_side + 4;  // a warp that writes 8 k of 4 rows then meets all 32 banks once

using SharedSlice = SharedArray<float, tile_depth, tile_pitch>;

// A slice [tile_depth, tile_side] of an operand on its way: 16 numbers of each thread. The lanes of a warp stand
// next to each other in memory, all 32 along the side, or 8 along the depth, which are a sector, times 4.
template <Along along>
struct Slice {
  static constexpr int count = tile_depth * tile_side / product_threads;
  float values[count];

  __device__ static int k(int n) {
    return along == Along::depth ? thread().x % 8 + n % 4 * 8 : thread().x / tile_side + n * 2;
  }
  __device__ static int i(int n) {
    return along == Along::depth ? thread().x / 8 + n / 4 * 8 : thread().x % tile_side;
  }

  // Zeros outside of the operand.
  template <class Read>
  __device__ void fetch(int first_i, int side, int first_k, int depth, const Read& read) {
    NLCL_UNROLL
    for (int n = 0; n < count; ++n) {
      const int at_i = first_i + i(n), at_k = first_k + k(n);
      values[n] = at_i < side && at_k < depth ? read(at_i, at_k) : 0.0f;
    }
  }
  __device__ void put(SharedSlice& to) const {
    NLCL_UNROLL
    for (int n = 0; n < count; ++n) to(k(n), i(n)) = values[n];
  }
};

}  // namespace detail

// C [rows, columns], with k from 0 to depth - 1. All threads of a product_launch() call it.
template <Along a_along, Along b_along, class A, class B, class Store>
__device__ void matrix_product(int rows, int columns, int depth, const A& a, const B& b, const Store& store) {
  using namespace detail;
  __shared__ SharedSlice left, right;
  Slice<a_along> next_left;
  Slice<b_along> next_right;
  const int first_row = block().y * tile_side, first_column = block().x * tile_side;
  const auto fetch = [&](int first_k) {
    next_left.fetch(first_row, rows, first_k, depth, a);
    next_right.fetch(first_column, columns, first_k, depth, [&](int j, int k) { return b(k, j); });
  };

  float sums[4][4] = {};
  const int row = thread().x / 8 * 4, column = thread().x % 8 * 4;  // of the thread's part of the tile
  fetch(0);
  for (int first_k = 0; first_k < depth; first_k += tile_depth) {
    block_sync();  // the last slice has been used
    next_left.put(left);
    next_right.put(right);
    block_sync();
    if (first_k + tile_depth < depth) fetch(first_k + tile_depth);
    NLCL_UNROLL
    for (int k = 0; k < tile_depth; ++k) {
      const Vector<4> l = left.as<Vector<4>>(left.offset(k, row));
      const Vector<4> r = right.as<Vector<4>>(right.offset(k, column));
      NLCL_UNROLL
      for (int i = 0; i < 4; ++i) {
        NLCL_UNROLL
        for (int j = 0; j < 4; ++j) sums[i][j] += l[i] * r[j];
      }
    }
  }

  NLCL_UNROLL
  for (int i = 0; i < 4; ++i) {
    NLCL_UNROLL
    for (int j = 0; j < 4; ++j) {
      const int at_i = first_row + row + i, at_j = first_column + column + j;
      if (at_i < rows && at_j < columns) store(at_i, at_j, sums[i][j]);
    }
  }
}

// For C [rows, columns], as often as there are groups: a kernel finds its group in block().z.
inline Launch product_launch(Device device, Index rows, Index columns, Index groups = 1) {
  return {.device = device,
          .grid = {blocks_for(columns, detail::tile_side), blocks_for(rows, detail::tile_side),
                   static_cast<unsigned>(to_int(groups))},
          .block = detail::product_threads};
}

}  // namespace nlcl::cuda
