#include "nlcl/model/objective.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Networks that tell images apart: with their initial weights, of gain 0.02, D and the heads hardly do.
template <class T>
Networks<T> spread_networks() {
  Networks<T> networks;
  Random random(2);
  const auto spread = [&](const std::string&, Tensor<T>& parameter) {
    const Shape& shape = parameter.shape();
    const Index fan_in = shape.rank() == 4   ? shape[0] * shape[1] * shape[2]
                         : shape.rank() == 2 ? shape[1]
                                             : 100;
    fill_uniform(parameter, 1 / std::sqrt(static_cast<double>(fan_in)), random);
  };
  for_each_parameter(networks.discriminator, spread);
  for (auto* heads : {&networks.location, &networks.background_layer, &networks.rain_layer})
    for_each_parameter(*heads, spread);
  return networks;
}

template <class T>
std::map<std::string, Tensor<T>> parameters_of(Networks<T>& networks) {
  std::map<std::string, Tensor<T>> all;
  for_each_parameter(networks,
                     [&](const std::string& name, const Tensor<T>& value) { all.emplace(name, value); });
  return all;
}

// A small step: images with a different query for every search.
template <class T>
struct Step {
  Tensor<T> rainy, clean, drawn;  // [N,40,44,3]
  Queries queries;

  explicit Step(Index batch) {
    Random random(1);
    rainy = random_tensor<T>({batch, 40, 44, 3}, random);
    clean = random_tensor<T>({batch, 40, 44, 3}, random);
    drawn = random_tensor<T>({batch, 40, 44, 3}, random);
    queries = Queries::draw(rainy.shape(), random);
  }

  // The n-th image alone.
  Step only(std::size_t n) const {
    const auto image = [&](const Tensor<T>& x) {
      const std::size_t size = static_cast<std::size_t>(x.size() / x.shape()[0]);
      return Tensor<T>({1, x.shape()[1], x.shape()[2], x.shape()[3]}, x.values().subspan(n * size, size));
    };
    const auto query = [&](const Tensor<PatchCenter>& all) {
      return patch_centers({{0, all(n).row, all(n).column}});
    };
    Step step(1);
    step.rainy = image(rainy), step.clean = image(clean), step.drawn = image(drawn);
    step.queries = {query(queries.rainy), query(queries.clean), query(queries.background),
                    query(queries.rain)};
    return step;
  }
};

template <class T = double>
ObjectiveOptions<T> few_patches() {
  ObjectiveOptions<T> options;
  options.location_patches = 24, options.background_patches = 4, options.rain_patches = 9;
  return options;
}

template <class T = double>
ObjectiveOptions<T> with_own_terms() {
  ObjectiveOptions<T> options = few_patches<T>();
  for (const auto& [name, weight] :
       {std::pair{"chroma", 0.7}, {"identity", 0.4}, {"recomposition", 1.3}, {"drawn", 0.9}})
    options.set_weight(name, weight);
  for (Term<T>& term : options.terms)
    if (term.weight == 0) term.weight = 0.6;
  options.recomposition = {.gain = 1.7, .high_pass = 0.6, .threshold = 0.05};
  return options;
}

// One term alone.
template <class T = double>
ObjectiveOptions<T> only(const std::string& name, double weight = 1) {
  ObjectiveOptions<T> options = with_own_terms<T>();
  for (Term<T>& term : options.terms) term.weight = 0;
  options.set_weight(name, weight);
  return options;
}

template <class T>
GeneratorLosses<T> losses_of(const Networks<T>& networks, const ObjectiveOptions<T>& options,
                             const Step<T>& step) {
  return Objective<T>(networks, options, step.rainy, step.clean, step.drawn).generator_losses(step.queries);
}

// Backward against central differences, for one element of each of the parameters that are named. The step is as
// small as rounding allows: within 1e-6 some of a million ReLUs bend, and a single one in a head is a percent of a
// gradient.
void check_gradients(Networks<double>& networks, const std::vector<std::string>& names,
                     const Gradients<double>& gradients, const auto& loss) {
  const NoGrad no_grad;
  const double h = 1e-8;
  auto parameters = parameters_of(networks);
  for (const std::string& name : names) {
    CAPTURE(name);
    Tensor<double>& parameter = parameters.at(name);
    double& element = parameter.mutable_data()[parameter.size() / 3];
    const double value = element;
    const auto at = [&](double shifted) {
      element = shifted;
      const double result = loss().item();
      element = value;
      return result;
    };
    const double numeric = (at(value + h) - at(value - h)) / (2 * h);
    CHECK(gradients.of(parameter).data()[parameter.size() / 3] == Approx(numeric).epsilon(1e-4).margin(3e-6));
  }
}

}  // namespace

TEST_CASE("the smallest image has matches enough for every search", "[model][large]") {
  const Networks<float> networks;
  Random random(1);
  const auto x = random_tensor<float>({1, 33, 33, 3}, random);
  for (const Index row : {16, 17})
    for (const Index column : {16, 17}) {
      const auto query = patch_centers({{0, row, column}});
      CHECK(nearest_patches(x, query, {.count = TermOptions{}.location_patches}).size() == 256);
    }
}

TEST_CASE("an objective wants as many clean images as rainy ones, of the same size", "[model][large]") {
  const Networks<float> networks;
  const auto a = Tensor<float>::zeros({1, 40, 44, 3}), b = Tensor<float>::zeros({1, 44, 40, 3});
  CHECK(message_of<ShapeError>([&] { Objective<float>(networks, {}, a, b); }) ==
        "objective: rainy images [1,40,44,3], clean ones [1,44,40,3]");
}

TEST_CASE("an objective wants a query for each image and search", "[model][large]") {
  const Networks<float> networks;
  const Step<float> step(2);
  const Objective<float> objective(networks, few_patches<float>(), step.rainy, step.clean);
  for (const auto search : Queries::searches()) {
    Queries queries = step.queries;
    queries.*search = patch_centers({{0, 16, 16}});
    CHECK(message_of<ShapeError>([&] { objective.generator_losses(queries); }) ==
          "objective: 1 queries for 2 images");
  }
}

TEST_CASE("the forward passes of an objective are those of the generators", "[model][large]") {
  const Networks<float> networks;
  const Step<float> step(1);
  const Objective<float> objective(networks, {}, step.rainy, step.clean);
  CHECK(same_bits(objective.background(), networks.clean(step.rainy)));
  CHECK(same_bits(objective.rain(), networks.rain(step.rainy)));
  CHECK(same_bits(objective.identity(), networks.clean(step.clean)));
}

TEST_CASE("the gradient of the generators' loss is that of the differences", "[model][large]") {
  auto networks = spread_networks<double>();
  const Step<double> step(1);
  const auto options = few_patches();
  const auto gradients = [&] {
    Tape<double> tape;
    return tape.backward(losses_of(networks, options, step).total);
  }();
  // The keys of the location contrast are constants in the gradient, but not in the differences. So these are
  // parameters that the keys do not depend on.
  check_gradients(networks,
                  {"G_R.gen.0.weight", "G_R.gen.9.model.1.conv.weight", "G_R.gen.18.bias",
                   "G_B.gen.14.model.0.conv.weight", "G_B.gen.17.conv.3.weight", "G_B.gen.18.weight",
                   "F_back.mlp_2.0.weight", "F_rain.mlp_0.2.bias"},
                  gradients, [&] { return losses_of(networks, options, step).total; });
}

TEST_CASE("the gradient of the location contrast flows through the encoding of the output",
          "[model][large]") {
  auto networks = spread_networks<double>();
  const Step<double> step(1);
  const auto options = only("location");
  const auto objective = [&] {
    const NoGrad no_grad;  // images and keys are constants; what is left is the second pass through G_B
    return Objective<double>(networks, options, step.rainy, step.clean);
  }();
  const auto gradients = [&] {
    Tape<double> tape;
    return tape.backward(objective.generator_losses(step.queries).total);
  }();
  check_gradients(networks,
                  {"G_B.gen.0.weight", "G_B.gen.3.model.0.conv.weight", "G_B.gen.12.model.1.conv.weight"},
                  gradients, [&] { return objective.generator_losses(step.queries).total; });
  auto parameters = parameters_of(networks);
  CHECK_FALSE(gradients.has(parameters.at("G_B.gen.13.model.0.conv.weight")));  // above the last tap
  CHECK_FALSE(gradients.has(parameters.at("G_R.gen.0.weight")));
}

TEST_CASE("the location contrast is PatchNCE between places of the input and the output, its keys constants",
          "[model][large]") {
  auto networks = spread_networks<double>();
  const Step<double> step(1);
  const auto options = few_patches();
  const auto by_hand = [&](const Tensor<double>& input, const Tensor<PatchCenter>& query) {
    const auto& taps = Networks<double>::location_taps();
    const auto keys = [&] {
      const NoGrad no_grad;
      return networks.clean.encode(input, taps);
    }();
    const auto features = networks.clean.encode(networks.clean(input), taps);
    const auto centers = nearest_patches(keys[0], query, {.count = 24});
    const auto query_vectors = networks.location(features, centers, 40, 44);
    const auto key_vectors = networks.location(keys, centers, 40, 44);
    Tensor<double> total;
    for (std::size_t tap = 0; tap < taps.size(); ++tap) {
      const auto loss = patch_nce(query_vectors[tap], key_vectors[tap].detached(), 0.07);
      total = total ? sum(total, loss) : loss;
    }
    return scale(total, 0.2);
  };
  const auto compare = [&](const Tensor<double>& input, const Tensor<PatchCenter>& query, const char* term) {
    Tape<double> expected_tape;
    const auto expected = by_hand(input, query);
    const auto expected_gradients = expected_tape.backward(expected);
    Tape<double> tape;
    const auto found = losses_of(networks, options, step).of(term);
    const auto gradients = tape.backward(found);
    CHECK(found.item() == Approx(expected.item()).epsilon(1e-12));
    for (const auto& [name, parameter] : parameters_of(networks)) {
      CAPTURE(name);
      REQUIRE(gradients.has(parameter) == expected_gradients.has(parameter));
      if (gradients.has(parameter))
        CHECK(relative_l2(gradients.of(parameter), expected_gradients.of(parameter)) <= 1e-6);
    }
  };
  compare(step.rainy, step.queries.rainy, "location_rainy");
  compare(step.clean, step.queries.clean, "location_clean");
}

TEST_CASE("the objectives differ in the layer contrast only", "[model][large]") {
  const auto networks = spread_networks<float>();
  const Step<float> step(1);
  auto asymmetric = few_patches<float>(), cvpr2022 = few_patches<float>();
  asymmetric.layer_contrast.weight = {0.7, 1.3};
  cvpr2022.layer_contrast.pooled = true;

  const auto a = losses_of(networks, asymmetric, step), b = losses_of(networks, cvpr2022, step);
  for (const char* same : {"adversarial", "location_rainy", "location_clean", "consistency", "sparsity"})
    CHECK(same_bits(a.of(same), b.of(same)));
  CHECK(a.of("layer").item() != b.of("layer").item());

  // The searches are in the images, the features those of D.
  const auto background = networks.clean(step.rainy), rain = networks.rain(step.rainy);
  const auto background_centers = nearest_patches(background, step.queries.background, {.count = 4});
  const auto rain_centers = nearest_patches(rain, step.queries.rain, {.count = 9});
  const auto z =
      networks.background_layer(networks.discriminator.features(background), background_centers, 40, 44);
  const auto w = networks.rain_layer(networks.discriminator.features(rain), rain_centers, 40, 44);
  double expected_a = 0, expected_b = 0;
  for (std::size_t tap = 0; tap < z.size(); ++tap) {
    expected_a += static_cast<double>(layer_contrast(z[tap], w[tap], {.weight = {0.7, 1.3}}).item()) / 4;
    expected_b += static_cast<double>(layer_contrast(z[tap], w[tap], {.pooled = true}).item()) / 4;
  }
  CHECK(static_cast<double>(a.of("layer").item()) == Approx(expected_a).epsilon(1e-5));
  CHECK(static_cast<double>(b.of("layer").item()) == Approx(expected_b).epsilon(1e-5));

  cvpr2022.layer_contrast = {.weight = {4.0 / 13, 9.0 / 13}};  // the same as pooled
  CHECK(losses_of(networks, cvpr2022, step).of("layer").item() == Approx(b.of("layer").item()).epsilon(1e-5));
}

TEST_CASE("the total is the weighted sum of the terms", "[model][large]") {
  const auto networks = spread_networks<double>();
  const Step<double> step(1);
  ObjectiveOptions<double> options = with_own_terms();
  const auto weighted = [&] {
    const auto losses = losses_of(networks, options, step);
    const double location = (losses.of("location_rainy").item() + losses.of("location_clean").item()) / 2;
    double expected = options.weight("location") * location;
    for (const std::string& name : options.weight_names())
      if (name != "location") expected += options.weight(name) * losses.of(name).item();
    CHECK(losses.total.item() == Approx(expected).epsilon(1e-14));
  };
  weighted();
  for (const auto& [name, weight] : {std::pair{"adversarial", 0.5},
                                     {"location", 2.0},
                                     {"layer", 3.0},
                                     {"consistency", 7.0},
                                     {"sparsity", 0.3}})
    options.set_weight(name, weight);
  weighted();
}

TEST_CASE("terms of weight 0 are absent", "[model][large]") {
  const auto networks = spread_networks<float>();
  const Step<float> step(1);
  const auto whole = losses_of(networks, with_own_terms<float>(), step);
  CHECK(whole.terms.size() == loss_terms<float>().size());
  for (const std::string& left_out : with_own_terms<float>().weight_names()) {
    CAPTURE(left_out);
    auto options = with_own_terms<float>();
    options.set_weight(left_out, 0);
    const auto losses = losses_of(networks, options, step);
    for (const Term<float>& term : options.terms) {
      CAPTURE(term.name);
      if (term.weight_name() == left_out)
        CHECK_FALSE(losses.of(term.name));
      else
        CHECK(same_bits(losses.of(term.name), whole.of(term.name)));
    }
    CHECK(losses.total);
  }
  const auto none = losses_of(networks, only<float>("drawn", 0), step);
  CHECK(none.terms.empty());
  CHECK_FALSE(none.total);
}

TEST_CASE("each term alone says what it needs", "[model][large]") {
  auto networks = spread_networks<float>();
  const Step<float> step(1);
  const auto whole = losses_of(networks, with_own_terms<float>(), step);
  for (const Term<float>& term : loss_terms<float>()) {
    CAPTURE(term.name);
    const auto options = only<float>(term.weight_name());
    const Objective<float> objective(networks, options, step.rainy, step.clean, step.drawn);
    CHECK(static_cast<bool>(objective.background()) == options.needs(Pass::background));
    CHECK(static_cast<bool>(objective.identity()) == options.needs(Pass::identity));
    CHECK(static_cast<bool>(objective.rain()) == options.needs(Pass::rain));
    CHECK(same_bits(objective.generator_losses(step.queries).of(term.name), whole.of(term.name)));
  }
}

TEST_CASE("a term of one's own is a row and a function", "[model][large]") {
  const auto networks = spread_networks<double>();
  const Step<double> step(1);
  auto options = few_patches();
  options.terms.push_back(
      {.name = "toy",
       .meaning = "B is as bright as I",
       .weight = 0.25,
       .needs = {Pass::background, Pass::identity},
       .loss = [](const TermInputs<double>& in) { return mean_squared_error(in.background, in.identity); }});
  const auto losses = losses_of(networks, options, step);
  CHECK(losses.terms.size() == 7);
  CHECK(losses.terms.back().first == "toy");
  const Tensor<double> expected = mean_squared_error(networks.clean(step.rainy), networks.clean(step.clean));
  CHECK(losses.of("toy").item() == expected.item());
  const double others = losses_of(networks, few_patches(), step).total.item();
  CHECK(losses.total.item() == Approx(others + 0.25 * expected.item()).epsilon(1e-14));
  CHECK(options.weight_names().back() == "toy");
  CHECK(message_of<Error>([&] { options.set_weight("toys", 1); }) ==
        "objective: no term has a weight of the name 'toys'");
}

TEST_CASE("the terms of our own are off by default, and are what they are said to be", "[model][large]") {
  auto networks = spread_networks<double>();
  const Step<double> step(2);
  const auto absent = losses_of(networks, few_patches(), step);
  for (const char* term : {"chroma", "identity", "recomposition", "drawn"}) CHECK_FALSE(absent.of(term));

  const Tensor<double> background = networks.clean(step.rainy), identity = networks.clean(step.clean);
  const Shape& shape = background.shape();
  const auto taken = [&](std::size_t k) { return step.rainy.values()[k] - background.values()[k]; };
  const auto grey = [&](Index n, Index row, Index column) {
    const auto red = static_cast<std::size_t>(((n * shape[1] + row) * shape[2] + column) * 3);
    return (taken(red) + taken(red + 1) + taken(red + 2)) / 3;
  };
  const auto local_mean = [&](Index n, Index row, Index column) {
    double total = 0;
    for (Index i = std::max(row - 7, Index{0}); i <= std::min(row + 7, shape[1] - 1); ++i)
      for (Index j = std::max(column - 7, Index{0}); j <= std::min(column + 7, shape[2] - 1); ++j)
        total += grey(n, i, j);
    return total / (15 * 15);
  };
  const RecompositionOptions own = with_own_terms().recomposition;
  Tensor<double> recomposed(shape);
  double chroma = 0, expected_identity = 0;
  Index white = 0, dry = 0;
  const auto count = static_cast<double>(background.size());
  for (Index n = 0, k = 0; n < shape[0]; ++n)
    for (Index row = 0; row < shape[1]; ++row)
      for (Index column = 0; column < shape[2]; ++column) {
        const double mean = grey(n, row, column);
        const double streak = mean - own.high_pass * local_mean(n, row, column) - own.threshold;
        for (const Index end = k + 3; k < end; ++k) {
          const auto at = static_cast<std::size_t>(k);
          chroma += std::abs(taken(at) - mean) / count;
          expected_identity += std::abs(identity.values()[at] - step.clean.values()[at]) / count;
          const double sum = step.clean.values()[at] + own.gain * std::max(streak, 0.0);
          recomposed.mutable_data()[k] = std::min(sum, 1.0);
          white += sum > 1;
          dry += streak <= 0;
        }
      }
  for (const Index some : {white, dry}) {
    CHECK(some > 0);
    CHECK(some < background.size());
  }
  const auto distance_from_clean = [&](const Tensor<double>& rainy) {
    const Tensor<double> found = networks.clean(rainy);
    double total = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(found.size()); ++i)
      total += std::abs(found.values()[i] - step.clean.values()[i]);
    return total / count;
  };

  const auto losses = losses_of(networks, with_own_terms(), step);
  CHECK(losses.of("chroma").item() == Approx(chroma).epsilon(1e-10));
  CHECK(losses.of("identity").item() == Approx(expected_identity).epsilon(1e-10));
  CHECK(losses.of("recomposition").item() == Approx(distance_from_clean(recomposed)).epsilon(1e-10));
  CHECK(losses.of("drawn").item() == Approx(distance_from_clean(step.drawn)).epsilon(1e-10));

  // What rain is taken for granted in the recomposition gets no gradient: of the weights by which G_B made it too.
  Tape<double> tape;
  const auto gradients = tape.backward(losses_of(networks, only("recomposition", 1.3), step).total);
  const auto direct = [&] { return scale(mean_absolute_error(networks.clean(recomposed), step.clean), 1.3); };
  check_gradients(networks, {"G_B.gen.0.weight", "G_B.gen.9.model.0.conv.weight", "G_B.gen.18.weight"},
                  gradients, direct);
  auto other_terms = only("chroma");
  other_terms.set_weight("identity", 1), other_terms.set_weight("drawn", 1);
  Tape<double> second;
  const auto others = second.backward(losses_of(networks, other_terms, step).total);
  check_gradients(networks, {"G_B.gen.0.weight", "G_B.gen.9.model.0.conv.weight", "G_B.gen.18.bias"}, others,
                  [&] { return losses_of(networks, other_terms, step).total; });
}

TEST_CASE("without a term that needs a network there is no pass through it", "[model][large]") {
  const auto networks = spread_networks<float>();
  const Step<float> step(1);
  const auto options = only<float>("drawn");
  const Objective<float> objective(networks, options, step.rainy, step.clean, step.drawn);
  CHECK_FALSE((options.needs(Pass::discriminator) || objective.background() || objective.rain() ||
               objective.identity()));
  CHECK(same_bits(objective.generator_losses(step.queries).of("drawn"),
                  losses_of(networks, with_own_terms<float>(), step).of("drawn")));
}

TEST_CASE("images in drawn rain are those of the clean ones", "[model][large]") {
  const Networks<float> networks;
  const Step<float> step(2);
  const auto options = with_own_terms<float>();
  CHECK(message_of<ShapeError>([&] { Objective<float>(networks, options, step.rainy, step.clean); }) ==
        "objective: clean images [2,40,44,3], in drawn rain [0]");
  CHECK(message_of<ShapeError>([&] {
          Objective<float>(networks, options, step.rainy, step.clean, step.only(1).drawn);
        }) == "objective: clean images [2,40,44,3], in drawn rain [1,40,44,3]");
}

TEST_CASE("a frozen discriminator passes gradients on and gets none", "[model][large]") {
  auto networks = spread_networks<float>();
  const Step<float> step(1);
  const auto gradients = [&] {
    Tape<float> tape;
    return tape.backward(losses_of(networks, few_patches<float>(), step).total);
  };
  const auto with_discriminator = gradients();
  set_trainable(networks.discriminator, false);
  const auto frozen = gradients();
  for (const auto& [name, parameter] : parameters_of(networks)) {
    CAPTURE(name);
    CHECK(with_discriminator.has(parameter));
    REQUIRE(frozen.has(parameter) == !name.starts_with("D."));
    if (frozen.has(parameter)) CHECK(same_bits(frozen.of(parameter), with_discriminator.of(parameter)));
  }
}

TEST_CASE("the discriminator's loss is for the discriminator alone", "[model][large]") {
  auto networks = spread_networks<double>();
  const Step<double> step(1);
  Tape<double> tape;
  const Objective<double> objective(networks, few_patches(), step.rainy, step.clean);
  const auto [loss, gradients] = [&] {
    Tape<double> discriminator_tape;
    const auto found = objective.discriminator_loss();
    return std::pair(found, discriminator_tape.backward(found));
  }();
  for (const auto& [name, parameter] : parameters_of(networks)) {
    CAPTURE(name);
    CHECK(gradients.has(parameter) == name.starts_with("D."));
  }

  const auto background = objective.background().detached();
  const auto of_background = networks.discriminator(background),
             of_clean = networks.discriminator(step.clean);
  double expected = 0;
  for (double verdict : of_background.values())
    expected += verdict * verdict / 2 / static_cast<double>(of_background.size());
  for (double verdict : of_clean.values())
    expected += std::pow(verdict - 1, 2) / 2 / static_cast<double>(of_clean.size());
  CHECK(loss.item() == Approx(expected).epsilon(1e-14));

  check_gradients(networks, {"D.model.0.weight", "D.model.7.weight", "D.model.14.bias"}, gradients,
                  [&] { return discriminator_loss(networks.discriminator, background, step.clean); });
}

TEST_CASE("the loss of two images is the mean of their losses", "[model][large]") {
  auto networks = spread_networks<double>();
  const Step<double> both(2);
  const auto pass = [&](const Step<double>& step) {
    Tape<double> tape;
    const auto losses = losses_of(networks, with_own_terms(), step);
    return std::pair(losses, tape.backward(losses.total));
  };
  const auto [losses, gradients] = pass(both);
  const auto [first, first_gradients] = pass(both.only(0));
  const auto [second, second_gradients] = pass(both.only(1));
  const auto is_mean = [](const Tensor<double>& of_both, const Tensor<double>& a, const Tensor<double>& b) {
    CHECK(a.item() != b.item());
    CHECK(of_both.item() == Approx((a.item() + b.item()) / 2).epsilon(1e-12));
  };
  REQUIRE(losses.terms.size() == loss_terms<double>().size());
  for (const auto& [name, loss] : losses.terms) {
    CAPTURE(name);
    is_mean(loss, first.of(name), second.of(name));
  }
  is_mean(losses.total, first.total, second.total);
  auto parameters = parameters_of(networks);
  for (const char* name : {"G_B.gen.0.weight", "G_B.gen.18.weight", "G_R.gen.9.model.1.conv.weight",
                           "F_loc.mlp_2.0.weight", "F_rain.mlp_3.2.weight"}) {
    CAPTURE(name);
    const auto& parameter = parameters.at(name);
    const auto mean = scale(sum(first_gradients.of(parameter), second_gradients.of(parameter)), 0.5);
    CHECK(relative_l2(gradients.of(parameter), mean) <= 1e-6);
  }
}

TEST_CASE("the losses have the same bits on any number of threads", "[model][large]") {
  auto networks = spread_networks<float>();
  const Step<float> step(1);
  const auto pass = [&](int count) {
    const WithThreads with(count);
    Tape<float> tape;
    const auto losses = losses_of(networks, few_patches<float>(), step);
    return std::pair(losses.total, tape.backward(losses.total));
  };
  const auto [total, gradients] = pass(1);
  for (int count : {2, 3}) {
    CAPTURE(count);
    const auto [same_total, same_gradients] = pass(count);
    CHECK(same_bits(same_total, total));
    for (const auto& [name, parameter] : parameters_of(networks)) {
      CAPTURE(name);
      CHECK(same_bits(same_gradients.of(parameter), gradients.of(parameter)));
    }
  }
}

TEST_CASE("with a skip, training begins at B = O and R = 0", "[model][large]") {
  const Networks<float> networks(Random(1), {.skip = true});
  Random random(2);
  const auto rainy = random_tensor<float>({1, 40, 44, 3}, random);
  const auto clean = random_tensor<float>({1, 40, 44, 3}, random);
  const Objective<float> objective(networks, {}, rainy, clean);
  CHECK(same_bits(objective.background(), rainy));
  CHECK(same_bits(objective.identity(), clean));
  CHECK(max_abs(objective.rain()) == 0);
}
