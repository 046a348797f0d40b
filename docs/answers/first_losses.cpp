// The location losses of the first step of a training, with a skip and without.
#include <cmath>
#include <cstdio>

#include "nlcl/train/trainer.hpp"

using namespace nlcl;

// Soft waves, other ones for each `phase`.
Tensor<float> scene(double phase) {
  constexpr Index side = 48;
  Tensor<float> x({1, side, side, 3});
  for (Index i = 0; i < x.size(); ++i) {
    const auto row = static_cast<double>(i / 3 / side), column = static_cast<double>(i / 3 % side);
    x.mutable_data()[i] = static_cast<float>(0.5 * std::sin(0.3 * column + phase) * std::cos(0.2 * row));
  }
  return x;
}

int main() {
  for (const bool skip : {true, false}) {
    TrainerOptions options;
    options.networks = {.skip = skip};
    std::printf(skip ? "with a skip:   " : "without a skip:");
    for (const auto& [name, loss] : Trainer(options).run({{scene(0), scene(2)}}))
      if (name.starts_with("location")) std::printf(" %s %.1f", name.c_str(), loss);
    std::printf("\n");
  }
}
