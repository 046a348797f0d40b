// Weights that are packed once between two of their changes: with the bits of those that are packed each time.
#if __has_include("counters.hpp")
#include "nlcl/ops/conv2d/packed_weights.hpp"

#include <catch2/catch.hpp>
#include <cstdint>

#include "counters.hpp"
#include "nlcl/core/storage.hpp"
#include "nlcl/ops/conv2d.hpp"
#include "support/cuda.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Two convolutions, one after the other, and the gradient of the first one's input.
struct TwoConvolutions {
  Tensor<float> x, first, second;

  explicit TwoConvolutions(Random& random)
      : x(random_tensor<float>({1, 5, 6, 8}, random).to(cuda_device)),
        first(random_tensor<float>({3, 3, 8, 16}, random).to(cuda_device)),
        second(random_tensor<float>({3, 3, 16, 16}, random).to(cuda_device)) {}

  Tensor<float> run() const {
    constexpr Conv2dOptions same{.padding = 1};
    const Tensor<float> y = conv2d(conv2d(x, first, {}, same), second, {}, same);
    return cuda::conv2d_data_gradient(Conv2dSizes(x.shape(), first.shape(), same), first, y);
  }
  static constexpr int packed = 3;  // `first` in both directions

  void change(Tensor<float>& weight) const { update(weight, weight.clone(), Plus{}); }
};

std::int64_t packs() {
  const auto found = emulation::counts().kernels.find("pack_weights");
  return found == emulation::counts().kernels.end() ? 0 : found->second.count;
}

}  // namespace

TEST_CASE("weights are packed once between two of their changes", "[cuda]") {
  Random random(5);
  TwoConvolutions convolutions(random);
  cuda::PackedWeights weights;
  // What run() launches to pack; its result is that of packing each time.
  const auto launches = [&] {
    const std::int64_t before = packs();
    const Tensor<float> found = convolutions.run();
    const std::int64_t count = packs() - before;
    CHECK(cuda::PackedWeights::current() == &weights);
    Tensor<float> expected;
    {
      cuda::PackedWeights others;
      const cuda::PackedWeights::Use use(others);
      expected = convolutions.run();
    }
    CHECK(same_bits(found.to(Device::cpu()), expected.to(Device::cpu())));
    return count;
  };
  {
    const cuda::PackedWeights::Use use(weights);
    CHECK(launches() == TwoConvolutions::packed);
    CHECK(launches() == 0);
    convolutions.change(convolutions.second);
    CHECK(launches() == 1);
    convolutions.change(convolutions.first);
    convolutions.change(convolutions.second);
    CHECK(launches() == 1);  // all that have changed, together
  }
  CHECK(cuda::PackedWeights::current() == nullptr);
  const cuda::PackedWeights::Use use(weights);  // trusts nothing from before
  CHECK(launches() == 1);
  CHECK(launches() == 0);
}

TEST_CASE("without a place to keep them weights are packed each time", "[cuda]") {
  Random random(6);
  const TwoConvolutions convolutions(random);
  for (int times = 0; times < 2; ++times) {
    const std::int64_t before = packs();
    convolutions.run();
    CHECK(packs() - before == TwoConvolutions::packed);
  }
}

TEST_CASE("weights that nobody holds any more are not kept packed", "[cuda]") {
  Random random(7);
  cuda::PackedWeights weights;
  Pool& pool = cuda::pool(cuda_device.index);
  const std::size_t before = pool.stats().in_use;
  {
    const TwoConvolutions gone(random);
    const cuda::PackedWeights::Use use(weights);
    gone.run();
  }
  CHECK(pool.stats().in_use > before);
  const TwoConvolutions others(random);
  const std::size_t of_others = pool.stats().in_use;
  const cuda::PackedWeights::Use use(weights);
  others.run();
  const std::size_t kept = pool.stats().in_use;
  CHECK(kept <= of_others);  // as much as what is gone took, and no more
}

TEST_CASE("a recorded pass packs its weights again when it is replayed", "[cuda]") {
  Random random(8);
  TwoConvolutions convolutions(random);
  cuda::PackedWeights weights;
  Tensor<float> y;
  const auto run = [&] {
    const cuda::PackedWeights::Use use(weights);
    y = convolutions.run();
  };
  run();
  const cuda::Graph graph = cuda::record(cuda_device.index, run);
  for (int times = 0; times < 2; ++times) {
    convolutions.change(convolutions.first);
    convolutions.change(convolutions.second);
    graph.replay();
    CHECK(same_bits(y.to(Device::cpu()), convolutions.run().to(Device::cpu())));
  }
}
#endif
