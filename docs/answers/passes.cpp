// The operations of a training step on a crop of 256, pass by pass, counted as direct convolutions.
#include <cstdio>

#include "nlcl/model/discriminator.hpp"
#include "nlcl/model/generator.hpp"

using namespace nlcl;

int main() {
  constexpr double side = 256;
  const double c = static_cast<double>(Generator<float>::channels), edge = 2 * side * side * 9 * 3 * c,
               inner = 2 * side * side * 9 * c * c;
  const double generator = edge + 34 * inner + edge, to_last_tap = edge + 24 * inner;

  double size = side, discriminator = 0, to_features = 0;
  const double channels[] = {3, 64, 128, 256, 512, 1};
  for (int layer = 0; layer < 5; ++layer) {
    size -= 1;  // 4 x 4 with a padding of 1
    discriminator += 2 * 16 * channels[layer] * channels[layer + 1] * size * size;
    if (layer == 2) to_features = discriminator;
    if (layer < 3) size = static_cast<int>(size + 1) / 2;
  }

  double total = 0;
  std::printf("%-44s %5s %5s %6s\n", "", "there", "back", "GFLOP");
  const auto line = [&](const char* what, double forward, double back) {
    std::printf("%-44s %5.1f %5.1f %6.1f\n", what, forward / 1e9, back * forward / 1e9,
                (1 + back) * forward / 1e9);
    total += (1 + back) * forward;
  };
  line("G_B of O, which is B", generator, 2);
  line("G_R of O, which is R", generator, 2);
  line("G_B of the clean image, which is I", generator, 2);
  line("the encoder of G_B on B, to the last tap", to_last_tap, 2);
  line("the encoder of G_B on I, to the last tap", to_last_tap, 2);
  line("D of B, D learns", discriminator, 2);
  line("D of the clean image, D learns", discriminator, 2);
  line("D of B, only its input wants a gradient", discriminator, 1);
  line("D of R to its last tap, the same", to_features, 1);
  std::printf("%-44s %18.1f\n", "in all", total / 1e9);
}
