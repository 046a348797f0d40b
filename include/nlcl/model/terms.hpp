// The terms of the generators' loss, one row of a table each. O is a rainy image, B = G_B(O) its clean layer, R = G_R(O)
// its rain layer; `clean` is an unrelated clean image and I = G_B(clean) its identity.
//
//     adversarial     mean (D(B) - 1)^2
//     location        PatchNCE between features of O and of B at the same places, and of clean and I; G_B is the encoder
//     layer           layer contrast between patches of B and of R; D is the encoder
//     consistency     mean (B + R - O)^2
//     sparsity        mean |O - B|
//
// Five terms are our own, and of weight 0 unless asked for:
//
//     chroma          mean |(O - B) - grey(O - B)|, grey the mean of the channels: rain is white
//     identity        mean |I - clean|: where it does not rain, nothing is to be done
//     recomposition   mean |G_B(min(clean + S, 1)) - clean|, S the streaks in O - B, a constant: if O = B + R, any clean
//                     image with any rain on it is a rainy image, and here the truth is known
//     drawn           mean |G_B(P) - clean|, P the clean image in drawn rain (see synth/rain.hpp)
//     known           layer contrast of B with P - clean, and of clean with O - B (see model/layer_terms.hpp)
//
// with S = gain max(t - high_pass local(t) - threshold, 0), t = grey(O - B), local the mean over 15 x 15.
//
// A new term is a function and a row in loss_terms(): passes, log, report, command line and the estimate of memory loop
// over the table.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/model/layer_terms.hpp"
#include "nlcl/model/location_terms.hpp"
#include "nlcl/model/term_inputs.hpp"
#include "nlcl/ops/pixel_losses.hpp"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/scale.hpp"
#include "nlcl/ops/sum.hpp"

namespace nlcl {

// A row of the table.
template <class T>
struct Term {
  std::string name;     // in the log and in the report
  std::string meaning;  // one sentence, for --help, the report and chapter 12
  double weight = 0;    // 0: left out, and so are the passes that no other term needs
  Passes needs;
  std::function<Tensor<T>(const TermInputs<T>&)> loss;  // a scalar, on the tape
  std::string option{};  // two rows that share a weight share its name; empty: the row's own name
  double share = 1;      // of that weight
  double memory = 0;     // bytes that it keeps on the tape for a pixel, beside the passes that it needs

  const std::string& weight_name() const { return option.empty() ? name : option; }
};

// ---- The functions of the rows ----------------------------------------------------------------------------

namespace terms {

template <class T>
Tensor<T> adversarial(const TermInputs<T>& in) {
  return lsgan(in.judged.verdict, 1);
}

template <class T>
Tensor<T> consistency(const TermInputs<T>& in) {
  return mean_squared_error(sum(in.background, in.rain), in.rainy);
}

template <class T>
Tensor<T> sparsity(const TermInputs<T>& in) {
  return mean_absolute_error(in.rainy, in.background);
}

template <class T>
Tensor<T> chroma(const TermInputs<T>& in) {
  const Tensor<T> taken = difference(in.rainy, in.background);
  return mean_absolute_error(taken, grey(taken));
}

template <class T>
Tensor<T> identity(const TermInputs<T>& in) {
  return mean_absolute_error(in.identity, in.clean);
}

// The clean images in the rain that G_B finds in the rainy ones; the sum ends at white, as in a file.
template <class T>
Tensor<T> recomposed(const TermInputs<T>& in) {
  const NoGrad no_grad;
  const RecompositionOptions& o = in.options.recomposition;
  const auto level = [&](double value) {
    return Tensor<T>::full(in.clean.shape(), static_cast<T>(value), in.clean.device());
  };
  const Tensor<T> taken = grey(difference(in.rainy, in.background.detached()));
  const Tensor<T> contrast = sum(taken, scale(local_mean(taken, 7), -o.high_pass));
  const Tensor<T> streaks = relu(difference(contrast, level(o.threshold)));
  const Tensor<T> added = sum(in.clean, scale(streaks, o.gain));
  return difference(added, relu(difference(added, level(1))));
}
template <class T>
Tensor<T> recomposition(const TermInputs<T>& in) {
  return mean_absolute_error(in.networks.clean(recomposed(in)), in.clean);
}

template <class T>
Tensor<T> drawn(const TermInputs<T>& in) {
  return mean_absolute_error(in.networks.clean(in.drawn), in.clean);
}

}  // namespace terms

// ---- The table --------------------------------------------------------------------------------------------

namespace detail {

// Bytes that a pass through a generator keeps on the tape for a pixel, and one of B through the discriminator. These and
// the numbers of the rows are the peaks of whole steps on the CPU, with crops of 128, 256 and 384 pixels, of which each
// has its share.
inline constexpr double generator_pass = 3700, discriminator_pass = 4200;

}  // namespace detail

// In the order of the log and of the sum.
template <class T = float>
std::vector<Term<T>> loss_terms() {
  return {{.name = "adversarial",
           .meaning = "to the discriminator B is a clean image",
           .weight = 1,
           .needs = {Pass::discriminator},
           .loss = terms::adversarial<T>},
          {.name = "location_rainy",
           .meaning = "patches of O are found again in B",
           .weight = 1,
           .needs = {Pass::location},
           .loss = terms::location_rainy<T>,
           .option = "location",
           .share = 0.5,
           .memory = 4500},
          {.name = "location_clean",
           .meaning = "patches of a clean image are found again in I",
           .weight = 1,
           .needs = {Pass::location},
           .loss = terms::location_clean<T>,
           .option = "location",
           .share = 0.5,
           .memory = 4500},
          {.name = "layer",
           .meaning = "patches of B are like each other and unlike those of R",
           .weight = 1,
           .needs = {Pass::discriminator, Pass::rain},
           .loss = terms::layer<T>,
           .memory = 800},
          {.name = "consistency",
           .meaning = "B and R together are O",
           .weight = 1,
           .needs = {Pass::background, Pass::rain},
           .loss = terms::consistency<T>},
          {.name = "sparsity",
           .meaning = "little is taken away from O",
           .weight = 0.1,
           .needs = {Pass::background},
           .loss = terms::sparsity<T>},
          {.name = "chroma",
           .meaning = "rain is white: what is taken away has no colour",
           .needs = {Pass::background},
           .loss = terms::chroma<T>},
          {.name = "identity",
           .meaning = "where it does not rain, nothing is to be done",
           .needs = {Pass::identity},
           .loss = terms::identity<T>},
          {.name = "recomposition",
           .meaning = "a clean image in the rain that was found in O becomes clean again",
           .needs = {Pass::background},
           .loss = terms::recomposition<T>,
           .memory = detail::generator_pass},
          {.name = "drawn",
           .meaning = "a clean image in drawn rain becomes clean again",
           .needs = {Pass::drawn},
           .loss = terms::drawn<T>,
           .memory = detail::generator_pass},
          {.name = "known",
           .meaning = "patches of B are unlike drawn rain, and those of O - B unlike clean images",
           .needs = {Pass::discriminator, Pass::drawn},
           .loss = terms::known<T>,
           .memory = 2 * detail::discriminator_pass}};
}

// What the rows of a weight other than 0 need.
template <class T>
Passes passes_of(const std::vector<Term<T>>& terms) {
  Passes passes;
  for (const Term<T>& term : terms)
    if (term.weight != 0) passes |= term.needs;
  return passes;
}

// Bytes that a step of training needs for each pixel of a batch, beside the networks and their optimisers.
template <class T>
double memory_per_pixel(const std::vector<Term<T>>& terms) {
  const Passes passes = passes_of(terms);
  double bytes = 0;
  for (const Pass pass : {Pass::background, Pass::identity, Pass::rain})
    if (passes.has(pass)) bytes += detail::generator_pass;
  if (passes.has(Pass::discriminator)) bytes += detail::discriminator_pass;
  for (const Term<T>& term : terms)
    if (term.weight != 0) bytes += term.memory;
  return bytes;
}

// Every loss that a step of training notes, with its meaning: the two that are no rows, then the rows.
using LossMeanings = std::vector<std::pair<std::string, std::string>>;
template <class T = float>
LossMeanings loss_meanings(const std::vector<Term<T>>& terms = loss_terms<T>()) {
  LossMeanings meanings{
      {"total", "what the generators minimise"},
      {"discriminator", "what the discriminator minimises: it says 1 of clean images and 0 of B"}};
  for (const Term<T>& term : terms) meanings.emplace_back(term.name, term.meaning);
  return meanings;
}

}  // namespace nlcl
