// One step of training in numbers: what each term says before it, how hard it pulls at B and at the weights, and what the terms
// say afterwards of the same pictures.
#include <cmath>
#include <cstdio>
#include <vector>

#include "nlcl/synth/rain.hpp"
#include "nlcl/train/term_gradients.hpp"
#include "nlcl/train/trainer.hpp"

using namespace nlcl;

// Soft waves, other ones for each `phase`.
Tensor<float> scene(double phase) {
  constexpr Index side = 48;
  Tensor<float> x({1, side, side, 3});
  for (Index i = 0; i < x.size(); ++i) {
    const auto row = static_cast<double>(i / 3 / side), column = static_cast<double>(i / 3 % side);
    x.mutable_data()[i] = static_cast<float>(0.5 * std::sin(0.3 * column + phase) * std::cos(0.2 * row) -
                                             0.1 * static_cast<double>(i % 3));
  }
  return x;
}

int main() {
  const RainOptions kind{.length = 15, .density = 2000, .brightness = 0.6};
  Random random(8);
  const Tensor<float> rain = render_rain(48, 48, kind, random);
  Batch batch{scene(0), scene(2)};
  for (Index i = 0; i < batch.rainy.size(); ++i) {
    float& value = batch.rainy.mutable_data()[i];
    value = static_cast<float>(
        2 * in_rain((static_cast<double>(value) + 1) / 2, static_cast<double>(rain.data()[i / 3]), kind) - 1);
  }

  TrainerOptions options;
  options.discriminator_rate = 0.2;
  options.networks = {.skip = true, .discriminator_gain = 0.4};
  Trainer trainer(options);
  const std::vector<TermGradient> pulls = trainer.term_gradients(batch);
  const Losses before = trainer.run({batch}), after = trainer.run({batch});

  std::printf("%-16s %8s %8s %12s %12s\n", "", "before", "after", "pull at B", "at G_B");
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto& [name, loss] = before[i];
    if (name == "total") continue;
    std::printf("%-16s %8.1f %8.1f", name.c_str(), loss, after[i].second);
    for (const TermGradient& pull : pulls)
      if (pull.term == name) std::printf(" %12.1e %12.1e", pull.background, pull.clean_weights);
    std::printf("\n");
  }
}
