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
//
// Two changes of the sum, each off unless chosen; N(i) are the members of the other layer:
//
//     decoupled   the sum is over N(i) alone: an anchor does not push its own layer away (Yeh et al., ECCV 2022)
//     hardness b  a member of N(i) counts h[i,a] = exp(b s[i,a]) / mean over N(i) of exp(b s[i,.]) times, the like ones
//                 more (Robinson et al., ICLR 2021). With the mean m of h exp(s) over N(i), p[i,a] becomes
//                 h ((1 + b) exp(s[i,a]) - b m) / the sum, for a in N(i)
//
// Rows may come in groups, one for each image: each group is a pool of its own, and the loss is the mean over
// all groups.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/matrix_view.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

struct LayerContrastOptions {
  bool pooled = false;
  std::array<double, 2> weight{1, 1};             // of background and rain; not used when pooled
  std::array<double, 2> temperature{0.07, 0.07};  // of background and rain anchors
  bool decoupled = false;                         // own members are not in the sum
  double hardness = 0;                            // how much more the like ones of the other layer count
};

namespace cuda {

struct LayerContrastResult {
  Tensor<float> loss;   // a scalar
  Tensor<float> slope;  // [G * n,n], ds / t
};

LayerContrastResult layer_contrast(const Tensor<float>& background, const Tensor<float>& rain,
                                   const LayerContrastOptions& options, Index groups);
std::array<Tensor<float>, 2> layer_contrast_gradient(const Tensor<float>& background,
                                                     const Tensor<float>& rain, const Tensor<float>& slope,
                                                     const Tensor<float>& dy,
                                                     const LayerContrastOptions& options, Index groups);

}  // namespace cuda

namespace detail {

// c_l, the weight of an anchor of a layer with so many members of each in the pool.
inline double anchor_weight(const LayerContrastOptions& o, const std::array<Index, 2>& members,
                            std::size_t layer) {
  return o.pooled ? 1.0 / static_cast<double>(members[0] + members[1])
                  : o.weight[layer] / static_cast<double>(members[layer]);
}

}  // namespace detail

template <class T>
struct LayerContrast {
  static constexpr std::string_view name = "layer_contrast";
  LayerContrastOptions options;
  Index groups;               // G
  Saved<T> background, rain;  // [G * n_B,C], [G * n_R,C]
  Saved<T> slope;             // [G * n,n] for a pool of n = n_B + n_R, ds / t

  Tensor<T> forward(const Tensor<T>& of_background, const Tensor<T>& of_rain) {
    const Shape &b = of_background.shape(), &r = of_rain.shape();
    require<ShapeError>(b.rank() == 2 && r.rank() == 2 && b[1] == r[1] && b[0] >= 2 && r[0] >= 2,
                        "layer_contrast: expects background and rain [n,C], at least two of each, are ", b,
                        " and ", r);
    require<ShapeError>(
        groups > 0 && b[0] % groups == 0 && r[0] % groups == 0 && std::min(b[0], r[0]) >= 2 * groups,
        "layer_contrast: ", b[0], " and ", r[0], " rows in ", groups, " groups");
    for (double t : options.temperature)
      require<ShapeError>(t > 0, "layer_contrast: temperature is ", t, ", expected more than 0");
    require<ShapeError>(options.hardness >= 0, "layer_contrast: hardness is ", options.hardness,
                        ", expected at least 0");
    background = of_background, rain = of_rain;
    if constexpr (on_cuda<T>)
      if (of_background.device().is_cuda()) {
        const cuda::LayerContrastResult result =
            cuda::layer_contrast(of_background, of_rain, options, groups);
        slope = result.slope;
        return result.loss;
      }
    const std::array<Index, 2> members{b[0] / groups, r[0] / groups};
    const Index count = members[0] + members[1];
    Tensor<T> ds({groups * count, count});
    double loss = 0;
    for (Index g = 0; g < groups; ++g) {
      const Tensor<T> pooled = pool(g);
      const auto z = detail::matrix(pooled);
      auto s = detail::mutable_matrix(ds, g, groups);
      s.noalias() = z * z.transpose();
      for (Index i = 0; i < count; ++i) {
        const std::size_t layer = i < members[0] ? 0 : 1;
        const Index first = layer == 0 ? 0 : members[0];
        const double weight = detail::anchor_weight(options, members, layer) / static_cast<double>(groups);
        const T temperature = static_cast<T>(options.temperature[layer]),
                others = static_cast<T>(members[layer] - 1);
        auto row = s.row(i);
        row /= temperature;
        auto own_layer = row.segment(first, members[layer]);
        const T positives = (own_layer.sum() - row(i)) / others;
        constexpr T nothing = -std::numeric_limits<T>::infinity();
        row(i) = nothing;  // the anchor is not in its own sum
        if (options.decoupled) own_layer.setConstant(nothing);
        const T largest = row.maxCoeff();
        row = (row.array() - largest).exp();
        if (options.hardness > 0) harden(row.segment(members[0] - first, members[1 - layer]));
        const double total = row.template cast<double>().sum();
        loss += weight * (std::log(total) + static_cast<double>(largest - positives));
        row /= static_cast<T>(total);
        own_layer.array() -= 1 / others;
        row(i) = 0;
        row *= static_cast<T>(weight) / temperature;
      }
    }
    slope = ds;
    return Tensor<T>::scalar(static_cast<T>(loss));
  }

  std::array<Tensor<T>, 2> backward(const Tensor<T>& dy, const Wanted<2>&) const {
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda())
        return cuda::layer_contrast_gradient(background.get(), rain.get(), slope.get(), dy, options, groups);
    std::array<Tensor<T>, 2> gradients{Tensor<T>(background.shape()), Tensor<T>(rain.shape())};
    for (Index g = 0; g < groups; ++g) {
      const Tensor<T> pooled = pool(g);
      const auto z = detail::matrix(pooled);
      const auto ds = detail::matrix(slope.get(), g, groups);
      const detail::Matrix<T> dz = dy.item() * (ds * z + ds.transpose() * z);
      auto dbackground = detail::mutable_matrix(gradients[0], g, groups);
      dbackground = dz.topRows(dbackground.rows());
      detail::mutable_matrix(gradients[1], g, groups) = dz.bottomRows(dz.rows() - dbackground.rows());
    }
    return gradients;
  }

 private:
  // exp(s) of the other layer becomes h ((1 + b) exp(s) - b m), whose sum is that of h exp(s).
  template <class Row>
  void harden(Row&& similarity) const {
    const T hardness = static_cast<T>(options.hardness), closest = similarity.maxCoeff();
    if (!(closest > 0)) return;  // all so far away that they do not count
    detail::Matrix<T> h = (similarity.array() / closest).pow(hardness);
    h /= h.mean();
    const T mean = (h.array() * similarity.array()).mean();
    similarity = h.array() * ((1 + hardness) * similarity.array() - hardness * mean);
  }

  // The unit vectors of a group [n,C], background first.
  Tensor<T> pool(Index group) const {
    const Index background_size = background.get().size() / groups, rain_size = rain.get().size() / groups;
    Tensor<T> z({(background.shape()[0] + rain.shape()[0]) / groups, background.shape()[1]});
    T* const to =
        std::copy_n(background.get().data() + group * background_size, background_size, z.mutable_data());
    std::copy_n(rain.get().data() + group * rain_size, rain_size, to);
    return z;
  }
};

// background [groups * n_B,C] and rain [groups * n_R,C], rows of length 1, at least two of each in a group -> a
// scalar. Throws ShapeError where they do not fit.
template <class T>
Tensor<T> layer_contrast(const Tensor<T>& background, const Tensor<T>& rain,
                         LayerContrastOptions options = {}, Index groups = 1) {
  return apply(LayerContrast<T>{options, groups, {}, {}, {}}, background, rain);
}

}  // namespace nlcl
