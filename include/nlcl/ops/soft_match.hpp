// soft_match: the mean of the matches' features, nearer ones more (Plötz and Roth, "Neural nearest neighbors
// networks", NeurIPS 2018).
//
//     w[q,k] = exp(-d[q,k] / t) / sum over j of exp(-d[q,j] / t)        y[q,:] = sum over k of w[q,k] f[q,k,:]
//
// This is how a gradient reaches the choice itself: for t towards 0 y is the nearest match's feature, and the
// weights say how it would change if another came nearer. With e[q,k] = dy[q,:] . f[q,k,:], and the mean
// taken with the weights:
//
//     df[q,k,:] = w[q,k] dy[q,:]        dd[q,k] = -w[q,k] (e[q,k] - mean(e[q,:])) / t
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace cuda {

struct SoftMatchResult {
  Tensor<float> y;        // [Q,C]
  Tensor<float> weights;  // [Q,K]
};

SoftMatchResult soft_match(const Tensor<float>& distances, const Tensor<float>& features, float temperature);
std::array<Tensor<float>, 2> soft_match_gradient(const Tensor<float>& weights, const Tensor<float>& features,
                                                 const Tensor<float>& dy, float temperature);

}  // namespace cuda

template <class T>
struct SoftMatch {
  static constexpr std::string_view name = "soft_match";
  T temperature;
  Saved<T> features, weights;  // [Q * K,C], [Q,K]

  Tensor<T> forward(const Tensor<T>& distances, const Tensor<T>& f) {
    require<ShapeError>(distances.shape().rank() == 2 && f.shape().rank() == 2 &&
                            f.shape()[0] == distances.size() && f.size() > 0,
                        "soft_match: expects distances [Q,K] and features [Q*K,C], are ", distances.shape(),
                        " and ", f.shape());
    require<ShapeError>(temperature > 0, "soft_match: temperature is ", temperature,
                        ", expected more than 0");
    features = f;
    if constexpr (on_cuda<T>)
      if (f.device().is_cuda()) {
        const cuda::SoftMatchResult result = cuda::soft_match(distances, f, temperature);
        weights = result.weights;
        return result.y;
      }
    const Index queries = distances.shape()[0], count = distances.shape()[1], channels = f.shape()[1];
    Tensor<T> w(distances.shape()), y = Tensor<T>::zeros({queries, channels});
    for (Index q = 0; q < queries; ++q) {
      const T* const d = distances.data() + q * count;
      T *const row = w.mutable_data() + q * count, *const to = y.mutable_data() + q * channels;
      const T nearest = *std::min_element(d, d + count);  // so that no exponential overflows
      T total{};
      for (Index k = 0; k < count; ++k) total += row[k] = std::exp((nearest - d[k]) / temperature);
      for (Index k = 0; k < count; ++k) {
        row[k] /= total;
        for (Index c = 0; c < channels; ++c) to[c] += row[k] * f.data()[(q * count + k) * channels + c];
      }
    }
    weights = w;
    return y;
  }

  std::array<Tensor<T>, 2> backward(const Tensor<T>& dy, const Wanted<2>&) const {
    const Tensor<T>&f = features.get(), &w = weights.get();
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda()) return cuda::soft_match_gradient(w, f, dy, temperature);
    const Index queries = w.shape()[0], count = w.shape()[1], channels = f.shape()[1];
    Tensor<T> dd(w.shape()), df(f.shape());
    for (Index q = 0; q < queries; ++q) {
      const T *const g = dy.data() + q * channels, *const row = w.data() + q * count;
      T* const to = dd.mutable_data() + q * count;
      T mean{};
      for (Index k = 0; k < count; ++k) {
        const Index at = (q * count + k) * channels;
        T e{};
        for (Index c = 0; c < channels; ++c) {
          e += g[c] * f.data()[at + c];
          df.mutable_data()[at + c] = row[k] * g[c];
        }
        to[k] = e;
        mean += row[k] * e;
      }
      for (Index k = 0; k < count; ++k) to[k] = -row[k] * (to[k] - mean) / temperature;
    }
    return {dd, df};
  }
};

// distances [Q,K] as of patch_search, features [Q*K,C] of the same matches -> y [Q,C]. Throws ShapeError
// where they do not fit, and for a temperature that is not positive (it is in units of the distances).
template <class T>
Tensor<T> soft_match(const Tensor<T>& distances, const Tensor<T>& features, double temperature) {
  return apply(SoftMatch<T>{static_cast<T>(temperature), {}, {}}, distances, features);
}

}  // namespace nlcl
