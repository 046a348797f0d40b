// Several ranks take the steps of one process that has all of their batches.
#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "nlcl/train/trainer.hpp"
#include "support/tensors.hpp"
#include "support/thread_ranks.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr std::uint64_t steps_of_ranks = 2;

Batch numbered(std::uint64_t number, bool with_drawn) {
  Random random(17, number);
  const auto image = [&] { return random_tensor<float>({1, 40, 40, 3}, random); };
  Batch batch{image(), image()};
  if (with_drawn) batch.drawn = image();
  return batch;
}

TrainerOptions options_of_ranks(bool pooled, bool with_drawn) {
  TrainerOptions options;
  options.seed = 5;
  options.steps = steps_of_ranks;
  options.average = 0.9;
  options.objective.layer_contrast.pooled = pooled;
  if (with_drawn) options.objective.set_weight("drawn", 1);
  return options;
}

struct Taken {
  StateFile state;
  std::vector<Losses> losses;
};

// The steps of a rank whose share of `batches` in each step is every one of size(), from rank() on.
Taken take(const TrainerOptions& options, Communicator& here, std::uint64_t batches, bool with_drawn) {
  Trainer trainer(options, here);
  Taken taken;
  for (std::uint64_t step = 0; step < steps_of_ranks; ++step) {
    std::vector<Batch> mine;
    for (auto i = static_cast<std::uint64_t>(here.rank()); i < batches;
         i += static_cast<std::uint64_t>(here.size()))
      mine.push_back(numbered(step * batches + i, with_drawn));
    taken.losses.push_back(trainer.run(mine));
  }
  taken.state = trainer.state();
  return taken;
}

}  // namespace

TEST_CASE("ranks take the steps of one process, to the bit", "[train][ranks]") {
  for (const bool is_other : {false, true}) {  // the published objective, with drawn rain
    const TrainerOptions options = options_of_ranks(is_other, is_other);
    Alone alone;
    const Taken expected = take(options, alone, 4, is_other);
    for (const int ranks : {2, 4}) {
      CAPTURE(is_other, ranks);
      std::vector<Taken> found(static_cast<std::size_t>(ranks));
      on_ranks(ranks, [&](Communicator& here) {
        found[static_cast<std::size_t>(here.rank())] = take(options, here, 4, is_other);
      });
      for (const Taken& rank : found) {
        CHECK(rank.losses == expected.losses);
        REQUIRE(rank.state.tensors.size() == expected.state.tensors.size());
        for (std::size_t i = 0; i < expected.state.tensors.size(); ++i) {
          CAPTURE(expected.state.tensors[i].name);
          CHECK(rank.state.tensors[i].bytes == expected.state.tensors[i].bytes);
        }
      }
    }
  }
}

TEST_CASE("a loss that is not a number on one rank stops all, before the step", "[train][ranks]") {
  std::vector<std::string> told(2);
  std::vector<int> is_unchanged(2);
  on_ranks(2, [&](Communicator& here) {
    Trainer trainer(options_of_ranks(false, false), here);
    const StateFile before = trainer.state();
    Batch batch = numbered(0, false);
    if (here.rank() == 1) batch.rainy.mutable_data()[7] = std::numeric_limits<float>::quiet_NaN();
    try {
      trainer.run({batch});
    } catch (const Error& error) {
      told[static_cast<std::size_t>(here.rank())] = error.what();
    }
    const StateFile after = trainer.state();
    bool same = trainer.step() == 0;
    for (std::size_t i = 0; i < after.tensors.size(); ++i)
      same &= after.tensors[i].bytes == before.tensors[i].bytes;
    is_unchanged[static_cast<std::size_t>(here.rank())] = same;
  });
  CHECK(told[1] == "train: the loss 'discriminator' is nan at step 0");
  CHECK(told[0] == "rank 1: " + told[1]);
  CHECK(is_unchanged == std::vector<int>{1, 1});
}
