// Layer contrast: patches of one layer, background or rain, should be like each other and unlike those of the
// other layer.
//
// Both layers' unit vectors form one pool. For an anchor i of layer l, with P(i) the other members of its
// layer:
//
//     s[i,a] = z_i . z_a / t_l        l_i = log( sum over a != i of exp(s[i,a]) ) - mean over p in P(i) of s[i,p]
//     loss = sum over layers l, over anchors i of l, of c_l l_i
//
// l_i is the supervised contrastive term in its "out" form (Khosla et al., NeurIPS 2020). What differs is
// c_l, the weight of an anchor:
//
//     pooled      c_l = 1 / (n_B + n_R)    mean over all anchors: the larger layer dominates (NLCL, CVPR 2022)
//     per layer   c_l = w_l / n_l          a mean for each layer, with its own weight and temperature (our asymmetric form)
//
// With p[i,a] = exp(s[i,a]) / sum over a' != i of exp(s[i,a']):
//
//     ds[i,a] = c_l (p[i,a] - [a in P(i)] / |P(i)|) for a != i, ds[i,i] = 0        dz = (ds / t) z + (ds / t)^T z
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/linear.hpp"

namespace nlcl {

struct LayerContrastOptions {
  bool pooled = false;
  std::array<double, 2> weight{1, 1};             // of background and rain; not used when pooled
  std::array<double, 2> temperature{0.07, 0.07};  // of background and rain anchors
};

template <class T>
struct LayerContrast {
  static constexpr std::string_view name = "layer_contrast";
  LayerContrastOptions options;
  Saved<T> pool;   // [n,C], background first
  Saved<T> slope;  // [n,n], ds / t
  Index back_count = 0;

  Tensor<T> forward(const Tensor<T>& back, const Tensor<T>& rain) {
    const Shape &b = back.shape(), &r = rain.shape();
    require<ShapeError>(b.rank() == 2 && r.rank() == 2 && b[1] == r[1] && b[0] >= 2 && r[0] >= 2,
                        "layer_contrast: expects background and rain [n,C], at least two of each, are ", b,
                        " and ", r);
    for (double t : options.temperature)
      require<ShapeError>(t > 0, "layer_contrast: temperature is ", t, ", expected more than 0");
    back_count = b[0];
    const Index count = b[0] + r[0];
    Tensor<T> z({count, b[1]}), ds({count, count});
    std::copy_n(rain.data(), rain.size(), std::copy_n(back.data(), back.size(), z.mutable_data()));
    auto s = detail::mutable_matrix(ds);
    s.noalias() = detail::matrix(z) * detail::matrix(z).transpose();

    double loss = 0;
    for (Index i = 0; i < count; ++i) {
      const std::size_t layer = i < back_count ? 0 : 1;
      const Index first = layer == 0 ? 0 : back_count, members = layer == 0 ? b[0] : r[0];
      const double weight = options.pooled ? 1.0 / static_cast<double>(count)
                                           : options.weight[layer] / static_cast<double>(members);
      const T temperature = static_cast<T>(options.temperature[layer]), others = static_cast<T>(members - 1);
      auto row = s.row(i);
      row /= temperature;
      const T positives = (row.segment(first, members).sum() - row(i)) / others;
      row(i) = -std::numeric_limits<T>::infinity();  // the anchor is not in its own sum
      const T largest = row.maxCoeff();
      row = (row.array() - largest).exp();
      const double total = row.template cast<double>().sum();
      loss += weight * (std::log(total) + static_cast<double>(largest - positives));
      row /= static_cast<T>(total);
      row.segment(first, members).array() -= 1 / others;
      row(i) = 0;
      row *= static_cast<T>(weight) / temperature;
    }
    pool = z, slope = ds;
    return Tensor<T>::scalar(static_cast<T>(loss));
  }

  std::array<Tensor<T>, 2> backward(const Tensor<T>& dy, const Wanted<2>&) const {
    const auto z = detail::matrix(pool.get());
    const auto ds = detail::matrix(slope.get());
    const detail::Matrix<T> dz = dy.item() * (ds * z + ds.transpose() * z);
    const Index rain_count = pool.shape()[0] - back_count, channels = pool.shape()[1];
    Tensor<T> back({back_count, channels}), rain({rain_count, channels});
    detail::mutable_matrix(back) = dz.topRows(back_count);
    detail::mutable_matrix(rain) = dz.bottomRows(rain_count);
    return {back, rain};
  }
};

// background [n_B,C] and rain [n_R,C], rows of length 1, at least two of each -> a scalar. Throws ShapeError
// where they do not fit.
template <class T>
Tensor<T> layer_contrast(const Tensor<T>& background, const Tensor<T>& rain,
                         LayerContrastOptions options = {}) {
  return apply(LayerContrast<T>{options, {}, {}}, background, rain);
}

}  // namespace nlcl
