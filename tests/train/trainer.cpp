#include "nlcl/train/trainer.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Batch batch(Index side, std::uint64_t seed) {
  Random random(seed);
  Tensor<float> rainy = random_tensor<float>({1, side, side, 3}, random);
  return {rainy, random_tensor<float>({1, side, side, 3}, random)};
}

TrainerOptions run_of(std::uint64_t steps, std::uint64_t decay_steps, double average = 0) {
  TrainerOptions options;
  options.seed = 3;
  options.steps = steps;
  options.decay_steps = decay_steps;
  options.average = average;
  return options;
}

}  // namespace

TEST_CASE("the learning rate is constant, then falls to zero", "[train]") {
  TrainerOptions options = run_of(10, 4);
  options.learning_rate = 1;
  CHECK(learning_rate(options, 0) == 1);
  CHECK(learning_rate(options, 5) == 1);
  CHECK(learning_rate(options, 6) == Approx(0.8));
  CHECK(learning_rate(options, 9) == Approx(0.2));
}

TEST_CASE("steps change every network, and repeat to the bit", "[train]") {
  const TrainerOptions options = run_of(4, 0);
  Trainer first(options), second(options);
  const StateFile before = first.state();
  for (std::uint64_t i = 0; i < 2; ++i) {
    const Losses losses = first.run({batch(40, i)});
    CHECK(losses == second.run({batch(40, i)}));
    CHECK(losses.size() == 8);
  }
  const StateFile after = first.state(), same = second.state();
  for (std::size_t i = 0; i < after.tensors.size(); ++i) {
    CHECK(after.tensors[i].bytes == same.tensors[i].bytes);
    INFO(after.tensors[i].name);
    // The biases of residual blocks have no effect, and no gradient.
    const bool has_gradient = after.tensors[i].name.find(".conv.bias") == std::string::npos;
    CHECK((after.tensors[i].bytes != before.tensors[i].bytes) == has_gradient);
  }
}

TEST_CASE("a trainer continues from its state", "[train]") {
  const TrainerOptions options = run_of(4, 2, 0.5);
  Trainer whole(options), resumed(options);
  whole.run({batch(40, 0)});
  const StateFile state = whole.state();
  whole.run({batch(40, 1)});
  resumed.load(state);
  CHECK(resumed.step() == 1);
  resumed.run({batch(40, 1)});
  const StateFile expected = whole.state(), found = resumed.state();
  for (std::size_t i = 0; i < expected.tensors.size(); ++i)
    CHECK(found.tensors[i].bytes == expected.tensors[i].bytes);

  StateFile foreign = state;
  foreign.metadata.erase("step");
  CHECK_THROWS_WITH(resumed.load(foreign), Catch::Contains("expected the number of steps"));
  foreign = state;
  foreign.tensors.pop_back();
  CHECK_THROWS_AS(resumed.load(foreign), FormatError);
}

TEST_CASE("a trainer begins with the networks of another run", "[train]") {
  const TrainerOptions options = run_of(4, 2, 0.5);
  Trainer first(options), second(options);
  first.run({batch(40, 0)});
  const StateFile state = first.state();
  second.begin_from(state);
  CHECK(second.step() == 0);
  const StateFile begun = second.state();
  for (std::size_t i = 0; i < begun.tensors.size(); ++i) {
    INFO(begun.tensors[i].name);
    if (begun.tensors[i].name.starts_with("adam."))
      CHECK(std::ranges::all_of(begun.tensors[i].bytes, [](std::byte b) { return b == std::byte{0}; }));
    else
      CHECK(begun.tensors[i].bytes == state.tensors[i].bytes);
  }
  // Its first step is that of a trainer which has these weights at its beginning.
  Trainer third(options);
  third.load(begun);
  CHECK(second.run({batch(40, 1)}) == third.run({batch(40, 1)}));
}

TEST_CASE("after the first step nothing is asked of the system", "[train]") {
  const int before = threads();
  set_threads(1);  // with more, which sizes two threads hold at once is left to chance
  Trainer trainer(run_of(9, 0));
  std::vector<Batch> batches;
  for (std::uint64_t i = 0; i < 4; ++i) batches.push_back(batch(48, i));
  trainer.run({batches[0]});
  const std::size_t after_first = Pool::cpu().stats().allocations;
  for (std::size_t i = 1; i < batches.size(); ++i) trainer.run({batches[i]});
  CHECK(Pool::cpu().stats().allocations == after_first);
  set_threads(before);
}

TEST_CASE("a step needs no more memory than it says, and not much less", "[train]") {
  const WithThreads with(1);
  for (const std::string alone : {"", "adversarial", "location", "layer", "drawn"}) {
    CAPTURE(alone);
    TrainerOptions options = run_of(2, 0);
    options.objective.set_weight("drawn", 1);
    for (Term<float>& term : options.objective.terms)
      if (!alone.empty() && term.weight_name() != alone) term.weight = 0;
    Batch one = batch(128, 0);
    one.drawn = one.rainy;
    Pool::cpu().trim();
    const std::size_t before = Pool::cpu().stats().in_use;
    Pool::cpu().reset_peak();
    Trainer trainer(options);
    trainer.run({one});
    const auto taken = static_cast<double>(Pool::cpu().stats().peak - before);
    const double said = Trainer::memory(options, 128 * 128);
    CHECK(taken <= said);
    CHECK(taken >= 0.7 * said);
  }
}

TEST_CASE("a loss that is not a number stops the step", "[train]") {
  Trainer trainer(run_of(2, 0));
  Batch broken = batch(40, 0);
  broken.rainy.mutable_data()[7] = std::numeric_limits<float>::quiet_NaN();
  const StateFile before = trainer.state();
  CHECK_THROWS_WITH(trainer.run({broken}),
                    Catch::Contains("train: the loss 'discriminator' is nan at step 0"));
  CHECK(trainer.state().tensors.front().bytes == before.tensors.front().bytes);
}

TEST_CASE("networks with a skip are averaged, saved and loaded with it", "[train]") {
  TrainerOptions options = run_of(4, 0, 0.5);
  options.networks.skip = true;
  Trainer trainer(options), resumed(options);
  const Losses losses = trainer.run({batch(40, 0)});
  CHECK(trainer.clean().has_skip());
  CHECK_FALSE(trainer.rain().has_skip());
  for (const auto& [name, value] : losses)
    if (name == "consistency" || name == "sparsity") CHECK(value == 0);
  resumed.load(trainer.state());
  CHECK(resumed.run({batch(40, 1)}) == trainer.run({batch(40, 1)}));

  TrainerOptions without = options;
  without.networks.skip = false;
  CHECK_THROWS_WITH(Trainer(without).load(trainer.state()),
                    Catch::Contains("'G_B.gen.skip' is 1, expected absent"));
  CHECK_THROWS_WITH(trainer.load(Trainer(without).state()),
                    Catch::Contains("'G_B.gen.skip' is absent, expected 1"));
}

TEST_CASE("a skip is nothing to an optimiser, but files are as they were when it was", "[train]") {
  TrainerOptions options = run_of(4, 0, 0.5);
  options.networks.skip = true;
  Trainer trainer(options);
  trainer.run({batch(40, 0)});
  std::size_t parameters = 0;
  for_each_parameter(trainer, [&](const std::string& name, const Tensor<float>&) {
    CHECK(name.find("skip") == std::string::npos);
    ++parameters;
  });

  // Behind the parameters of its generator, as any of them; moments that nothing has ever changed.
  const StateFile state = trainer.state();
  std::vector<std::pair<std::string, std::string>> numbers;  // with the tensor before
  for (std::size_t i = 1; i < state.tensors.size(); ++i)
    if (state.tensors[i].name.find("skip") != std::string::npos) {
      numbers.emplace_back(state.tensors[i - 1].name, state.tensors[i].name);
      const float expected = state.tensors[i].name.starts_with("adam.") ? 0 : 1;
      CHECK(same_bits(to_tensor(state.tensors[i]), Tensor<float>({1}, {expected})));
    }
  CHECK(numbers == std::vector<std::pair<std::string, std::string>>{
                       {"G_B.gen.18.bias", "G_B.gen.skip"},
                       {"adam.G_B.gen.18.bias.square", "adam.G_B.gen.skip.mean"},
                       {"adam.G_B.gen.skip.mean", "adam.G_B.gen.skip.square"},
                       {"average.G_B.gen.18.bias", "average.G_B.gen.skip"}});
  CHECK(state.tensors.size() == parameters + 4);

  // A file without such moments is as good.
  StateFile without = state;
  std::erase_if(without.tensors,
                [](const RawTensor& tensor) { return tensor.name.starts_with("adam.G_B.gen.skip."); });
  CHECK(without.tensors.size() == parameters + 2);
  Trainer first(options), second(options);
  first.load(state);
  second.load(without);
  CHECK(first.run({batch(40, 1)}) == second.run({batch(40, 1)}));

  without.tensors.push_back(from_tensor("adam.G_R.gen.skip.mean", Tensor<float>::zeros({1})));
  CHECK_THROWS_WITH(second.load(without), Catch::Contains("unexpected tensor 'adam.G_R.gen.skip.mean'"));
}

TEST_CASE("a trainer that cannot load a state is as it was", "[train]") {
  TrainerOptions options = run_of(4, 0, 0.5);
  options.networks.skip = true;
  Trainer other(options), trainer(options);
  other.run({batch(40, 0)});
  const StateFile good = other.state(), before = trainer.state();
  const auto fails = [&](const char* name, const auto& spoil) {
    StateFile file = good;
    spoil(file, *std::ranges::find(file.tensors, name, &RawTensor::name));
    CHECK_THROWS_AS(trainer.load(file), FormatError);
    CHECK(trainer.step() == 0);
    const StateFile after = trainer.state();
    for (std::size_t i = 0; i < before.tensors.size(); ++i)
      CHECK(after.tensors[i].bytes == before.tensors[i].bytes);
  };
  const auto remove = [](StateFile& file, RawTensor& tensor) {
    file.tensors.erase(file.tensors.begin() + (&tensor - file.tensors.data()));
  };
  for (const char* name :
       {"average.G_R.gen.18.bias", "average.G_B.gen.skip", "adam.F_rain.mlp_0.0.bias.mean"})
    fails(name, remove);
  fails("average.G_R.gen.18.bias", [](StateFile&, RawTensor& tensor) { tensor.bytes.pop_back(); });
  fails("average.G_B.gen.skip", [](StateFile&, RawTensor& tensor) { tensor.bytes.assign(4, std::byte{}); });
  fails("average.G_B.gen.skip", [](StateFile&, RawTensor& tensor) { tensor.name = "average.G_R.gen.skip"; });
  fails("G_B.gen.0.bias", [](StateFile& file, RawTensor&) { file.metadata["step"] = "one"; });

  trainer.load(good);
  CHECK(trainer.run({batch(40, 1)}) == other.run({batch(40, 1)}));
}

TEST_CASE("a trainer tells what its terms cannot be", "[train]") {
  TrainerOptions options = run_of(4, 0);
  options.objective.terms.push_back(options.objective.terms.front());
  CHECK_THROWS_WITH(Trainer(options), "train: two losses have the name 'adversarial'");
  options.objective.terms.back().name = "total";
  CHECK_THROWS_WITH(Trainer(options), "train: two losses have the name 'total'");
  options.objective.terms.pop_back();
  for (Term<float>& term : options.objective.terms) term.weight = 0;
  CHECK_THROWS_WITH(Trainer(options), "train: all terms have weight 0");
}

TEST_CASE("with the drawn term alone nothing but G_B learns", "[train]") {
  TrainerOptions options = run_of(4, 0);
  for (Term<float>& term : options.objective.terms) term.weight = term.name == "drawn" ? 1 : 0;
  Trainer trainer(options), accumulating(options);
  const StateFile before = trainer.state();
  Batch one = batch(40, 0);
  one.drawn = one.rainy;
  const Losses losses = trainer.run({one});
  REQUIRE(losses.size() == 2);
  CHECK(losses.front().first == "drawn");
  CHECK(losses.front().second == losses.back().second);
  const StateFile after = trainer.state();
  for (std::size_t i = 0; i < after.tensors.size(); ++i) {
    const std::string& name = after.tensors[i].name;
    INFO(name);
    if (!name.starts_with("G_B.") && !name.starts_with("adam.G_B."))
      CHECK(after.tensors[i].bytes == before.tensors[i].bytes);
    else if (name == "G_B.gen.18.weight")
      CHECK(after.tensors[i].bytes != before.tensors[i].bytes);
  }

  CHECK(accumulating.run({one, one}).front().second == losses.front().second);  // twice the half
  CHECK_THROWS_WITH(trainer.run({batch(40, 1)}), Catch::Contains("in drawn rain"));
}

TEST_CASE("the discriminator may learn at a rate of its own", "[train]") {
  TrainerOptions options = run_of(2, 0);
  options.learning_rate = 1e-3;
  options.discriminator_rate = 0.25;
  Trainer trainer(options);
  const StateFile before = trainer.state();
  trainer.run({batch(40, 0)});
  // The first step of Adam changes each number by the rate, as long as its gradient is well above eps.
  const auto change = [&](const std::string& name) {
    const auto then = to_tensor<double>(before.at(name)), now = to_tensor<double>(trainer.state().at(name));
    double largest = 0;
    for (Index i = 0; i < now.size(); ++i)
      largest = std::max(largest, std::abs(now.data()[i] - then.data()[i]));
    return largest;
  };
  CHECK(change("D.model.14.bias") == Approx(0.25e-3).epsilon(1e-3));
  CHECK(change("G_B.gen.18.bias") == Approx(1e-3).epsilon(1e-3));
}
