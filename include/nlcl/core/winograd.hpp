// 3x3 convolution by Winograd's minimal filtering, F(4x4, 3x3) (Lavin and Gray, CVPR 2016).
//
// Sixteen outputs, a 4x4 tile, depend on a 6x6 window of the input. Seen as polynomials, both are values at
// the points 0, 1, -1, 2, -2 and infinity, where convolution is a plain product:
//
//     y = A^T [ (G w G^T) . (B^T d B) ] A        d: 6x6 window, w: 3x3 weight, y: 4x4 tile, . : element by element
//
// 36 products instead of 144. For many channels the products become 36 small matrix products, one for each
// point: [tiles, in] x [in, out]. What is left of the saving after the transforms is about a factor of two
// and a half.
#pragma once

#include <algorithm>
#include <array>

#include "nlcl/core/channel_statistics.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/core/tile_product.hpp"

namespace nlcl {

namespace detail {

// B^T d for six values, each a register of channels.
template <class T>
NLCL_INLINE void winograd_input(const Pack<T> (&d)[6], Pack<T> (&t)[6]) {
  const auto two = Pack<T>::all(2), four = Pack<T>::all(4), minus_four = Pack<T>::all(-4),
             minus_five = Pack<T>::all(-5);
  const Pack<T> even = multiply_add(minus_four, d[2], d[4]), odd = multiply_add(minus_four, d[1], d[3]);
  const Pack<T> even2 = d[4] - d[2], odd2 = two * (d[3] - d[1]);
  t[0] = multiply_add(four, d[0], multiply_add(minus_five, d[2], d[4]));
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = multiply_add(four, d[1], multiply_add(minus_five, d[3], d[5]));
}

// A^T m for six values.
template <class T>
NLCL_INLINE void winograd_output(const Pack<T> (&m)[6], Pack<T> (&y)[4]) {
  const auto two = Pack<T>::all(2), four = Pack<T>::all(4), eight = Pack<T>::all(8);
  const Pack<T> s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
  y[0] = m[0] + s1 + s2;
  y[1] = multiply_add(two, d2, d1);
  y[2] = multiply_add(four, s2, s1);
  y[3] = multiply_add(eight, d2, d1) + m[5];
}

// A g for four values: the transpose of winograd_output, for the gradient.
template <class T>
NLCL_INLINE void winograd_gradient(const Pack<T> (&g)[4], Pack<T> (&t)[6]) {
  const auto two = Pack<T>::all(2), four = Pack<T>::all(4), eight = Pack<T>::all(8);
  const Pack<T> even = g[0] + g[2], odd = g[1] + g[3];
  const Pack<T> even2 = multiply_add(four, g[2], g[0]), odd2 = multiply_add(eight, g[3], two * g[1]);
  t[0] = g[0];
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = g[3];
}

inline constexpr double winograd_weight[6][3] = {{1. / 4, 0, 0},
                                                 {-1. / 6, -1. / 6, -1. / 6},
                                                 {-1. / 6, 1. / 6, -1. / 6},
                                                 {1. / 24, 1. / 12, 1. / 6},
                                                 {1. / 24, -1. / 12, 1. / 6},
                                                 {0, 0, 1}};  // G

// B^T d B for `count` tiles from tile `first` of six rows: columns of the window, then its rows. To [36,
// group, Channels].
template <Index Channels, class T>
void winograd_input_tiles(const T* const* x, Index first, Index count, Index group, T* to) {
  for (Index t = 0; t < count; ++t)
    for (Index c = 0; c < Channels; c += Pack<T>::width) {
      Pack<T> half[6][6];  // [column][point]
      for (int j = 0; j < 6; ++j) {
        Pack<T> d[6];
        for (int i = 0; i < 6; ++i) d[i] = Pack<T>::load(x[i] + ((first + t) * 4 + j) * Channels + c);
        winograd_input(d, half[j]);
      }
      for (int i = 0; i < 6; ++i) {
        Pack<T> whole[6];
        winograd_input({half[0][i], half[1][i], half[2][i], half[3][i], half[4][i], half[5][i]}, whole);
        for (int j = 0; j < 6; ++j) whole[j].store(to + ((i * 6 + j) * group + t) * Channels + c);
      }
    }
}

}  // namespace detail

// One convolution: its weight in the transformed domain, and the kernel that makes a strip of four rows. The
// channels are known to the compiler, so that the 36 points are found by offsets in the instructions and not
// by pointers.
template <class T, Index In, Index Out>
class Winograd {
  static_assert(In % Pack<T>::width == 0 && Out % tile_columns<T> == 0,
                "channels must fill whole registers and tiles");

 public:
  static constexpr Index tile = 4, window = 6, points = window * window;
  static constexpr Index group = tile_rows<T>;  // tiles that share one pass over the transformed weight

  // Buffers of one thread.
  struct Scratch {
    Tensor<T> input;    // [points, group, In]
    Tensor<T> product;  // [points, group, Out]
  };

  // weight [3,3,In,Out], bias [Out]. Throws ShapeError for others.
  Winograd(const Tensor<T>& weight, const Tensor<T>& bias) : bias_(bias) {
    require<ShapeError>(weight.shape() == Shape{3, 3, In, Out} && bias.shape() == Shape{Out},
                        "winograd: expects weight ", Shape{3, 3, In, Out}, " and bias ", Shape{Out}, ", are ",
                        weight.shape(), " and ", bias.shape());
    transform(weight);
  }

  Scratch make_scratch() const { return {Tensor<T>({points, group, In}), Tensor<T>({points, group, Out})}; }

  static Index tiles(Index width) { return (width + tile - 1) / tile; }
  static Index padded_width(Index width) { return tiles(width) * tile + window - tile; }  // of the input rows

  // Four output rows from six input rows [padded_width, in], the first of them one above the first output
  // row; their first pixel is the left padding. Writes `rows` <= 4 rows of [width, out] to y, and their sums
  // to `sums` unless it is null. before_columns(begin, end) is called ahead of the work on each range of
  // columns.
  void strip(const std::array<const T*, window>& x, Index width, Index rows, T* y, StripSums<T>* sums,
             Scratch& scratch, const auto& before_columns) const {
    T *const input = scratch.input.mutable_data(), *const product = scratch.product.mutable_data();
    for (Index first = 0; first < tiles(width); first += group) {
      const Index count = std::min(group, tiles(width) - first);
      before_columns(first * tile, std::min(width, (first + count) * tile));
      detail::winograd_input_tiles<In>(x.data(), first, count, group, input);
      multiply(count, input, product);
      transform_output(product, first, count, width, rows, y, sums);
    }
  }

 private:
  // G w G^T for each pair of channels, in double, then packed for the tile product: [points, blocks, in,
  // tile_columns].
  void transform(const Tensor<T>& weight) {
    constexpr Index matrix = In * Out;
    Tensor<double> sum({matrix});
    double* const point = sum.mutable_data();
    weight_ = Tensor<T>({points, packed_size<T>(In, Out)});
    for (int i = 0; i < window; ++i)
      for (int j = 0; j < window; ++j) {
        std::fill_n(point, matrix, 0.0);
        for (int u = 0; u < 3; ++u)
          for (int v = 0; v < 3; ++v) {
            const double factor = detail::winograd_weight[i][u] * detail::winograd_weight[j][v];
            const T* const from = weight.data() + (u * 3 + v) * matrix;
            if (factor != 0)
              for (Index k = 0; k < matrix; ++k) point[k] += factor * static_cast<double>(from[k]);
          }
        pack_columns(point, Out, In, Out, weight_.mutable_data() + (i * window + j) * matrix);
      }
  }

  // At each point, [count, in] x [in, out]. The point (1, 1) stands with weight 1 in all sixteen outputs: the
  // bias enters there.
  void multiply(Index count, const T* input, T* product) const {
    constexpr Index bias_point = 1 * window + 1;
    const Index panel = In * tile_columns<T>;
    const std::array<T, static_cast<std::size_t>(tile_columns<T>)> zeros{};
    for (Index p = 0; p < points; ++p)
      for (Index o = 0; o < Out; o += tile_columns<T>)
        for_each_tile<T>(count, [&]<int Rows>(Index t) NLCL_INLINE_LAMBDA {
          Tile<T, Rows> sum;
          sum.fill(p == bias_point ? bias_.data() + o : zeros.data());
          sum.accumulate(input + (p * group + t) * In, In, 1,
                         weight_.data() + p * In * Out + o / tile_columns<T> * panel, In);
          sum.store(product + (p * group + t) * Out + o, Out);
        });
  }

  // A^T m A; tiles at the right and lower edge are cut.
  void transform_output(const T* product, Index first, Index count, Index width, Index rows, T* y,
                        StripSums<T>* sums) const {
    for (Index c = 0; c < Out; c += Pack<T>::width) {
      Pack<T> shift = Pack<T>::all(0), sum = shift, square_sum = shift;
      if (sums && first > 0) shift = Pack<T>::load(sums->shift.data() + c);
      for (Index t = 0; t < count; ++t) {
        Pack<T> half[6][4], out[4][4];  // [column][row], [row][column]
        for (int j = 0; j < window; ++j) {
          Pack<T> m[6];
          for (int i = 0; i < window; ++i)
            m[i] = Pack<T>::load(product + ((i * window + j) * group + t) * Out + c);
          detail::winograd_output(m, half[j]);
        }
        for (int i = 0; i < tile; ++i)
          detail::winograd_output({half[0][i], half[1][i], half[2][i], half[3][i], half[4][i], half[5][i]},
                                  out[i]);

        const Index left = (first + t) * tile, columns = std::min(tile, width - left);
        if (sums && left == 0) {
          shift = out[0][0];
          shift.store(sums->shift.data() + c);
        }
        const auto put = [&](int i, int j) NLCL_INLINE_LAMBDA {
          out[i][j].store(y + (i * width + left + j) * Out + c);
          const Pack<T> d = out[i][j] - shift;
          sum = sum + d;
          square_sum = multiply_add(d, d, square_sum);
        };
        if (rows == tile && columns == tile) {
          for (int i = 0; i < tile; ++i)
            for (int j = 0; j < tile; ++j) put(i, j);
        } else {
          for (int i = 0; i < rows; ++i)
            for (int j = 0; j < columns; ++j) put(i, j);
        }
      }
      if (sums) {
        T short_sum[2][Pack<T>::width];
        sum.store(short_sum[0]);
        square_sum.store(short_sum[1]);
        for (Index k = 0; k < Pack<T>::width; ++k) {
          sums->sum[static_cast<std::size_t>(c + k)] += static_cast<double>(short_sum[0][k]);
          sums->square_sum[static_cast<std::size_t>(c + k)] += static_cast<double>(short_sum[1][k]);
        }
      }
    }
  }

  Tensor<T> bias_;    // [out]
  Tensor<T> weight_;  // [points, out / tile_columns, in, tile_columns]
};

// The gradient of the weight in the same domain. Since y = A^T [U . V] A with V = B^T d B,
//
//     dU = sum over tiles of (A g A^T) V        dw = G^T dU G        g: the 4x4 tile of dy
//
// which for many channels is again a matrix product at each point: [in, tiles] x [tiles, out].
template <class T, Index In, Index Out>
class WinogradWeightGradient {
  static_assert(In % Pack<T>::width == 0 && Out % tile_columns<T> == 0,
                "channels must fill whole registers and tiles");

 public:
  static constexpr Index tile = 4, window = 6, points = window * window;
  static constexpr Index group = 2 * tile_rows<T>;      // tiles that share one pass over the sums
  static constexpr Index sum_size = points * In * Out;  // dU: [points, out / tile_columns, in, tile_columns]

  struct Scratch {
    Tensor<T> input;     // [points, group, In]
    Tensor<T> gradient;  // [points, out / tile_columns, group, tile_columns]
  };
  static Scratch make_scratch() { return {Tensor<T>({points, group, In}), Tensor<T>({points, group, Out})}; }

  // Adds a strip to `sum`: six input rows as for Winograd::strip(), and the `rows` <= 4 rows [width, Out] of
  // dy under them.
  static void accumulate(const std::array<const T*, window>& x, Index width, Index rows, const T* dy, T* sum,
                         Scratch& scratch) {
    T *const input = scratch.input.mutable_data(), *const gradient = scratch.gradient.mutable_data();
    const Index tiles = (width + tile - 1) / tile;
    for (Index first = 0; first < tiles; first += group) {
      const Index count = std::min(group, tiles - first);
      detail::winograd_input_tiles<In>(x.data(), first, count, group, input);
      transform_gradient(dy, first, count, width, rows, gradient);
      for (Index p = 0; p < points; ++p)
        for (Index o = 0; o < Out; o += tile_columns<T>)
          for_each_tile<T>(In, [&]<int Rows>(Index c) NLCL_INLINE_LAMBDA {
            T* const to = sum + (p * Out + o) * In + c * tile_columns<T>;
            Tile<T, Rows> product;
            product.load(to, tile_columns<T>);
            product.accumulate(input + p * group * In + c, 1, In, gradient + (p * Out + o) * group, count);
            product.store(to, tile_columns<T>);
          });
    }
  }

  // G^T dU G -> dweight [3,3,In,Out].
  static Tensor<T> finish(const T* sum) {
    Tensor<double> total = Tensor<double>::zeros({3, 3, In, Out});
    double* const to = total.mutable_data();
    for (int i = 0; i < window; ++i)
      for (int j = 0; j < window; ++j)
        for (int u = 0; u < 3; ++u)
          for (int v = 0; v < 3; ++v) {
            const double factor = detail::winograd_weight[i][u] * detail::winograd_weight[j][v];
            if (factor == 0) continue;
            for (Index o = 0; o < Out; o += tile_columns<T>)
              for (Index c = 0; c < In; ++c) {
                const T* const from = sum + ((i * window + j) * Out + o) * In + c * tile_columns<T>;
                double* const row = to + ((u * 3 + v) * In + c) * Out + o;
                for (Index k = 0; k < tile_columns<T>; ++k) row[k] += factor * static_cast<double>(from[k]);
              }
          }
    Tensor<T> dweight({3, 3, In, Out});
    std::transform(to, to + total.size(), dweight.mutable_data(),
                   [](double value) { return static_cast<T>(value); });
    return dweight;
  }

 private:
  // A g A^T; beyond the edge of the image g is zero.
  static void transform_gradient(const T* dy, Index first, Index count, Index width, Index rows, T* to) {
    for (Index t = 0; t < count; ++t)
      for (Index c = 0; c < Out; c += Pack<T>::width) {
        const Index left = (first + t) * tile;
        Pack<T> half[4][6];  // [column][point]
        for (int j = 0; j < tile; ++j) {
          Pack<T> g[4];
          for (int i = 0; i < tile; ++i)
            g[i] = i < rows && left + j < width ? Pack<T>::load(dy + (i * width + left + j) * Out + c)
                                                : Pack<T>::all(T{});
          detail::winograd_gradient(g, half[j]);
        }
        const Index block = c / tile_columns<T>, lane = c % tile_columns<T>;
        for (int i = 0; i < window; ++i) {
          Pack<T> whole[6];
          detail::winograd_gradient({half[0][i], half[1][i], half[2][i], half[3][i]}, whole);
          for (int j = 0; j < window; ++j)
            whole[j].store(
                to + (((i * window + j) * (Out / tile_columns<T>)+block) * group + t) * tile_columns<T> +
                lane);
        }
      }
  }
};

}  // namespace nlcl
