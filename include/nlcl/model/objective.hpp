// What NLCL minimises. O is a rainy image, B = G_B(O) its clean layer, R = G_R(O) its rain layer; `clean` is
// an unrelated clean image and I = G_B(clean) its identity.
//
//     discriminator   ( mean D(B)^2 + mean (D(clean) - 1)^2 ) / 2
//     adversarial     mean (D(B) - 1)^2
//     location        PatchNCE between features of O and of B at the same places, and of clean and I; G_B is the encoder
//     layer           layer contrast between patches of B and of R; D is the encoder
//     consistency     mean (B + R - O)^2
//     sparsity        mean |O - B|
//
// Four terms are our own, and of weight 0 unless asked for:
//
//     chroma          mean |(O - B) - grey(O - B)|, grey the mean of the channels: rain is white
//     identity        mean |I - clean|: where it does not rain, nothing is to be done
//     recomposition   mean |G_B(min(clean + S, 1)) - clean|, S the streaks in O - B, a constant: if O = B + R, any clean
//                     image with any rain on it is a rainy image, and here the truth is known
//     drawn           mean |G_B(P) - clean|, P the clean image in drawn rain (see synth/rain.hpp)
//
// with S = gain max(t - high_pass local(t) - threshold, 0), t = grey(O - B), local the mean over 15 x 15.
//
// Two objectives share all of this and differ in the layer contrast only. `cvpr2022` is that of Ye et al.
// 2022: the mean over the pooled anchors, of which 128 are rain and 8 background. `asymmetric` follows the
// idea of Chang et al. (TPAMI 2024), that the background's patches vary more than the rain's: means of their
// own for both layers, weighted by their compactness. Its formula was not published, and the one here is our
// own (see ops/layer_contrast.hpp).
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/model/discriminator.hpp"
#include "nlcl/model/generator.hpp"
#include "nlcl/model/projection.hpp"
#include "nlcl/ops/conv2d.hpp"
#include "nlcl/ops/layer_contrast.hpp"
#include "nlcl/ops/patch_nce.hpp"
#include "nlcl/ops/patch_search.hpp"
#include "nlcl/ops/pixel_losses.hpp"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/scale.hpp"
#include "nlcl/ops/sum.hpp"

namespace nlcl {

struct NetworkOptions {
  bool skip = false;  // of G_B, see model/generator.hpp; G_B begins as B = O then, and G_R as R = 0
  double discriminator_gain = 0.02;  // of D's initial weights
};

// All networks that training needs; inference needs `clean` and `rain` only.
template <class T = float>
struct Networks {
  Generator<T> clean, rain;                   // G_B, G_R
  Discriminator<T> discriminator;             // D
  ProjectionHeads<T> location;                // on features of G_B
  ProjectionHeads<T> back_layer, rain_layer;  // on features of D

  explicit Networks(Random& random, const NetworkOptions& options = {})
      : clean(random),
        rain(random),
        discriminator(random, options.discriminator_gain),
        location(std::vector<Index>(location_taps().size(), Generator<T>::channels), random),
        back_layer(discriminator_channels(), random),
        rain_layer(discriminator_channels(), random) {
    if (!options.skip) return;
    clean.set_skip(true);
    clean.clear_tail();
    rain.clear_tail();
  }
  explicit Networks(Random&& random = Random(0), const NetworkOptions& options = {})
      : Networks(random, options) {}

  void parameters(const std::string& prefix, const auto& visit) {
    for_each_network(prefix,
                     [&](const std::string& name, auto& network) { network.parameters(name, visit); });
  }

  // visit(name, network), with the names that the published code gives them.
  void for_each_network(const std::string& prefix, const auto& visit) {
    visit(join_name(prefix, "G_B"), clean);
    visit(join_name(prefix, "G_R"), rain);
    visit(join_name(prefix, "D"), discriminator);
    visit(join_name(prefix, "F_loc"), location);
    visit(join_name(prefix, "F_back"), back_layer);
    visit(join_name(prefix, "F_rain"), rain_layer);
  }

  // Layers of G_B whose features the location contrast compares.
  static const std::vector<int>& location_taps() {
    static const std::vector<int> taps{0, 2, 4, 8, 12};
    return taps;
  }

 private:
  static std::vector<Index> discriminator_channels() {
    return {std::begin(Discriminator<T>::tap_channels), std::end(Discriminator<T>::tap_channels)};
  }
};

// What of O - B is laid over clean images. Slow changes of brightness come back as gain (1 - high_pass) of what they
// were, streaks as gain of it: below 1 the one dies out from step to step, above 1 the other is found ever more
// completely. What is under the threshold is taken for texture; from black to white it is 2, as in the images.
struct RecompositionOptions {
  double weight = 0, gain = 1, high_pass = 0, threshold = 0;
};

struct ObjectiveOptions {
  double adversarial = 1, location = 1, layer = 1, consistency = 1,
         sparsity = 0.1;                       // weights of the terms; 0 leaves one out
  double chroma = 0, identity = 0, drawn = 0;  // of ours
  RecompositionOptions recomposition;          // of ours
  Index location_patches = 256, back_patches = 8, rain_patches = 128;  // K of each search
  double location_temperature = 0.07;
  LayerContrastOptions layer_contrast{};  // the asymmetric form; .pooled for cvpr2022

  bool needs_discriminator() const { return adversarial != 0 || layer != 0; }
  bool needs_background() const {
    return needs_discriminator() || location != 0 || consistency != 0 || sparsity != 0 || chroma != 0 ||
           recomposition.weight != 0;
  }
};

// One query for each image of the batch and each of the four searches.
struct Queries {
  Tensor<PatchCenter> rainy, clean, back, rain;  // [N]
};

// Row and column uniform in [16, H-16] and [16, W-16]. Throws ShapeError for sides below 33.
inline Tensor<PatchCenter> draw_queries(const Shape& x, Random& random) {
  constexpr Index margin = 16;
  require<ShapeError>(x.rank() == 4 && x[1] > 2 * margin && x[2] > 2 * margin,
                      "queries: images expect sides above ", 2 * margin, ", x is ", x);
  const auto draw = [&](Index size) {
    return margin + static_cast<Index>(random.below(static_cast<std::uint32_t>(size - 2 * margin + 1)));
  };
  std::vector<PatchCenter> queries;
  for (Index n = 0; n < x[0]; ++n) {
    const Index row = draw(x[1]);
    queries.push_back({n, row, draw(x[2])});
  }
  return patch_centers(queries);
}

// The terms of the generators' loss before they are weighted, as scalars on the tape.
template <class T>
struct GeneratorLosses {
  Tensor<T> adversarial, location_rainy, location_clean, layer, consistency, sparsity;
  Tensor<T> chroma, identity, recomposition, drawn;
  Tensor<T> total;  // weighted
};

// What D minimises: it should say 1 of clean images and 0 of B, a constant here.
template <class T>
Tensor<T> discriminator_loss(const Discriminator<T>& discriminator, const Tensor<T>& back,
                             const Tensor<T>& clean) {
  return scale(sum(lsgan(discriminator(back.detached()), 0), lsgan(discriminator(clean), 1)), 0.5);
}

// A training step seen from its losses. The forward passes are made once, by the constructor, and serve every
// term; those that no term of a weight above 0 needs are not made.
template <class T>
class Objective {
 public:
  // Images [N,H,W,3] in [-1,1]; `drawn`, for the term of this name, are the clean ones in drawn rain. Recorded if a
  // tape is there.
  Objective(const Networks<T>& networks, const ObjectiveOptions& options, const Tensor<T>& rainy_images,
            const Tensor<T>& clean_images, const Tensor<T>& drawn = {})
      : networks_(networks), options_(options), rainy_(rainy_images), clean_(clean_images), drawn_(drawn) {
    require<ShapeError>(rainy_.shape() == clean_.shape(), "objective: rainy images ", rainy_.shape(),
                        ", clean ones ", clean_.shape());
    require<ShapeError>(options.drawn == 0 || drawn.shape() == clean_.shape(), "objective: clean images ",
                        clean_.shape(), ", in drawn rain ", drawn.shape());
    std::vector<int> taps = Networks<T>::location_taps();
    taps.push_back(Generator<T>::layers - 1);
    const auto encode = [&](const Tensor<T>& x, std::vector<Tensor<T>>& keys) {
      std::vector<Tensor<T>> outputs = networks.clean.encode(x, taps);
      const Tensor<T> image = std::move(outputs.back());
      outputs.pop_back();
      for (Tensor<T>& feature : outputs) keys.push_back(feature.detached());
      return image;
    };
    const ObjectiveOptions& o = options_;
    if (o.needs_background()) back_ = encode(rainy_, rainy_keys_);
    if (o.location != 0 || o.identity != 0) identity_ = encode(clean_, clean_keys_);
    if (o.layer != 0 || o.consistency != 0) rain_ = networks.rain(rainy_);
  }

  // Absent without a term that needs them.
  const Tensor<T>& back() const { return back_; }          // B
  const Tensor<T>& rain() const { return rain_; }          // R
  const Tensor<T>& identity() const { return identity_; }  // I

  // For the step of D, which comes first: B is a constant here.
  Tensor<T> discriminator_loss() const {
    return nlcl::discriminator_loss(networks_.discriminator, back_, clean_);
  }

  // For the step of the generators and heads, with the D of now. D's own parameters should be frozen. Terms
  // of weight 0 are absent.
  GeneratorLosses<T> generator_losses(const Queries& queries) const {
    GeneratorLosses<T> losses;
    const ObjectiveOptions& o = options_;
    if (o.adversarial != 0 || o.layer != 0) {
      const auto judged = networks_.discriminator.run(back_);
      if (o.adversarial != 0) losses.adversarial = lsgan(judged.verdict, 1);
      if (o.layer != 0) losses.layer = layer_loss(judged.features, queries);
    }
    if (o.location != 0) {
      losses.location_rainy = location_loss(rainy_keys_, back_, queries.rainy);
      losses.location_clean = location_loss(clean_keys_, identity_, queries.clean);
    }
    if (o.consistency != 0) losses.consistency = mean_squared_error(sum(back_, rain_), rainy_);
    if (o.sparsity != 0) losses.sparsity = mean_absolute_error(rainy_, back_);
    if (o.chroma != 0) {
      const Tensor<T> taken = difference(rainy_, back_);
      losses.chroma = mean_absolute_error(taken, grey(taken));
    }
    if (o.identity != 0) losses.identity = mean_absolute_error(identity_, clean_);
    if (o.recomposition.weight != 0)
      losses.recomposition = mean_absolute_error(networks_.clean(recomposed()), clean_);
    if (o.drawn != 0) losses.drawn = mean_absolute_error(networks_.clean(drawn_), clean_);

    const auto add = [&](const Tensor<T>& term, double weight) {
      if (!term) return;
      const Tensor<T> weighted = scale(term, weight);
      losses.total = losses.total ? sum(losses.total, weighted) : weighted;
    };
    add(losses.adversarial, o.adversarial);
    add(losses.location_rainy, o.location / 2);
    add(losses.location_clean, o.location / 2);
    add(losses.layer, o.layer);
    add(losses.consistency, o.consistency);
    add(losses.sparsity, o.sparsity);
    add(losses.chroma, o.chroma);
    add(losses.identity, o.identity);
    add(losses.recomposition, o.recomposition.weight);
    add(losses.drawn, o.drawn);
    return losses;
  }

 private:
  // Mean over images and taps. Keys are constants: the features of the input, and their projections.
  Tensor<T> location_loss(const std::vector<Tensor<T>>& keys, const Tensor<T>& output,
                          const Tensor<PatchCenter>& queries) const {
    const std::vector<Tensor<T>> features = networks_.clean.encode(output, Networks<T>::location_taps());
    const Index height = output.shape()[1], width = output.shape()[2];
    const auto centers = matches(keys.front(), queries, options_.location_patches);
    const auto query_vectors = networks_.location(features, centers, height, width);
    const auto key_vectors = [&] {
      const NoGrad no_grad;
      return networks_.location(keys, centers, height, width);
    }();
    return mean_over_taps(keys.size(), [&](std::size_t tap) {
      return patch_nce(query_vectors[tap], key_vectors[tap], options_.location_temperature, queries.size());
    });
  }

  // Mean over images and taps.
  Tensor<T> layer_loss(const std::vector<Tensor<T>>& back_features, const Queries& queries) const {
    const std::vector<Tensor<T>> rain_features = networks_.discriminator.features(rain_);
    const Index height = back_.shape()[1], width = back_.shape()[2];
    const auto back_centers = matches(back_, queries.back, options_.back_patches);
    const auto rain_centers = matches(rain_, queries.rain, options_.rain_patches);
    const auto back = networks_.back_layer(back_features, back_centers, height, width);
    const auto rain = networks_.rain_layer(rain_features, rain_centers, height, width);
    return mean_over_taps(back.size(), [&](std::size_t tap) {
      return layer_contrast(back[tap], rain[tap], options_.layer_contrast, queries.back.size());
    });
  }

  // Of all images at once: the losses take them apart again, as groups of rows.
  static Tensor<PatchCenter> matches(const Tensor<T>& x, const Tensor<PatchCenter>& queries, Index count) {
    require<ShapeError>(queries.size() == x.shape()[0], "objective: ", queries.size(), " queries for ",
                        x.shape()[0], " images");
    return nearest_patches(x, queries, {.count = count});
  }

  static Tensor<T> difference(const Tensor<T>& a, const Tensor<T>& b) { return sum(a, scale(b, -1)); }

  // The mean over the channels, in each of them.
  static Tensor<T> grey(const Tensor<T>& x) { return mean(x, 0); }

  // The mean over the channels and a square of 15 x 15; what is outside is 0.
  static Tensor<T> local_mean(const Tensor<T>& x) { return mean(x, 7); }

  static Tensor<T> mean(const Tensor<T>& x, Index radius) {
    const Index channels = x.shape()[3], side = 2 * radius + 1;
    const T share = static_cast<T>(1.0 / static_cast<double>(channels * side * side));
    return conv2d(x, Tensor<T>::full({side, side, channels, channels}, share, x.device()), {},
                  {.padding = radius});
  }

  // The clean images in the rain that G_B finds in the rainy ones; the sum ends at white, as in a file.
  Tensor<T> recomposed() const {
    const NoGrad no_grad;
    const RecompositionOptions& o = options_.recomposition;
    const auto level = [&](double value) {
      return Tensor<T>::full(clean_.shape(), static_cast<T>(value), clean_.device());
    };
    const Tensor<T> taken = grey(difference(rainy_, back_.detached()));
    const Tensor<T> contrast = sum(taken, scale(local_mean(taken), -o.high_pass));
    const Tensor<T> streaks = relu(difference(contrast, level(o.threshold)));
    const Tensor<T> added = sum(clean_, scale(streaks, o.gain));
    return difference(added, relu(difference(added, level(1))));
  }

  static Tensor<T> mean_over_taps(std::size_t taps, const auto& loss) {
    Tensor<T> total = loss(0);
    for (std::size_t tap = 1; tap < taps; ++tap) total = sum(total, loss(tap));
    return scale(total, 1.0 / static_cast<double>(taps));
  }

  const Networks<T>& networks_;
  ObjectiveOptions options_;
  Tensor<T> rainy_, clean_, drawn_;
  Tensor<T> back_, rain_, identity_;
  std::vector<Tensor<T>> rainy_keys_, clean_keys_;  // features of O and of clean, constants
};

}  // namespace nlcl
