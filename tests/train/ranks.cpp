// Several ranks take the steps of one process that has all of their batches.
#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "nlcl/train/trainer.hpp"
#include "support/shared_training.hpp"
#include "support/thread_ranks.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

SharedTraining training_of_ranks(bool pooled, bool with_drawn) {
  SharedTraining training;
  training.options.seed = 5;
  training.options.steps = 2;
  training.options.average = 0.9;
  training.options.objective.layer_contrast.pooled = pooled;
  if (with_drawn) training.options.objective.set_weight("drawn", 1);
  return training;
}

}  // namespace

TEST_CASE("ranks take the steps of one process, to the bit", "[train][ranks]") {
  for (const bool is_other : {false, true}) {  // the published objective, with drawn rain
    const SharedTraining training = training_of_ranks(is_other, is_other);
    Alone alone;
    const SharedTraining::Taken expected = training.take(alone);
    for (const int ranks : {2, 4}) {
      CAPTURE(is_other, ranks);
      std::vector<SharedTraining::Taken> found(static_cast<std::size_t>(ranks));
      on_ranks(ranks, [&](Communicator& here) {
        found[static_cast<std::size_t>(here.rank())] = training.take(here);
      });
      for (const SharedTraining::Taken& rank : found) SharedTraining::check_same(rank, expected);
    }
  }
}

TEST_CASE("a loss that is not a number on one rank stops all, before the step", "[train][ranks]") {
  const SharedTraining training = training_of_ranks(false, false);
  std::vector<std::string> told(2);
  std::vector<int> is_unchanged(2);
  on_ranks(2, [&](Communicator& here) {
    Trainer trainer(training.options, here);
    const StateFile before = trainer.state();
    Batch batch = training.batch(0);
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
