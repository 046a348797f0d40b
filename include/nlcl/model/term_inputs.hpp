// What a term of the loss needs, what it gets, and what several of them are made of.
#pragma once

#include <array>
#include <initializer_list>
#include <vector>

#include "nlcl/model/networks.hpp"
#include "nlcl/model/queries.hpp"
#include "nlcl/ops/conv2d.hpp"
#include "nlcl/ops/layer_contrast.hpp"
#include "nlcl/ops/patch_search.hpp"
#include "nlcl/ops/scale.hpp"
#include "nlcl/ops/sum.hpp"

namespace nlcl {

// What is made or loaded once in a step and serves all terms that need it.
enum class Pass {
  background,     // B, and the features of O on the way
  identity,       // I, and the features of clean on the way
  location,       // the vectors of the location contrast, for both
  rain,           // R
  discriminator,  // D(B), and the features of B on the way; D learns only if a term needs it
  drawn,          // P, which comes with the batch
};

// A set of them.
class Passes {
 public:
  // The discriminator judges B, and the location contrast compares O with B and clean with I.
  constexpr Passes(std::initializer_list<Pass> passes = {}) {
    for (const Pass pass : passes) bits_ |= bit(pass);
    if (has(Pass::discriminator) || has(Pass::location)) bits_ |= bit(Pass::background);
    if (has(Pass::location)) bits_ |= bit(Pass::identity);
  }

  constexpr bool has(Pass pass) const { return (bits_ & bit(pass)) != 0; }
  constexpr Passes& operator|=(Passes other) {
    bits_ |= other.bits_;
    return *this;
  }

 private:
  static constexpr unsigned bit(Pass pass) { return 1u << static_cast<unsigned>(pass); }
  unsigned bits_ = 0;
};

// What of O - B is laid over clean images. Slow changes of brightness come back as gain (1 - high_pass) of what they
// were, streaks as gain of it: below 1 the one dies out from step to step, above 1 the other is found ever more
// completely. What is under the threshold is taken for texture; from black to white it is 2, as in the images.
struct RecompositionOptions {
  double gain = 1, high_pass = 0, threshold = 0;
};

// What may be changed in the layer contrast; as it is here it is the published one. All of them are our own.
struct LayerChanges {
  bool shared_heads = false;  // patches of R go through the heads of B
  bool image_tap = true;      // the image itself is one of the taps
  bool texture = false;       // the layers are freed from brightness and colour before D encodes them
  bool residual = false;      // R is O - B
  bool same_places = false;   // patches of R are where those of B are
};

// Numbers of single terms, beside their weights.
struct TermOptions {
  RecompositionOptions recomposition;
  Index location_patches = 256, background_patches = 8, rain_patches = 128;  // K of each search
  double location_temperature = 0.07;
  LayerContrastOptions layer_contrast{};  // the asymmetric form; .pooled for cvpr2022
  LayerChanges layer{};
};

// What G_B made of a batch: of O and, behind it, of clean, or of one of them (see model/batches.hpp).
template <class T>
struct Restored {
  Tensor<T> images;
  std::vector<Tensor<T>> keys;  // the features at location_taps() on the way, constants
};

// Unit vectors [M,256] of the location heads at each tap: keys of what was restored, queries at the same places of what
// came of it.
template <class T>
struct LocatedPatches {
  std::vector<Tensor<T>> queries, keys;
};

// A step as a term sees it. What no row of the table needs is absent.
template <class T>
struct TermInputs {
  const Networks<T>& networks;
  TermOptions options;
  Tensor<T> rainy{}, clean{}, drawn{};         // O, clean, P; [N,H,W,3] in [-1,1]
  Tensor<T> background{}, identity{}, rain{};  // B, I, R; [N,H,W,3]
  std::vector<Restored<T>> restored{};
  std::array<LocatedPatches<T>, 2> located{};  // of O and B, and of clean and I
  typename Discriminator<T>::Output judged{};  // D(B), and the features of B
  Queries queries{};
};

// ---- What several terms are made of -----------------------------------------------------------------------

namespace terms {

// Throws ShapeError unless there is a query for each image.
inline void check_queries(const Tensor<PatchCenter>& queries, Index images) {
  require<ShapeError>(queries.size() == images, "objective: ", queries.size(), " queries for ", images,
                      " images");
}

// Of all images at once: the losses take them apart again, as groups of rows.
template <class T>
Tensor<PatchCenter> matches(const Tensor<T>& x, const Tensor<PatchCenter>& queries, Index count) {
  check_queries(queries, x.shape()[0]);
  return nearest_patches(x, queries, {.count = count});
}

// loss(tap) of all taps from `first` on.
auto mean_over_taps(std::size_t taps, const auto& loss, std::size_t first = 0) {
  auto total = loss(first);
  for (std::size_t tap = first + 1; tap < taps; ++tap) total = sum(total, loss(tap));
  return scale(total, 1.0 / static_cast<double>(taps - first));
}

template <class T>
Tensor<T> difference(const Tensor<T>& a, const Tensor<T>& b) {
  return sum(a, scale(b, -1));
}

// The mean over the channels and a square of side 2 radius + 1, in each channel; what is outside is 0.
template <class T>
Tensor<T> local_mean(const Tensor<T>& x, Index radius) {
  const Index channels = x.shape()[3], side = 2 * radius + 1;
  const T share = static_cast<T>(1.0 / static_cast<double>(channels * side * side));
  return conv2d(x, Tensor<T>::full({side, side, channels, channels}, share, x.device()), {},
                {.padding = radius});
}

template <class T>
Tensor<T> grey(const Tensor<T>& x) {
  return local_mean(x, 0);
}

}  // namespace terms

}  // namespace nlcl
