// dx of a convolution is a convolution itself: of dy, spread out with s-1 zeros between its pixels, with the weight turned
// by 180 degrees and its channels exchanged, padded by k-1-p.
#pragma once

#include <algorithm>

#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/conv2d/sizes.hpp"

namespace nlcl {

namespace detail {

// The inputs of that convolution, and its sizes.
template <class T>
struct TurnedConv2d {
  Conv2dSizes sizes;
  Tensor<T> x, weight;  // dy as it is read, [kh,kw,out,in]
};

// weight [kh,kw,in,out] -> [kh,kw,out,in], both axes of the kernel reversed.
template <class T>
Tensor<T> turned_weight(const Conv2dSizes& s, const Tensor<T>& weight) {
  Tensor<T> turned({s.kernel_height, s.kernel_width, s.out, s.in});
  T* to = turned.mutable_data();
  for (Index u = s.kernel_height; u-- > 0;)
    for (Index v = s.kernel_width; v-- > 0;)
      for (Index o = 0; o < s.out; ++o)
        for (Index c = 0; c < s.in; ++c)
          *to++ = weight.data()[((u * s.kernel_width + v) * s.in + c) * s.out + o];
  return turned;
}

// dy with s-1 zeros between its pixels, and as many behind them as make the result exactly as large as x.
template <class T>
Tensor<T> spread_out(const Conv2dSizes& s, const Tensor<T>& dy) {
  if (s.stride == 1) return dy;
  const Index height = s.height + 2 * s.padding - s.kernel_height + 1;
  const Index width = s.width + 2 * s.padding - s.kernel_width + 1;
  Tensor<T> spread = Tensor<T>::zeros({s.batch, height, width, s.out});
  T* const canvas = spread.mutable_data();
  for (Index n = 0; n < s.batch; ++n)
    for (Index i = 0; i < s.out_height; ++i)
      for (Index j = 0; j < s.out_width; ++j)
        std::copy_n(dy.data() + ((n * s.out_height + i) * s.out_width + j) * s.out, s.out,
                    canvas + ((n * height + i * s.stride) * width + j * s.stride) * s.out);
  return spread;
}

// x [N,H,W,C] in a frame of zeros: `rows` of them above and below, `columns` on either side.
template <class T>
Tensor<T> framed(const Tensor<T>& x, Index rows, Index columns) {
  const Index images = x.shape()[0], height = x.shape()[1], row = x.shape()[2] * x.shape()[3];
  Tensor<T> y = Tensor<T>::zeros({images, height + 2 * rows, x.shape()[2] + 2 * columns, x.shape()[3]});
  T* const canvas = y.mutable_data();
  for (Index n = 0; n < images; ++n)
    for (Index i = 0; i < height; ++i)
      std::copy_n(x.data() + (n * height + i) * row, row,
                  canvas + ((n * y.shape()[1] + i + rows) * y.shape()[2] + columns) * x.shape()[3]);
  return y;
}

template <class T>
TurnedConv2d<T> turned_conv2d(const Conv2dSizes& s, const Tensor<T>& weight, const Tensor<T>& dy) {
  const Tensor<T> turned = turned_weight(s, weight), spread = spread_out(s, dy);
  const Index rows = s.kernel_height - 1 - s.padding, columns = s.kernel_width - 1 - s.padding;
  if (rows == columns) return {{spread.shape(), turned.shape(), {.padding = rows}}, spread, turned};
  // A kernel that is not square needs another padding on each axis.
  const Tensor<T> padded = framed(spread, rows, columns);
  return {{padded.shape(), turned.shape(), {}}, padded, turned};
}

}  // namespace detail

}  // namespace nlcl
