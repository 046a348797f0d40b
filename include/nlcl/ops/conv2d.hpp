// conv2d: two-dimensional convolution (cross-correlation, as in every deep learning library), zero padding.
//
//     y[n,i,j,o] = bias[o] + sum over u,v,c of x[n, i*s+u-p, j*s+v-p, c] * weight[u,v,c,o]      s: stride, p: padding
//
// With g = dy, all sums over the positions for which the indices exist:
//
//     dx[n,i',j',c]   = sum over u,v,o of g[n,i,j,o] * weight[u,v,c,o]      where i*s+u-p = i', j*s+v-p = j'
//     dweight[u,v,c,o] = sum over n,i,j of x[n, i*s+u-p, j*s+v-p, c] * g[n,i,j,o]
//     dbias[o]         = sum over n,i,j of g[n,i,j,o]
//
// dx is itself a convolution: of g, spread out with s-1 zeros between its pixels, with the weight turned by
// 180 degrees and its channels exchanged, padded by k-1-p.
//
// The kernels. With channels last, what one output pixel sees of one input row, x[i', j'..j'+kw-1, :], is kw
// * in contiguous numbers, and its right neighbour's begins stride * in later. So for every u the row is the
// left matrix of a product, read with overlapping rows, and weight[u] is the right one: no im2col
// (conv2d_direct). Where y has very few channels the product runs along the window instead (conv2d_dot), and
// the 3x3 convolutions of the generator take a quarter of the multiplications (conv2d_winograd). Those of a GPU
// are in cuda/nlcl/ops/conv2d.cuh.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/core/tile_product.hpp"
#include "nlcl/core/winograd.hpp"

namespace nlcl {

struct Conv2dOptions {
  Index stride = 1;
  Index padding = 0;  // zeros on every side
};

// All sizes of one convolution, checked.
struct Conv2dSizes {
  Index batch, height, width, in;          // x       [batch,height,width,in]
  Index kernel_height, kernel_width, out;  // weight  [kernel_height,kernel_width,in,out]
  Index out_height, out_width;             // y       [batch,out_height,out_width,out]
  Index stride, padding;

  // The shape rule. Throws ShapeError.
  Conv2dSizes(const Shape& x, const Shape& weight, const Conv2dOptions& options)
      : stride(options.stride), padding(options.padding) {
    require<ShapeError>(x.rank() == 4, "conv2d: x expects [N,H,W,C], is ", x);
    require<ShapeError>(weight.rank() == 4, "conv2d: weight expects [kh,kw,in,out], is ", weight);
    batch = x[0], height = x[1], width = x[2], in = x[3];
    kernel_height = weight[0], kernel_width = weight[1], out = weight[3];
    require<ShapeError>(weight[2] == in, "conv2d: weight expects ", weight[2], " input channels, x has ", in,
                        " (x ", x, ", weight ", weight, ")");
    require<ShapeError>(x.size() > 0 && weight.size() > 0, "conv2d: x ", x, " or weight ", weight,
                        " is empty");
    require<ShapeError>(stride >= 1, "conv2d: stride is ", stride, ", expected 1 or more");
    require<ShapeError>(padding >= 0 && padding < kernel_height && padding < kernel_width,
                        "conv2d: padding is ", padding,
                        ", expected 0 or more and less than the kernel (weight ", weight, ")");
    require<ShapeError>(height + 2 * padding >= kernel_height && width + 2 * padding >= kernel_width,
                        "conv2d: x ", x, " with padding ", padding, " is smaller than the kernel (weight ",
                        weight, ")");
    out_height = (height + 2 * padding - kernel_height) / stride + 1;
    out_width = (width + 2 * padding - kernel_width) / stride + 1;
  }

  Shape x() const { return {batch, height, width, in}; }
  Shape weight() const { return {kernel_height, kernel_width, in, out}; }
  Shape y() const { return {batch, out_height, out_width, out}; }
  Index window() const { return kernel_width * in; }  // numbers that one output pixel sees of one input row
  double multiply_adds() const {
    return static_cast<double>(batch * out_height * out_width) *
           static_cast<double>(kernel_height * window() * out);
  }
};

namespace detail {

inline constexpr Index conv2d_block_rows = 8;  // output rows that share one set of padded input rows

// How a kernel reads the numbers of an image: as they are, or through the ReLU that comes before it. A row at
// once on the CPU; on a GPU one number, of which it may know the image and the channel.
struct ReadPlain {
  template <class T>
  void operator()(const T* from, Index count, T* to) const {
    std::copy_n(from, count, to);
  }
  NLCL_BOTH float operator()(float value, int /*image*/, int /*channel*/) const { return value; }
};
struct ReadRelu {
  template <class T>
  void operator()(const T* from, Index count, T* to) const {
    for (Index i = 0; i < count; ++i) to[i] = relu(from[i]);
  }
  NLCL_BOTH float operator()(float value, int /*image*/, int /*channel*/) const { return relu(value); }

  template <class T>
  NLCL_BOTH static T relu(T value) {
    return value < T{} ? T{} : value;  // NaN stays NaN
  }
};

}  // namespace detail

namespace cuda {

using nlcl::detail::ReadPlain, nlcl::detail::ReadRelu;

Tensor<float> conv2d(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& weight,
                     const Tensor<float>& bias, const ReadPlain& read = {});
Tensor<float> conv2d(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& weight,
                     const Tensor<float>& bias, const ReadRelu& read);
Tensor<float> conv2d_data_gradient(const Conv2dSizes& s, const Tensor<float>& weight,
                                   const Tensor<float>& dy);
Tensor<float> conv2d_weight_gradient(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& dy,
                                     const ReadPlain& read = {});
Tensor<float> conv2d_weight_gradient(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& dy,
                                     const ReadRelu& read);
Tensor<float> conv2d_bias_gradient(const Conv2dSizes& s, const Tensor<float>& dy);

}  // namespace cuda

namespace detail {

// The input rows under a block of output rows, with their zeros at all four sides.
template <class T>
class PaddedRows {
 public:
  // `width`: pixels of a padded row, at least the image's and its padding's.
  PaddedRows(const Conv2dSizes& s, Index width)
      : sizes_(s), row_(width * s.in), rows_({(conv2d_block_rows - 1) * s.stride + s.kernel_height, row_}) {}
  explicit PaddedRows(const Conv2dSizes& s) : PaddedRows(s, s.width + 2 * s.padding) {}

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

// y = conv(x, weight) + bias for a y of few channels, by dot products along the window. `in` fills whole
// registers.
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

// The generator's convolutions: 3x3, stride 1, padding 1, 32 channels.
inline bool conv2d_suits_winograd(const Conv2dSizes& s) {
  return s.weight() == Shape{3, 3, 32, 32} && s.stride == 1 && s.padding == 1;
}

// The six padded rows under four output rows from row i of a block on.
template <class T>
std::array<const T*, 6> winograd_window(const PaddedRows<T>& rows, Index i) {
  return {rows.row(i, 0), rows.row(i, 1), rows.row(i, 2), rows.row(i, 3), rows.row(i, 4), rows.row(i, 5)};
}

// The same by Winograd's minimal filtering: 3x3, stride 1, padding 1, and channels known to the compiler.
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

// The same for any sizes, by register tiles.
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

// y = conv(x, weight) + bias, bias may be absent: the one place where the kernel is chosen.
template <class T, class Read = ReadPlain>
Tensor<T> conv2d_compute(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& weight,
                         const Tensor<T>& bias, const Read& read = {}) {
  if constexpr (on_cuda<T>)
    if (x.device().is_cuda()) return cuda::conv2d(s, x, weight, bias, read);
  if (conv2d_suits_winograd(s)) return conv2d_winograd<T, 32, 32>(s, x, weight, bias, read);
  if (s.in % Pack<T>::width == 0 && s.out == 1) return conv2d_dot<T, 1>(s, x, weight, bias, read);
  if (s.in % Pack<T>::width == 0 && s.out == 3) return conv2d_dot<T, 3>(s, x, weight, bias, read);
  return conv2d_direct(s, x, weight, bias, read);
}

// dx: the convolution of the spread-out dy with the turned weight.
template <class T>
Tensor<T> conv2d_data_gradient(const Conv2dSizes& s, const Tensor<T>& weight, const Tensor<T>& dy) {
  if constexpr (on_cuda<T>)
    if (dy.device().is_cuda()) return cuda::conv2d_data_gradient(s, weight, dy);
  Tensor<T> turned({s.kernel_height, s.kernel_width, s.out, s.in});
  T* to = turned.mutable_data();
  for (Index u = s.kernel_height; u-- > 0;)
    for (Index v = s.kernel_width; v-- > 0;)
      for (Index o = 0; o < s.out; ++o)
        for (Index c = 0; c < s.in; ++c)
          *to++ = weight.data()[((u * s.kernel_width + v) * s.in + c) * s.out + o];

  Tensor<T> spread = dy;
  if (s.stride > 1) {  // the size that makes the result exactly as large as x
    const Index height = s.height + 2 * s.padding - s.kernel_height + 1;
    const Index width = s.width + 2 * s.padding - s.kernel_width + 1;
    spread = Tensor<T>::zeros({s.batch, height, width, s.out});
    T* const canvas = spread.mutable_data();
    for (Index n = 0; n < s.batch; ++n)
      for (Index i = 0; i < s.out_height; ++i)
        for (Index j = 0; j < s.out_width; ++j)
          std::copy_n(dy.data() + ((n * s.out_height + i) * s.out_width + j) * s.out, s.out,
                      canvas + ((n * height + i * s.stride) * width + j * s.stride) * s.out);
  }

  // A kernel that is not square needs another padding on each axis: the rest is cut out of a larger frame of
  // zeros.
  const Index rows = s.kernel_height - 1 - s.padding, columns = s.kernel_width - 1 - s.padding;
  if (rows != columns) {
    const Shape& inner = spread.shape();
    Tensor<T> framed = Tensor<T>::zeros({s.batch, inner[1] + 2 * rows, inner[2] + 2 * columns, s.out});
    T* const canvas = framed.mutable_data();
    for (Index n = 0; n < s.batch; ++n)
      for (Index i = 0; i < inner[1]; ++i)
        std::copy_n(spread.data() + (n * inner[1] + i) * inner[2] * s.out, inner[2] * s.out,
                    canvas + ((n * framed.shape()[1] + i + rows) * framed.shape()[2] + columns) * s.out);
    return conv2d_compute<T>({framed.shape(), turned.shape(), {}}, framed, turned, {});
  }
  return conv2d_compute<T>({spread.shape(), turned.shape(), {.padding = rows}}, spread, turned, {});
}

// Sums over an image whose rows are cut into bands, each with a sum of its own; these are then added in
// order, so that the bits depend on the sizes alone. body(rows, n, first, count, sum) adds a block of output
// rows to its band's sum.
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
  return partial;  // the first [tasks, size] of it
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

// The same in Winograd's domain, as conv2d_winograd.
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

// dweight: the one place where its kernel is chosen.
template <class T, class Read = ReadPlain>
Tensor<T> conv2d_weight_gradient(const Conv2dSizes& s, const Tensor<T>& x, const Tensor<T>& dy,
                                 const Read& read = {}) {
  if constexpr (on_cuda<T>)
    if (dy.device().is_cuda()) return cuda::conv2d_weight_gradient(s, x, dy, read);
  if (conv2d_suits_winograd(s)) return conv2d_weight_gradient_winograd<T, 32, 32>(s, x, dy, read);
  return conv2d_weight_gradient_direct(s, x, dy, read);
}

template <class T>
Tensor<T> conv2d_bias_gradient(const Conv2dSizes& s, const Tensor<T>& dy) {
  if constexpr (on_cuda<T>)
    if (dy.device().is_cuda()) return cuda::conv2d_bias_gradient(s, dy);
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

template <class T>
struct Conv2d {
  static constexpr std::string_view name = "conv2d";
  Conv2dOptions options;
  Saved<T> x, weight;  // for backward

  Tensor<T> forward(const Tensor<T>& input, const Tensor<T>& kernel, const Tensor<T>& bias) {
    const Conv2dSizes sizes(input.shape(), kernel.shape(), options);
    require<ShapeError>(!bias || bias.shape() == Shape{sizes.out}, "conv2d: bias expects ", Shape{sizes.out},
                        ", is ", bias.shape(), " (weight ", kernel.shape(), ")");
    x = input, weight = kernel;
    return detail::conv2d_compute(sizes, input, kernel, bias);
  }

  std::array<Tensor<T>, 3> backward(const Tensor<T>& dy, const Wanted<3>& wanted) const {
    const Conv2dSizes sizes(x.shape(), weight.shape(), options);
    return {wanted[0] ? detail::conv2d_data_gradient(sizes, weight.get(), dy) : Tensor<T>(),
            wanted[1] ? detail::conv2d_weight_gradient(sizes, x.get(), dy) : Tensor<T>(),
            wanted[2] ? detail::conv2d_bias_gradient(sizes, dy) : Tensor<T>()};
  }
};

// x [N,H,W,in], weight [kh,kw,in,out], bias [out] or absent -> y [N, (H+2p-kh)/s+1, (W+2p-kw)/s+1, out].
// Throws ShapeError where they do not fit.
template <class T>
Tensor<T> conv2d(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias,
                 Conv2dOptions options = {}) {
  return apply(Conv2d<T>{.options = options, .x = {}, .weight = {}}, x, weight, bias);
}

}  // namespace nlcl
