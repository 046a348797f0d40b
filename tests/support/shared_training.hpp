// A short training whose batches several ranks share, for tests.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "nlcl/train/trainer.hpp"
#include "support/tensors.hpp"

namespace nlcl::test {

struct SharedTraining {
  TrainerOptions options{};
  std::uint64_t batches = 4;  // of a step, from all ranks
  Index side = 40;

  struct Taken {
    StateFile state;
    std::vector<Losses> losses;
  };

  Batch batch(std::uint64_t number) const {
    Random random(17, number);
    const auto image = [&] { return random_tensor<float>({1, side, side, 3}, random); };
    Batch batch{image(), image()};
    if (options.objective.needs(Pass::drawn)) batch.drawn = image();
    return batch;
  }

  // The steps of a rank, whose share of the batches of each is every one of size(), from rank() on.
  Taken take(Communicator& here, Device device = Device::cpu()) const {
    TrainerOptions there = options;
    there.device = device;
    Trainer trainer(there, here);
    Taken taken;
    for (std::uint64_t step = 0; step < options.steps; ++step) {
      std::vector<Batch> mine;
      for (auto i = static_cast<std::uint64_t>(here.rank()); i < batches;
           i += static_cast<std::uint64_t>(here.size()))
        mine.push_back(batch(step * batches + i));
      taken.losses.push_back(trainer.run(mine));
    }
    taken.state = trainer.state();
    return taken;
  }

  static void check_same(const Taken& found, const Taken& expected) {
    CHECK(found.losses == expected.losses);
    REQUIRE(found.state.tensors.size() == expected.state.tensors.size());
    for (std::size_t i = 0; i < expected.state.tensors.size(); ++i) {
      INFO(expected.state.tensors[i].name);
      CHECK(found.state.tensors[i].bytes == expected.state.tensors[i].bytes);
    }
  }
};

}  // namespace nlcl::test
