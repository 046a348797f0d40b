// What NLCL minimises: the generators and heads the weighted sum of the terms of model/terms.hpp, and D
//
//     ( mean D(B)^2 + mean (D(clean) - 1)^2 ) / 2
//
// Two objectives share all of this and differ in the layer contrast only. `cvpr2022` is that of Ye et al.
// 2022: the mean over the pooled anchors, of which 128 are rain and 8 background. `asymmetric` follows the
// idea of Chang et al. (TPAMI 2024), that the background's patches vary more than the rain's: means of their
// own for both layers, weighted by their compactness. Its formula was not published, and the one here is our
// own (see ops/layer_contrast.hpp).
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/model/batches.hpp"
#include "nlcl/model/networks.hpp"
#include "nlcl/model/queries.hpp"
#include "nlcl/model/terms.hpp"
#include "nlcl/ops/pixel_losses.hpp"
#include "nlcl/ops/scale.hpp"
#include "nlcl/ops/sum.hpp"

namespace nlcl {

template <class T = float>
struct ObjectiveOptions : TermOptions {
  std::vector<Term<T>> terms = loss_terms<T>();  // rows may be changed, added and taken out

  // The names of the weights, in the order of the table.
  std::vector<std::string> weight_names() const {
    std::vector<std::string> names;
    for (const Term<T>& term : terms)
      if (std::ranges::count(names, term.weight_name()) == 0) names.push_back(term.weight_name());
    return names;
  }
  // What its rows mean.
  std::string meaning(std::string_view name) const {
    std::string all;
    for (const Term<T>& term : terms)
      if (term.weight_name() == name) all += (all.empty() ? "" : "; ") + term.meaning;
    return all;
  }

  // Of the rows of that weight_name(). Throw Error if there is none.
  double weight(std::string_view name) const { return find(terms, name).weight; }
  void set_weight(std::string_view name, double weight) {
    find(terms, name);
    for (Term<T>& term : terms)
      if (term.weight_name() == name) term.weight = weight;
  }
  void clear_weights() {
    for (Term<T>& term : terms) term.weight = 0;
  }

  bool needs(Pass pass) const { return passes_of(terms).has(pass); }

 private:
  static const Term<T>& find(const std::vector<Term<T>>& terms, std::string_view name) {
    for (const Term<T>& term : terms)
      if (term.weight_name() == name) return term;
    throw Error(text("objective: no term has a weight of the name '", name, "'"));
  }
};

// Scalars on the tape.
template <class T>
struct GeneratorLosses {
  // By name, before they are weighted, in the order of the table.
  std::vector<std::pair<std::string, Tensor<T>>> terms;
  Tensor<T> total;  // weighted; absent without a term

  // The loss of the term of that name, absent if its weight is 0.
  Tensor<T> of(std::string_view name) const {
    for (const auto& [term, loss] : terms)
      if (term == name) return loss;
    return {};
  }
};

// What D minimises: it should say 1 of clean images and 0 of B, a constant here; both [N,H,W,3], with sides of at least
// 24 pixels -> a scalar. Throws ShapeError.
template <class T>
Tensor<T> discriminator_loss(const Discriminator<T>& discriminator, const Tensor<T>& background,
                             const Tensor<T>& clean) {
  std::vector<Tensor<T>> verdicts;
  for (const Tensor<T>& batch : batches_of<T>({background.detached(), clean}))
    verdicts.push_back(discriminator(batch));
  verdicts = parts_of(verdicts, 2);
  return scale(sum(lsgan(verdicts[0], 0), lsgan(verdicts[1], 1)), 0.5);
}

// A training step seen from its losses. The forward passes are made once, by the constructor, and serve every
// term; those that no term of a weight above 0 needs are not made.
template <class T>
class Objective {
 public:
  // Images [N,H,W,3] in [-1,1]; `drawn`, for the terms that need it, are the clean ones in drawn rain. Recorded if a
  // tape is there. Throws ShapeError where the images differ in shape. The networks have to outlive the objective.
  Objective(const Networks<T>& networks, const ObjectiveOptions<T>& options, const Tensor<T>& rainy,
            const Tensor<T>& clean, const Tensor<T>& drawn = {})
      : terms_(options.terms),
        passes_(passes_of(terms_)),
        step_{.networks = networks, .options = options, .rainy = rainy, .clean = clean, .drawn = drawn} {
    require<ShapeError>(rainy.shape() == clean.shape(), "objective: rainy images ", rainy.shape(),
                        ", clean ones ", clean.shape());
    require<ShapeError>(!passes_.has(Pass::drawn) || drawn.shape() == clean.shape(),
                        "objective: clean images ", clean.shape(), ", in drawn rain ", drawn.shape());
    restore(passes_.has(Pass::background), passes_.has(Pass::identity));
    if (passes_.has(Pass::rain)) step_.rain = networks.rain(rainy);
  }

  // [N,H,W,3]; absent without a term that needs them.
  const Tensor<T>& background() const { return step_.background; }  // B
  const Tensor<T>& rain() const { return step_.rain; }              // R
  const Tensor<T>& identity() const { return step_.identity; }      // I

  // For the step of D, which comes first: B is a constant here. Throws ShapeError without B.
  Tensor<T> discriminator_loss() const {
    return nlcl::discriminator_loss(step_.networks.discriminator, step_.background, step_.clean);
  }

  // For the step of the generators and heads, with the D of now: D's own parameters should be frozen. The losses are
  // scalars, means over the images. A query [N] is expected for each image and search that a term makes, on the device
  // of the images: throws ShapeError for another number of them, or for one that is not in its image.
  GeneratorLosses<T> generator_losses(const Queries& queries) const {
    TermInputs<T> step = step_;
    step.queries = queries;
    // The gradients of an image are added in the reverse of this order, on which their last bits depend: what D judges
    // comes first, at once after its pass.
    std::vector<Tensor<T>> losses(terms_.size());
    if (passes_.has(Pass::discriminator)) step.judged = step.networks.discriminator.run(step.background);
    for (const bool is_judged : {true, false}) {
      if (!is_judged && passes_.has(Pass::location)) step.located = terms::located_patches(step);
      for (std::size_t i = 0; i < terms_.size(); ++i)
        if (terms_[i].weight != 0 && terms_[i].needs.has(Pass::discriminator) == is_judged)
          losses[i] = terms_[i].loss(step);
    }

    GeneratorLosses<T> result;
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      if (terms_[i].weight == 0) continue;
      const Tensor<T> weighted = scale(losses[i], terms_[i].weight * terms_[i].share);
      result.total = result.total ? sum(result.total, weighted) : weighted;
      result.terms.emplace_back(terms_[i].name, losses[i]);
    }
    return result;
  }

 private:
  // B of O and I of clean, or one of them, and the features on the way.
  void restore(bool background, bool identity) {
    std::vector<Tensor<T>> inputs, outputs;
    if (background) inputs.push_back(step_.rainy);
    if (identity) inputs.push_back(step_.clean);
    if (inputs.empty()) return;
    std::vector<int> taps = Networks<T>::location_taps();
    taps.push_back(Generator<T>::layers - 1);
    for (const Tensor<T>& batch : batches_of(inputs)) {
      std::vector<Tensor<T>> features = step_.networks.clean.encode(batch, taps);
      outputs.push_back(features.back());
      features.pop_back();
      for (Tensor<T>& feature : features) feature = feature.detached();
      step_.restored.push_back({outputs.back(), std::move(features)});
    }
    outputs = parts_of(outputs, inputs.size());
    if (background) step_.background = outputs.front();
    if (identity) step_.identity = outputs.back();
  }

  std::vector<Term<T>> terms_;
  Passes passes_;
  TermInputs<T> step_;
};

}  // namespace nlcl
