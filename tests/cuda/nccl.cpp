// Ranks that are GPUs: sums that never come to the CPU, and steps that are recorded with them.
#ifdef NLCL_NCCL

#include "nlcl/train/nccl.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "nlcl/core/cuda.hpp"
#include "support/cuda.hpp"
#include "support/shared_training.hpp"
#include "support/thread_ranks.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Runs body(communicator, device) on each of so many ranks, which have a GPU each. False if there are too few.
template <class Body>
bool on_gpus(int ranks, const Body& body) {
  if (!cuda_is_there() || cuda::device_count() < ranks) return false;
  on_ranks(ranks, [&](Communicator& hosts) {
    const Device device = Device::cuda(hosts.rank());
    const std::unique_ptr<Communicator> gpus = nccl_communicator(hosts, device);
    if (gpus) body(*gpus, device);
  });
  return true;
}

void check_ranks(const SharedTraining& training, std::initializer_list<int> sizes) {
  if (!cuda_is_there()) return;
  Alone alone;
  const SharedTraining::Taken expected = training.take(alone, cuda_device);
  for (const int ranks : sizes) {
    CAPTURE(ranks);
    std::vector<SharedTraining::Taken> found(static_cast<std::size_t>(ranks));
    if (!on_gpus(ranks, [&](Communicator& here, Device device) {
          found[static_cast<std::size_t>(here.rank())] = training.take(here, device);
        }))
      return;
    for (const SharedTraining::Taken& rank : found) SharedTraining::check_same(rank, expected);
  }
}

}  // namespace

TEST_CASE("sums of GPUs are in the order of the ranks, at once and recorded", "[cuda][ranks]") {
  constexpr int ranks = 4;
  for (const Index size : {3, 11, 4096}) {
    CAPTURE(size);
    Random random(7, static_cast<std::uint64_t>(size));
    std::vector<Tensor<float>> values(ranks);
    std::vector<float> expected(static_cast<std::size_t>(size), -0.0f);
    for (Tensor<float>& of_rank : values) {
      of_rank = Tensor<float>({size});
      for (Index i = 0; i < size; ++i) {
        const double value = random.normal() * std::pow(10, random.uniform() * 8);
        of_rank.mutable_data()[i] = static_cast<float>(value);
        expected[static_cast<std::size_t>(i)] += static_cast<float>(value);
      }
    }
    std::vector<Tensor<float>> at_once(ranks), replayed(ranks);
    if (!on_gpus(ranks, [&](Communicator& here, Device device) {
          const auto rank = static_cast<std::size_t>(here.rank());
          const Tensor<float> mine = values[rank].to(device);
          const auto sum = [&] {
            Tensor<float> total = Tensor<float>::full({size}, -0.0f, device);
            here.add_in_order(total, mine);
            return total;
          };
          at_once[rank] = sum().to(Device::cpu());
          Tensor<float> total;
          const cuda::Graph graph = cuda::record(device.index, [&] { total = sum(); });
          graph.replay();
          graph.replay();
          replayed[rank] = total.to(Device::cpu());
        }))
      return;
    for (const auto* found : {&at_once, &replayed})
      for (const Tensor<float>& total : *found) CHECK(std::ranges::equal(total.values(), expected));
  }
}

TEST_CASE("GPUs speak with each other only if each rank has its own", "[cuda][ranks]") {
  if (!cuda_is_there()) return;
  const auto speak = [](const std::vector<Device>& devices) {
    std::vector<int> answers(devices.size());
    on_ranks(static_cast<int>(devices.size()), [&](Communicator& hosts) {
      const auto rank = static_cast<std::size_t>(hosts.rank());
      answers[rank] = nccl_communicator(hosts, devices[rank]) != nullptr;
    });
    return answers;
  };
  CHECK(speak({Device::cuda(0), Device::cuda(0)}) == std::vector<int>{0, 0});
  CHECK(speak({Device::cuda(0), Device::cpu()}) == std::vector<int>{0, 0});
  if (cuda::device_count() > 1) CHECK(speak({Device::cuda(1), Device::cuda(0)}) == std::vector<int>{1, 1});
}

TEST_CASE("values that lie elsewhere are not added", "[cuda][ranks]") {
  std::vector<std::string> told(2);
  if (!on_gpus(2, [&](Communicator& here, Device device) {
        Tensor<float> total = Tensor<float>::zeros({8}, device);
        try {
          here.add_in_order(total, Tensor<float>::zeros({8}));
        } catch (const DeviceError& error) {
          told[static_cast<std::size_t>(here.rank())] = error.what();
        }
      }))
    return;
  CHECK(told[1] == "nccl: values on cuda:1 and cpu, expected cuda:1");
}

TEST_CASE("ranks with a GPU each take the recorded steps of one GPU, to the bit", "[cuda][ranks][thorough]") {
  SharedTraining training{.side = 33};  // emulation is slow
  training.options.seed = 5;
  training.options.steps = 3;  // computed, recorded, replayed
  training.options.average = 0.9;
  for (const std::string& term : training.options.objective.weight_names())
    training.options.objective.set_weight(term, term == "drawn" ? 1 : 0);
  check_ranks(training, {2, 4});
}

TEST_CASE("ranks with a GPU each take the steps of one GPU, for both objectives", "[cuda][ranks][.long]") {
  for (const bool is_other : {false, true}) {  // the published objective, with drawn rain
    CAPTURE(is_other);
    SharedTraining training{.batches = 2, .side = 33};
    training.options.seed = 5;
    training.options.steps = 1;
    training.options.objective.layer_contrast.pooled = is_other;
    if (is_other) training.options.objective.set_weight("drawn", 1);
    check_ranks(training, {2});
  }
}

#endif  // NLCL_NCCL
