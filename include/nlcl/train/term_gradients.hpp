// Whether a term acts: how hard each of them pulls at the layers that the generators make, and at their weights.
//
//     | w dL/dB |    | w dL/dR |    | w dL/dG_B |    | w dL/dG_R |        L2 norms; L the term, w its weight
//
// A term whose gradient is a thousandth of another's says nothing in a step, whatever its loss is; and one that stands at
// its minimum says nothing to anybody. Each term is walked back alone, on passes of its own, so this costs about as many
// steps as there are terms.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/reduce.hpp"
#include "nlcl/model/objective.hpp"
#include "nlcl/nn/module.hpp"
#include "nlcl/train/loader.hpp"

namespace nlcl {

struct TermGradient {
  std::string term;
  // 0 for what the term does not depend on
  double background = 0, rain = 0;             // at B and at R, over all pixels of the batch
  double clean_weights = 0, rain_weights = 0;  // at all weights of G_B and of G_R

  // As the log and the report name them.
  static constexpr std::pair<const char*, double TermGradient::*> parts[] = {
      {"B", &TermGradient::background},
      {"R", &TermGradient::rain},
      {"G_B", &TermGradient::clean_weights},
      {"G_R", &TermGradient::rain_weights}};
};

namespace detail {

inline double square_sum(const Tensor<float>& x) {
  const Tensor<float> here = x.to(Device::cpu());
  return ordered_sum(here.size(), [&](Index i) {
    const auto value = static_cast<double>(here.data()[i]);
    return value * value;
  });
}

}  // namespace detail

// Of all terms of a weight other than 0, in the order of the table. Images and queries are on the device of the networks,
// which change in nothing but that D is frozen, as for any step of the generators. Throws as Objective.
inline std::vector<TermGradient> term_gradients(Networks<float>& networks,
                                                const ObjectiveOptions<float>& options, const Batch& batch,
                                                const Queries& queries) {
  set_trainable(networks.discriminator, false);
  std::vector<TermGradient> result;
  for (const Term<float>& term : options.terms) {
    if (term.weight == 0) continue;
    ObjectiveOptions<float> alone = options;
    alone.terms = {term};
    Tape<float> tape;
    const Objective<float> objective(networks, alone, batch.rainy, batch.clean, batch.drawn);
    for (const Tensor<float>* layer : {&objective.background(), &objective.rain()})
      if (*layer) tape.retain(*layer);
    const Gradients<float> gradients = tape.backward(objective.generator_losses(queries).total);

    const auto norm_of_layer = [&](const Tensor<float>& layer) {
      return layer && gradients.has(layer) ? std::sqrt(detail::square_sum(gradients.of(layer))) : 0.0;
    };
    const auto norm_of_weights = [&](Generator<float>& generator) {
      double sum = 0;
      for_each_parameter(generator, [&](const std::string&, const Tensor<float>& value) {
        if (gradients.has(value)) sum += detail::square_sum(gradients.of(value));
      });
      return std::sqrt(sum);
    };
    result.push_back({term.name, norm_of_layer(objective.background()), norm_of_layer(objective.rain()),
                      norm_of_weights(networks.clean), norm_of_weights(networks.rain)});
  }
  return result;
}

}  // namespace nlcl
