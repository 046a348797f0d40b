// The generators that lie in models/.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <string>

#include "nlcl/analysis/metrics.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/ops/pixel_losses.hpp"
#include "nlcl/ops/sum.hpp"
#include "nlcl/synth/rain.hpp"
#include "support/paths.hpp"

using namespace nlcl;
namespace fs = std::filesystem;

namespace {

const fs::path models = test::source_path("models");

Generator<float> generator_of(const fs::path& weights) {
  Generator<float> generator;
  load_state(generator, read_checkpoint(weights));
  return generator;
}

// Hills under a sky, with a fence: what is upright is not rain.
Image landscape() {
  Image image{160, 200, 3, {}};
  for (Index y = 0; y < image.height; ++y)
    for (Index x = 0; x < image.width; ++x) {
      const double hill = 70 + 20 * std::sin(static_cast<double>(x) / 30);
      const bool sky = static_cast<double>(y) < hill;
      const bool post = y > 110 && x % 40 < 6;
      const double shade =
          sky ? 120 + 0.4 * static_cast<double>(y) : 60 + 8 * std::sin(static_cast<double>(x + y) / 4);
      for (const double tint : {post ? 0.6 : 0.9, post ? 0.45 : 1.0, post ? 0.3 : sky ? 1.3 : 0.7})
        image.pixels.push_back(static_cast<std::uint8_t>(std::lround(shade * tint)));
    }
  return image;
}

}  // namespace

TEST_CASE("the weights of models take rain off and leave dry pictures alone", "[model][large]") {
  const Image truth = landscape();
  Random random(3);
  const RainOptions options{.angle = 10, .length = 30, .density = 4000, .depth = 3};
  const Image rainy = add_rain(truth, render_rain(truth.height, truth.width, options, random), options);
  int generators = 0;
  for (const auto& entry : fs::directory_iterator(models)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() != ".safetensors" || name == "niqe" || name.ends_with("-rain")) continue;
    INFO(name);
    ++generators;
    CHECK(fs::exists(models / (name + ".md")));
    const Generator<float> generator = generator_of(entry.path());
    const GeneratorPlan plan(generator);
    const auto derained = [&](const Image& image) { return to_image(plan(to_tensor(image))); };
    CHECK(psnr(derained(rainy), truth) > psnr(rainy, truth) + 2);
    CHECK(psnr(derained(truth), truth) > 36);

    // Its twin finds the rest: B + R is nearly O.
    const Generator<float> twin = generator_of(models / (name + "-rain.safetensors"));
    const Tensor<float> o = to_tensor(rainy), back = plan(o), rain = GeneratorPlan(twin)(o);
    CHECK(mean_absolute_error(sum(back, rain), o).item() < 0.03f);
  }
  CHECK(generators > 0);
}
