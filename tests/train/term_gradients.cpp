#include "nlcl/train/term_gradients.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <string>

#include "nlcl/train/trainer.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr Index crop = 40;
constexpr double numbers = crop * crop * 3;

Batch some_batch() {
  Random random(7);
  const auto image = [&] { return random_tensor<float>({1, crop, crop, 3}, random); };
  Batch batch{image(), image()};
  batch.drawn = image();
  return batch;
}

std::map<std::string, TermGradient> by_term(const std::vector<TermGradient>& gradients) {
  std::map<std::string, TermGradient> result;
  for (const TermGradient& gradient : gradients) result.emplace(gradient.term, gradient);
  return result;
}

}  // namespace

TEST_CASE("term gradients: each term alone, as it is weighted", "[train]") {
  Networks<float> networks(Random(3), {.discriminator_gain = 0.4});
  ObjectiveOptions<float> options;
  options.set_weight("consistency", 3);
  options.set_weight("drawn", 0.5);
  const Batch batch = some_batch();
  Random random(1);
  const Queries queries = Queries::draw(batch.rainy.shape(), random);
  const auto found = by_term(term_gradients(networks, options, batch, queries));
  CHECK(found.size() == 7);  // chroma, identity and recomposition have weight 0

  // d/dB mean (B + R - O)^2 = 2 (B + R - O) / n, and so is d/dR
  const NoGrad no_grad;
  const Tensor<float> b = networks.clean(batch.rainy), r = networks.rain(batch.rainy);
  double square = 0;
  for (Index i = 0; i < b.size(); ++i)
    square += std::pow(static_cast<double>(b.data()[i] + r.data()[i] - batch.rainy.data()[i]), 2);
  const double expected = 3 * 2 * std::sqrt(square) / numbers;
  CHECK(found.at("consistency").background == Approx(expected).epsilon(1e-4));
  CHECK(found.at("consistency").rain == Approx(expected).epsilon(1e-4));
  // d/dB mean |O - B| = +-1 / n
  CHECK(found.at("sparsity").background == Approx(0.1 / std::sqrt(numbers)).epsilon(1e-4));

  CHECK(found.at("sparsity").rain == 0);
  CHECK(found.at("sparsity").rain_weights == 0);
  CHECK(found.at("drawn").background == 0);
  CHECK(found.at("drawn").clean_weights > 0);
  CHECK(found.at("location_clean").background == 0);
  for (const char* term : {"adversarial", "layer"}) CHECK(found.at(term).background > 0);
  CHECK(found.at("layer").rain_weights > 0);
}

TEST_CASE("term gradients: those of one term are those of its step", "[train]") {
  Networks<float> networks(Random(3));
  ObjectiveOptions<float> options;
  options.clear_weights();
  options.set_weight("adversarial", 2);
  const Batch batch = some_batch();
  const TermGradient found = term_gradients(networks, options, batch, {}).at(0);
  Tape<float> tape;
  const Objective<float> objective(networks, options, batch.rainy, batch.clean);
  const auto gradients = tape.backward(objective.generator_losses({}).total);
  double square = 0;
  for_each_parameter(networks.clean, [&](const std::string&, const Tensor<float>& value) {
    for (const float g : gradients.of(value).values()) square += std::pow(static_cast<double>(g), 2);
  });
  CHECK(found.clean_weights == Approx(std::sqrt(square)));
  CHECK(found.rain_weights == 0);
}

TEST_CASE("a trainer that tells its gradients takes the same steps", "[train]") {
  TrainerOptions options;
  options.steps = 2;
  options.objective.set_weight("layer", 0);
  Trainer silent(options), watched(options);
  const Batch batch = some_batch();
  for (int step = 0; step < 2; ++step) {
    CHECK(watched.term_gradients(batch).size() == 5);
    CHECK(watched.run({batch}) == silent.run({batch}));
  }
  const StateFile a = watched.state(), b = silent.state();
  for (std::size_t i = 0; i < a.tensors.size(); ++i) CHECK(a.tensors[i].bytes == b.tensors[i].bytes);
}
