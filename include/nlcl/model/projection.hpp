// Projection heads: from the features of a tap to unit vectors that can be compared (SimCLR, Chen et al.,
// ICML 2020).
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "nlcl/nn/linear_layer.hpp"
#include "nlcl/ops/gather_patches.hpp"
#include "nlcl/ops/l2_normalize.hpp"
#include "nlcl/ops/relu.hpp"

namespace nlcl {

// One head for each tap: linear C -> 256, ReLU, linear 256 -> 256, L2 normalise.
template <class T = float>
class ProjectionHeads {
 public:
  static constexpr Index width = 256;

  struct Head {
    LinearLayer<T> first, second;
  };

  // `channels`: of each tap.
  ProjectionHeads(const std::vector<Index>& channels, Random& random) {
    for (Index c : channels) {
      LinearLayer<T> first(c, width, random, Init::xavier_normal());
      heads.push_back({std::move(first), {width, width, random, Init::xavier_normal()}});
    }
  }

  // The unit vectors [M,256] under M centres of images [N,height,image_width,3], for each tap [N,h,w,C]. Throws
  // ShapeError for another number of taps or channels.
  std::vector<Tensor<T>> operator()(const std::vector<Tensor<T>>& features,
                                    const Tensor<PatchCenter>& centers, Index height,
                                    Index image_width) const {
    require<ShapeError>(features.size() == heads.size(), "projection: ", features.size(), " taps for ",
                        heads.size(), " heads");
    std::vector<Tensor<T>> vectors;
    for (std::size_t i = 0; i < heads.size(); ++i) {
      const Tensor<T> x = gather_patches(features[i], centers, height, image_width);
      vectors.push_back(l2_normalize(heads[i].second(relu(heads[i].first(x)))));
    }
    return vectors;
  }

  // Names of the published code: mlp_0.0.weight, mlp_0.0.bias, mlp_0.2.weight, ...
  void parameters(const std::string& prefix, const auto& visit) {
    for (std::size_t i = 0; i < heads.size(); ++i) {
      const std::string head = join_name(prefix, "mlp_" + std::to_string(i));
      heads[i].first.parameters(head + ".0", visit);
      heads[i].second.parameters(head + ".2", visit);
    }
  }

  std::vector<Head> heads;
};

}  // namespace nlcl
