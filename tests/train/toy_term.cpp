// A term that stands in this file alone: all that loops over the table takes it as one of its own.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "nlcl/train/report.hpp"
#include "nlcl/train/run_directory.hpp"
#include "nlcl/train/trainer.hpp"
#include "support/files.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// What it asks of the networks: the rain layer is dark.
Tensor<float> toy(const TermInputs<float>& in) {
  return mean_squared_error(in.rain, Tensor<float>::full(in.rain.shape(), -1, in.rain.device()));
}

Term<float> toy_term(const std::string& name = "toy") {
  return {.name = name, .meaning = "R is < 0 everywhere", .weight = 2, .needs = {Pass::rain}, .loss = toy};
}

Batch batch(std::uint64_t seed) {
  Random random(seed);
  const Tensor<float> rainy = random_tensor<float>({1, 40, 40, 3}, random);
  return {rainy, random_tensor<float>({1, 40, 40, 3}, random)};
}

TrainerOptions options_without_terms() {
  TrainerOptions options;
  options.seed = 3;
  options.steps = 8;
  options.decay_steps = 0;
  options.learning_rate = 1e-3;
  options.objective.terms.clear();
  return options;
}

}  // namespace

TEST_CASE("a term of one's own is trained with", "[train]") {
  TrainerOptions options = options_without_terms();
  options.objective.terms = {toy_term()};
  Trainer trainer(options);
  const StateFile before = trainer.state();
  std::vector<double> totals;
  for (int step = 0; step < 8; ++step) {
    const Losses losses = trainer.run({batch(0)});
    REQUIRE(losses.size() == 2);
    CHECK(losses[0].first == "toy");
    CHECK(losses[1] == std::pair<std::string, double>("total", 2 * losses[0].second));
    totals.push_back(losses[1].second);
  }
  CHECK(totals.back() < 0.5 * totals.front());
  const StateFile after = trainer.state();  // nothing but G_R has learned
  for (std::size_t i = 0; i < after.tensors.size(); ++i)
    if (!after.tensors[i].name.starts_with("G_R.") && !after.tensors[i].name.starts_with("adam.G_R."))
      CHECK(after.tensors[i].bytes == before.tensors[i].bytes);
  CHECK(after.at("G_R.gen.18.bias").bytes != before.at("G_R.gen.18.bias").bytes);
}

TEST_CASE("a term of one's own stands in the log, in the report and in the estimate of memory", "[train]") {
  TrainerOptions options = options_without_terms();
  options.objective.terms = loss_terms<float>();
  const double memory = Trainer::memory(options, 1000);
  options.objective.terms.push_back(toy_term());
  CHECK(Trainer::memory(options, 1000) == memory);  // R is made already
  options.objective.terms.back().memory = 12;
  CHECK(Trainer::memory(options, 1000) == memory + 12'000);

  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  Trainer trainer(options);
  nlohmann::json line{{"step", 1}};
  for (const auto& [name, value] : trainer.run({batch(0)})) line["losses"][name] = value;
  run.log(line);
  CHECK(line["losses"].size() == 9);  // those of the method, the discriminator's, this one, the total
  write_report(run, loss_meanings(options.objective.terms));
  const auto bytes = read_file(run.path() / "report.html");
  const std::string page(text_of(bytes));
  CHECK_THAT(page, Catch::Contains("<h3>toy</h3>") && Catch::Contains("R is &lt; 0 everywhere"));
  for (const auto& [name, meaning] : loss_meanings())
    if (line["losses"].contains(name)) CHECK_THAT(page, Catch::Contains("<small>" + meaning));
}

TEST_CASE("there is room for any number of losses", "[train]") {
  TrainerOptions options = options_without_terms();
  for (int i = 0; i < 40; ++i) options.objective.terms.push_back(toy_term(text("toy", i)));
  Trainer trainer(options);
  const Losses losses =
      trainer.run({batch(0), batch(0), batch(0)});  // a place for each of them in each batch
  REQUIRE(losses.size() == 41);
  for (std::size_t i = 0; i < 40; ++i) {
    CHECK(losses[i].first == text("toy", i));
    CHECK(losses[i].second == losses[0].second);
  }
  CHECK(losses.back().second == Approx(40 * 2 * losses[0].second).epsilon(1e-5));
}
