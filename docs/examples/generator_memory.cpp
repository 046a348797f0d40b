// What the generator takes of memory, tensors of all kinds, for 256 x 256 pixels; to 5 MB, for packed weights are as wide as the
// machine's registers.
#include <cmath>
#include <cstdio>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/ops/pixel_losses.hpp"

using namespace nlcl;

void print_peak(const char* name, const auto& run) {
  Pool::cpu().trim();
  Pool::cpu().reset_peak();
  run();
  std::printf("%-38s %4.0f MB\n", name, 5 * std::round(static_cast<double>(Pool::cpu().stats().peak) / 5e6));
}

int main() {
  set_threads(1);
  const Generator<float> generator;
  const auto x = Tensor<float>::full({1, 256, 256, 3}, 0.5f);

  print_peak("operations, recorded, and all gradients", [&] {
    Tape<float> tape;
    tape.backward(mean_squared_error(generator(x), x));
  });
  print_peak("operations", [&] { generator(x); });
  print_peak("plan", [&] { GeneratorPlan{generator}(x); });
}
