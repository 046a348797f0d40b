// blur_down: half the resolution without aliasing (Zhang, "Making convolutional networks shift-invariant
// again", ICML 2019).
//
//     y[n,i,j,c] = sum over u,v in -1..1 of b[u] b[v] x[n, r(2i+u), r(2j+v), c]      b = (1/4, 1/2, 1/4)
//
// where r reflects at the border without repeating it: r(-1) = 1, r(H) = H-2. The sum is separable: y = R x
// C^T for every channel, with two sparse matrices of at most three numbers in a row. Hence dx = R^T dy C: the
// same kernel with transposed matrices.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace cuda {

Tensor<float> blur_down(const Tensor<float>& x);
Tensor<float> blur_down_gradient(const Shape& x, const Tensor<float>& dy);

}  // namespace cuda

namespace detail {

// b, for u in -1..1.
NLCL_BOTH constexpr double blur_weight(Index u) { return u == 0 ? 0.5 : 0.25; }

// r, for lines of `size` elements.
template <class Place>
NLCL_BOTH constexpr Place blur_reflect(Place i, Place size) {
  return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
}

// A sparse matrix by rows: which elements of a line make each element of the result.
struct Tap {
  Index from;
  double weight;
};
using LineFilter = std::vector<std::vector<Tap>>;

// [ceil(size / 2), size]
inline LineFilter blur_down_filter(Index size) {
  LineFilter filter(static_cast<std::size_t>((size + 1) / 2));
  for (Index i = 0; i < static_cast<Index>(filter.size()); ++i)
    for (Index u = -1; u <= 1; ++u)
      filter[static_cast<std::size_t>(i)].push_back({blur_reflect(2 * i + u, size), blur_weight(u)});
  return filter;
}

inline LineFilter transposed(const LineFilter& filter, Index columns) {
  LineFilter result(static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < filter.size(); ++i)
    for (const Tap& tap : filter[i])
      result[static_cast<std::size_t>(tap.from)].push_back({static_cast<Index>(i), tap.weight});
  return result;
}

// to[0..count) = sum of weight * line(from)[0..count) over the taps
template <class T>
void filter_line(const std::vector<Tap>& taps, Index count, const auto& line, T* to) {
  std::fill_n(to, count, T{});
  for (const Tap& tap : taps) {
    const T weight = static_cast<T>(tap.weight);
    const T* const from = line(tap.from);
    for (Index i = 0; i < count; ++i) to[i] += weight * from[i];
  }
}

// Both filters on x [N,H,W,C]: first down the columns of the image, then along its rows.
template <class T>
Tensor<T> filter_image(const Tensor<T>& x, const LineFilter& rows, const LineFilter& columns) {
  const Index batch = x.shape()[0], height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
  const Index out_height = static_cast<Index>(rows.size()), out_width = static_cast<Index>(columns.size());
  Tensor<T> y({batch, out_height, out_width, channels});
  T* const to = y.mutable_data();
  parallel_for(batch * out_height, [&](Index task) {
    const T* const image = x.data() + task / out_height * height * width * channels;
    Tensor<T> filtered({width, channels});
    T* const row = filtered.mutable_data();
    filter_line(
        rows[static_cast<std::size_t>(task % out_height)], width * channels,
        [&](Index i) { return image + i * width * channels; }, row);
    for (Index j = 0; j < out_width; ++j)
      filter_line(
          columns[static_cast<std::size_t>(j)], channels, [&](Index k) { return row + k * channels; },
          to + (task * out_width + j) * channels);
  });
  return y;
}

}  // namespace detail

template <class T>
struct BlurDown {
  static constexpr std::string_view name = "blur_down";
  Shape x;

  Tensor<T> forward(const Tensor<T>& input) {
    x = input.shape();
    require<ShapeError>(x.rank() == 4 && x.size() > 0 && x[1] >= 2 && x[2] >= 2,
                        "blur_down: x expects [N,H,W,C] with H and W at least 2, is ", x);
    if constexpr (on_cuda<T>)
      if (input.device().is_cuda()) return cuda::blur_down(input);
    return detail::filter_image(input, detail::blur_down_filter(x[1]), detail::blur_down_filter(x[2]));
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda()) return {cuda::blur_down_gradient(x, dy)};
    return {detail::filter_image(dy, detail::transposed(detail::blur_down_filter(x[1]), x[1]),
                                 detail::transposed(detail::blur_down_filter(x[2]), x[2]))};
  }
};

// x [N,H,W,C] -> y [N, ceil(H/2), ceil(W/2), C]. Throws ShapeError for sides below 2, which have nothing to
// reflect.
template <class T>
Tensor<T> blur_down(const Tensor<T>& x) {
  return apply(BlurDown<T>{}, x);
}

}  // namespace nlcl
