// The layer contrast as terms of the loss; D is the encoder, and is held still.
//
//     layer         patches of B and of R, in a pool of both: like their own, unlike the other
//     known         the same question with an answer from elsewhere. The heads learn on what is known, clean images and the
//                   rain P - clean that was drawn on them, and on nothing else; held still, they then say
//
//                       contrast(clean, P - clean)  +  ( contrast(B, P - clean) + contrast(clean, O - B) ) / 2
//
//                   where in the two last the known side is a constant: B moves away from known rain, O - B from known
//                   scenes. What B and O - B are at the moment teaches the heads nothing, so that no split confirms itself.
#pragma once

#include <string>
#include <vector>

#include "nlcl/model/term_inputs.hpp"
#include "nlcl/nn/module.hpp"
#include "nlcl/ops/layer_contrast.hpp"

namespace nlcl::terms {

// What is left without brightness and colour: grey, less its mean over 15 x 15.
template <class T>
Tensor<T> texture(const Tensor<T>& x) {
  return difference(grey(x), local_mean(x, 7));
}

// Mean over images and taps.
template <class T>
Tensor<T> layer(const TermInputs<T>& in) {
  const LayerChanges& changes = in.options.layer;
  const Discriminator<T>& encoder = in.networks.discriminator;
  const Tensor<T> rain = changes.residual ? difference(in.rainy, in.background) : in.rain;
  const auto background_features =
      changes.texture ? encoder.features(texture(in.background)) : in.judged.features;
  const auto rain_features = encoder.features(changes.texture ? texture(rain) : rain);

  const Index height = rain.shape()[1], width = rain.shape()[2];
  const auto background_centers =
      matches(in.background, in.queries.background, in.options.background_patches);
  const auto rain_centers =
      changes.same_places ? background_centers : matches(rain, in.queries.rain, in.options.rain_patches);
  const auto& rain_heads = changes.shared_heads ? in.networks.background_layer : in.networks.rain_layer;
  const auto of_background =
      in.networks.background_layer(background_features, background_centers, height, width);
  const auto of_rain = rain_heads(rain_features, rain_centers, height, width);
  return mean_over_taps(
      of_background.size(),
      [&](std::size_t tap) {
        return layer_contrast(of_background[tap], of_rain[tap], in.options.layer_contrast,
                              in.queries.background.size());
      },
      changes.image_tap ? 0 : 1);
}

// Mean over images and taps but the image itself; all in texture, with R = O - B and as many patches of each kind as of rain.
template <class T>
Tensor<T> known(const TermInputs<T>& in) {
  const ProjectionHeads<T>& learning = in.networks.background_layer;
  ProjectionHeads<T> still = learning;
  for_each_parameter(still, [](const std::string&, Tensor<T>& value) { value = value.detached(); });

  const Index height = in.rainy.shape()[1], width = in.rainy.shape()[2], count = in.options.rain_patches;
  const auto vectors = [&](const ProjectionHeads<T>& heads, const Tensor<T>& image,
                           const Tensor<PatchCenter>& centers) {
    return heads(in.networks.discriminator.features(texture(image)), centers, height, width);
  };
  const Tensor<T> known_rain = difference(in.drawn, in.clean), rain = difference(in.rainy, in.background);
  const auto at_known = matches(known_rain, in.queries.clean, count);
  const auto at_background = matches(in.background, in.queries.background, count);
  const auto at_rain = matches(rain, in.queries.rain, count);

  const auto scenes = vectors(learning, in.clean, at_known);
  const auto streaks = vectors(learning, known_rain, at_known);
  const auto of_background = vectors(still, in.background, at_background);
  const auto of_rain = vectors(still, rain, at_rain);
  const auto contrast = [&](const Tensor<T>& background_side, const Tensor<T>& rain_side) {
    return layer_contrast(background_side, rain_side, in.options.layer_contrast, in.queries.clean.size());
  };
  return mean_over_taps(
      scenes.size(),
      [&](std::size_t tap) {
        const Tensor<T> learned = contrast(scenes[tap], streaks[tap]);
        const Tensor<T> asked = sum(contrast(of_background[tap], streaks[tap].detached()),
                                    contrast(scenes[tap].detached(), of_rain[tap]));
        return sum(learned, scale(asked, 0.5));
      },
      1);
}

}  // namespace nlcl::terms
