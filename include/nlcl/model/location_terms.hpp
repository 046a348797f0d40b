// The location contrast as terms of the loss: PatchNCE between features of O and of B at the same places, and of clean and
// I; G_B is the encoder.
#pragma once

#include <array>
#include <vector>

#include "nlcl/model/batches.hpp"
#include "nlcl/model/term_inputs.hpp"
#include "nlcl/ops/patch_nce.hpp"
#include "nlcl/ops/patch_search.hpp"

namespace nlcl::terms {

// The vectors of both pairs. Keys are constants: the features of the input, and their projections.
template <class T>
std::array<LocatedPatches<T>, 2> located_patches(const TermInputs<T>& in) {
  const Index images = in.rainy.shape()[0], height = in.rainy.shape()[1], width = in.rainy.shape()[2];
  check_queries(in.queries.rainy, images), check_queries(in.queries.clean, images);
  const std::vector<int>& taps = Networks<T>::location_taps();
  std::vector<std::vector<Tensor<T>>> queries(taps.size()), keys(taps.size());  // of each batch
  for (std::size_t batch = 0; batch < in.restored.size(); ++batch) {
    const Restored<T>& restored = in.restored[batch];
    const Tensor<PatchCenter> at = in.restored.size() == 1
                                       ? joined(in.queries.rainy, in.queries.clean, images)
                                   : batch == 0 ? in.queries.rainy
                                                : in.queries.clean;
    const auto features = in.networks.clean.encode(restored.images, taps);
    const auto centers = nearest_patches(restored.keys.front(), at, {.count = in.options.location_patches});
    const auto add = [&](const std::vector<Tensor<T>>& maps, std::vector<std::vector<Tensor<T>>>& to) {
      const auto vectors = in.networks.location(maps, centers, height, width);
      for (std::size_t tap = 0; tap < taps.size(); ++tap) to[tap].push_back(vectors[tap]);
    };
    add(features, queries);
    const NoGrad no_grad;
    add(restored.keys, keys);
  }
  std::array<LocatedPatches<T>, 2> located;
  for (std::size_t tap = 0; tap < taps.size(); ++tap) {
    const auto of_queries = parts_of(queries[tap], 2), of_keys = parts_of(keys[tap], 2);
    for (std::size_t pair = 0; pair < 2; ++pair) {
      located[pair].queries.push_back(of_queries[pair]);
      located[pair].keys.push_back(of_keys[pair]);
    }
  }
  return located;
}

// Mean over images and taps.
template <class T>
Tensor<T> location(const TermInputs<T>& in, const LocatedPatches<T>& patches) {
  return mean_over_taps(patches.keys.size(), [&](std::size_t tap) {
    return patch_nce(patches.queries[tap], patches.keys[tap], in.options.location_temperature,
                     in.queries.rainy.size());
  });
}
template <class T>
Tensor<T> location_rainy(const TermInputs<T>& in) {
  return location(in, in.located[0]);
}
template <class T>
Tensor<T> location_clean(const TermInputs<T>& in) {
  return location(in, in.located[1]);
}

}  // namespace nlcl::terms
