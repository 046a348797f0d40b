#include "nlcl/model/layer_terms.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "nlcl/model/objective.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// A step with the layer terms alone.
struct LayerStep {
  Networks<double> networks{Random(3), {.discriminator_gain = 0.4}};
  Tensor<double> rainy, clean, drawn;  // [1,40,44,3]
  Queries queries;
  ObjectiveOptions<double> options;

  explicit LayerStep(const char* term) {
    Random random(5);
    for (Tensor<double>* image : {&rainy, &clean, &drawn})
      *image = random_tensor<double>({1, 40, 44, 3}, random);
    queries = Queries::draw(rainy.shape(), random);
    for (auto* heads : {&networks.background_layer, &networks.rain_layer})
      for_each_parameter(*heads, [&](const std::string&, Tensor<double>& value) {
        if (value.shape().rank() == 2)
          fill_uniform(value, 1 / std::sqrt(static_cast<double>(value.shape()[1])), random);
      });
    set_trainable(networks.discriminator, false);
    options.background_patches = 4, options.rain_patches = 9;
    options.layer_contrast.temperature = {0.5, 0.5};
    options.clear_weights();
    options.set_weight(term, 1);
  }

  Tensor<double> loss() const {
    return Objective<double>(networks, options, rainy, clean, drawn).generator_losses(queries).total;
  }
  Gradients<double> gradients() const {
    Tape<double> tape;
    return tape.backward(loss());
  }
};

bool reaches(const Gradients<double>& gradients, auto& module) {
  bool any = false;
  for_each_parameter(module,
                     [&](const std::string&, const Tensor<double>& value) { any |= gradients.has(value); });
  return any;
}

}  // namespace

TEST_CASE("layer terms: texture has no brightness, no colour, and all that is small", "[model]") {
  constexpr Index side = 40, middle = (20 * side + 20) * 3;
  Tensor<double> x({1, side, side, 3});
  for (Index i = 0; i < x.size(); ++i) x.mutable_data()[i] = 0.2 + 0.1 * static_cast<double>(i % 3);
  CHECK(std::abs(terms::texture(x).data()[middle]) < 1e-12);
  x.mutable_data()[middle + 1] += 0.9;
  for (Index c = 0; c < 3; ++c)
    CHECK(terms::texture(x).data()[middle + c] == Approx(0.3 * (1 - 1.0 / (15 * 15))));
}

TEST_CASE("layer terms: each change is off unless chosen, and changes what it says", "[model][large]") {
  LayerStep step("layer");
  const double published = step.loss().item();
  auto& networks = step.networks;

  SECTION("as published") {
    const auto gradients = step.gradients();
    CHECK(reaches(gradients, networks.rain));
    CHECK(reaches(gradients, networks.rain_layer));
    CHECK(gradients.has(networks.background_layer.heads[0].first.weight));
  }
  SECTION("shared heads") {
    step.options.layer.shared_heads = true;
    CHECK(step.loss().item() != published);
    const auto gradients = step.gradients();
    CHECK_FALSE(reaches(gradients, networks.rain_layer));
    CHECK(reaches(gradients, networks.rain));
  }
  SECTION("no image tap") {
    step.options.layer.image_tap = false;
    CHECK(step.loss().item() != published);
    const auto gradients = step.gradients();
    CHECK_FALSE(gradients.has(networks.background_layer.heads[0].first.weight));
    CHECK(gradients.has(networks.background_layer.heads[1].first.weight));
  }
  SECTION("texture") {
    step.options.layer.texture = true;
    CHECK(step.loss().item() != published);
  }
  SECTION("R is what was taken off") {
    step.options.layer.residual = true;
    CHECK(step.loss().item() != published);
    CHECK_FALSE(reaches(step.gradients(), networks.rain));
  }
  SECTION("the same places") {
    step.options.layer.same_places = true;
    const double here = step.loss().item();
    CHECK(here != published);
    step.options.rain_patches = 17;  // the rain is not searched for
    Random random(11);
    step.queries.rain = draw_queries(step.rainy.shape(), random);
    CHECK(step.loss().item() == here);
  }
}

TEST_CASE("layer terms: the known layer teaches heads by what is known, and B by the heads",
          "[model][large]") {
  LayerStep step("known");
  const auto gradients = step.gradients();
  CHECK(reaches(gradients, step.networks.clean));
  CHECK_FALSE(reaches(gradients, step.networks.rain));
  CHECK_FALSE(reaches(gradients, step.networks.rain_layer));
  CHECK_FALSE(reaches(gradients, step.networks.discriminator));
  const Tensor<double>& head = step.networks.background_layer.heads[2].second.weight;
  const Tensor<double> learned = gradients.of(head).clone();

  SECTION("another rainy image is no lesson for the heads") {
    Random random(9);
    step.rainy = random_tensor<double>(step.rainy.shape(), random);
    const auto others = step.gradients();
    CHECK(same_bits(others.of(head), learned));
    for_each_parameter(step.networks.clean, [&](const std::string& name, const Tensor<double>& value) {
      if (name == "gen.18.weight") CHECK_FALSE(same_bits(others.of(value), gradients.of(value)));
    });
  }
  SECTION("other drawn rain is one") {
    Random random(9);
    step.drawn = random_tensor<double>(step.drawn.shape(), random);
    CHECK_FALSE(same_bits(step.gradients().of(head), learned));
  }
  SECTION("the gradient at G_B is that of the differences") {
    Tensor<double> weight;
    for_each_parameter(step.networks.clean, [&](const std::string& name, Tensor<double>& value) {
      if (name == "gen.18.weight") weight = value;
    });
    double& element = weight.mutable_data()[7];
    const double value = element, h = 1e-6;
    const auto at = [&](double shifted) {
      element = shifted;
      return step.loss().item();
    };
    const double numeric = (at(value + h) - at(value - h)) / (2 * h);
    element = value;
    CHECK(gradients.of(weight).data()[7] == Approx(numeric).epsilon(1e-4).margin(1e-7));
  }
}
