// PatchNCE: each query should be like the key of its own place and unlike those of the others (Park et al.,
// "Contrastive learning for unpaired image-to-image translation", ECCV 2020; InfoNCE of van den Oord et al.
// 2018).
//
//     s[i,j] = q_i . k_j / t        z_i = sum over j of exp(s[i,j]) + exp(-10 / t)        loss = mean over i of log(z_i) - s[i,i]
//
// It is a cross entropy of 1 + M logits: the positive s[i,i] and M negatives, of which the i-th, the positive
// itself, is replaced by -10. With p[i,j] = exp(s[i,j]) / z_i:
//
//     ds[i,j] = (p[i,j] - [i = j]) / M        dq = ds k / t        dk = ds^T q / t
//
// Rows may come in groups, one for each image: a query meets the keys of its own group only, and the loss is
// the mean over all groups.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/matrix_view.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace cuda {

struct PatchNceResult {
  Tensor<float> loss;   // a scalar
  Tensor<float> slope;  // [G * M,M], ds
};

PatchNceResult patch_nce(const Tensor<float>& queries, const Tensor<float>& keys, float temperature,
                         Index groups);
std::array<Tensor<float>, 2> patch_nce_gradient(const Tensor<float>& queries, const Tensor<float>& keys,
                                                const Tensor<float>& slope, const Tensor<float>& dy,
                                                float temperature, Index groups, const Wanted<2>& wanted);

}  // namespace cuda

template <class T>
struct PatchNce {
  static constexpr std::string_view name = "patch_nce";
  static constexpr T masked = -10;
  T temperature;
  Index groups;            // G
  Saved<T> queries, keys;  // [G * M,C]
  Saved<T> slope;          // [G * M,M], ds

  Tensor<T> forward(const Tensor<T>& q, const Tensor<T>& k) {
    require<ShapeError>(q.shape().rank() == 2 && q.shape() == k.shape() && q.size() > 0,
                        "patch_nce: expects queries and keys of one shape [M,C], are ", q.shape(), " and ",
                        k.shape());
    require<ShapeError>(temperature > 0, "patch_nce: temperature is ", temperature, ", expected more than 0");
    const Index rows = q.shape()[0];
    require<ShapeError>(groups > 0 && rows % groups == 0, "patch_nce: ", rows, " rows in ", groups,
                        " groups");
    queries = q, keys = k;
    if constexpr (on_cuda<T>)
      if (q.device().is_cuda()) {
        const cuda::PatchNceResult result = cuda::patch_nce(q, k, temperature, groups);
        slope = result.slope;
        return result.loss;
      }
    const Index count = rows / groups;
    Tensor<T> probabilities({rows, count});
    double loss = 0;
    for (Index g = 0; g < groups; ++g) {
      auto s = detail::mutable_matrix(probabilities, g, groups);
      s.noalias() = detail::matrix(q, g, groups) * detail::matrix(k, g, groups).transpose() / temperature;
      for (Index i = 0; i < count; ++i) {
        const T positive = s(i, i), fill = masked / temperature,
                largest = std::max(s.row(i).maxCoeff(), fill);
        s.row(i) = (s.row(i).array() - largest).exp();
        // In double: a positive that stands out leaves a loss far below one.
        const double total =
            s.row(i).template cast<double>().sum() + std::exp(static_cast<double>(fill - largest));
        loss += std::log(total) + static_cast<double>(largest - positive);
        s.row(i) /= static_cast<T>(total) * static_cast<T>(rows);
        s(i, i) -= T{1} / static_cast<T>(rows);
      }
    }
    slope = probabilities;
    return Tensor<T>::scalar(static_cast<T>(loss / static_cast<double>(rows)));
  }

  std::array<Tensor<T>, 2> backward(const Tensor<T>& dy, const Wanted<2>& wanted) const {
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda())
        return cuda::patch_nce_gradient(queries.get(), keys.get(), slope.get(), dy, temperature, groups,
                                        wanted);
    const T factor = dy.item() / temperature;
    std::array<Tensor<T>, 2> gradients;
    for (std::size_t i = 0; i < 2; ++i)
      if (wanted[i]) gradients[i] = Tensor<T>(queries.shape());
    for (Index g = 0; g < groups; ++g) {
      const auto ds = detail::matrix(slope.get(), g, groups);
      if (wanted[0])
        detail::mutable_matrix(gradients[0], g, groups).noalias() =
            factor * (ds * detail::matrix(keys.get(), g, groups));
      if (wanted[1])
        detail::mutable_matrix(gradients[1], g, groups).noalias() =
            factor * (ds.transpose() * detail::matrix(queries.get(), g, groups));
    }
    return gradients;
  }
};

// queries and keys [groups * M,C], rows of length 1, row i of both from the same place -> a scalar. Throws
// ShapeError where they do not fit. Keys that should stay where they are come in detached.
template <class T>
Tensor<T> patch_nce(const Tensor<T>& queries, const Tensor<T>& keys, double temperature = 0.07,
                    Index groups = 1) {
  return apply(PatchNce<T>{static_cast<T>(temperature), groups, {}, {}, {}}, queries, keys);
}

}  // namespace nlcl
