// Recording a graph on an emulated device: what goes wrong in the middle of it, and what is left then.
#if __has_include("execution.hpp")
#include <catch2/catch.hpp>
#include <string>

#include "device.hpp"
#include "nlcl/core/copy_stream.hpp"
#include "nlcl/core/stopwatch.hpp"
#include "nlcl/core/storage.hpp"
#include "nlcl/core/tensor.hpp"
#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

const Device device = Device::cuda(1);
constexpr Index small = 250'000, large = 500'000;  // elements of 4 bytes

Tensor<float> uninitialised(Index size) { return Tensor<float>({size}, device); }

// So much memory is left on the device, and no more, for the length of a scope.
class WithMemory {
 public:
  explicit WithMemory(std::size_t left) : before_(emulated().memory_limit()) {
    cuda::pool(device.index).trim();
    emulated().set_memory_limit(emulated().in_use() + left);
  }
  ~WithMemory() { emulated().set_memory_limit(before_); }
  WithMemory(const WithMemory&) = delete;
  WithMemory& operator=(const WithMemory&) = delete;

  static emulation::Device& emulated() { return emulation::Device::at(device.index); }

 private:
  std::size_t before_;
};

}  // namespace

TEST_CASE("memory that a recorded kernel writes to is not given up for another size", "[cuda]") {
  const auto x = Tensor<float>::full({small}, 2, device);
  const WithMemory with(2'500'000);  // for either size, not for both
  const std::size_t before = WithMemory::emulated().in_use();
  const float* place = nullptr;
  std::size_t after_failure = 0;
  const auto message = message_of<MemoryError>([&] {
    cuda::record(device.index, [&] {
      {
        const Tensor<float> gone = x.clone();
        place = gone.data();
      }
      cuda::pool(device.index).trim();  // has nothing to give
      try {
        uninitialised(large);
      } catch (const MemoryError&) {
        after_failure = WithMemory::emulated().in_use();
        CHECK(uninitialised(small).data() == place);  // still the graph's
        throw;
      }
    });
  });
  CHECK(message ==
        "memory: 2000000 bytes cannot be had on cuda:1, 0 are in use and 1000000 are kept for what is "
        "recorded");
  CHECK(after_failure >= before + 1'000'000);

  // Nothing of it is left: neither the recording nor its memory.
  CHECK_FALSE(cuda::is_recording(device.index));
  CHECK(WithMemory::emulated().in_use() == before);
  CHECK(uninitialised(large).data() != nullptr);
  CHECK(x.clone().to(Device::cpu())(small - 1) == 2);

  // And it can be done again, with what there is.
  cuda::pool(device.index).trim();
  Tensor<float> y;
  const cuda::Graph graph = cuda::record(device.index, [&] { y = x.clone(); });
  graph.replay();
  CHECK(y.to(Device::cpu())(small - 1) == 2);
}

TEST_CASE("what cannot be recorded spoils a recording, and nothing else", "[cuda]") {
  const auto x = Tensor<float>::full({}, 2, device);
  Tensor<float> y;
  const auto recorded_with = [&](const auto& work) {
    return message_of<DeviceError>([&] {
      cuda::record(device.index, [&] {
        y = x.clone();
        work();
      });
    });
  };
  const cuda::Graph other = cuda::record(device.index, [] {});
  CHECK(recorded_with([&] { other.replay(); }) == "cuda:1: a graph cannot be recorded in another");
  CHECK(recorded_with([&] { y.to(Device::cuda(0)); }) ==
        "cuda:1: a copy from cuda:1 to cuda:0 cannot be recorded in a graph");
  CHECK(recorded_with([&] { cuda::CopyStream(device.index).wait(); }) ==
        "cuda:1: an order of two streams cannot be recorded in a graph");
  CHECK(recorded_with([&] { cuda::CopyStream(device.index).join(); }) ==
        "cuda:1: an order of two streams cannot be recorded in a graph");
  CHECK(recorded_with([&] { cuda::Stopwatch(device.index).start(); }) ==
        "cuda:1: a stopwatch cannot be recorded in a graph");
  const std::string spoilt = recorded_with([] {  // even if whoever asked does not mind
    CHECK_THROWS_AS(cuda::synchronize(device.index), DeviceError);
  });
  CHECK(spoilt == "cuda:1: recording: operation failed due to a previous error during capture");

  CHECK_FALSE(cuda::is_recording(device.index));
  CHECK(x.clone().item() == 2);
  CHECK(message_of<DeviceError>([] { cuda::end_recording(device.index); }) ==
        "cuda:1: no graph is being recorded");
  cuda::cancel_recording(device.index);  // nothing to forget
  cuda::record(device.index, [&] { y = x.clone(); }).replay();
  CHECK(y.item() == 2);
}

TEST_CASE("a graph may end while another is recorded", "[cuda]") {
  const auto x = Tensor<float>::full({1000}, 3, device);
  const auto recorded = [&](Tensor<float>& y) { return cuda::record(device.index, [&] { y = x.clone(); }); };
  Tensor<float> a, b;
  cuda::Graph first = recorded(a);
  first.replay();
  const cuda::Graph second = cuda::record(device.index, [&] {
    first = {};
    b = a.clone();  // outlives its graph
  });
  second.replay();
  CHECK(max_abs(b.to(Device::cpu())) == 3);
}

TEST_CASE("memory of a graph goes back with it", "[cuda]") {
  const auto x = Tensor<float>::full({small}, 2, device);
  cuda::pool(device.index).trim();
  const std::size_t before = WithMemory::emulated().in_use();
  {
    Tensor<float> y;  // outlives its graph, and then nobody keeps it
    cuda::record(device.index, [&] { y = x.clone(); }).replay();
    CHECK(WithMemory::emulated().in_use() > before);
    CHECK(max_abs(y.to(Device::cpu())) == 2);
  }
  CHECK(WithMemory::emulated().in_use() == before);
  for (int i = 0; i < 3; ++i) {
    cuda::record(device.index, [&] { x.clone(); }).replay();
    CHECK(WithMemory::emulated().in_use() == before);
    CHECK_THROWS_AS(cuda::record(device.index,
                                 [&] {
                                   x.clone();
                                   throw Error("no more of this");
                                 }),
                    Error);
    CHECK(WithMemory::emulated().in_use() == before);
  }
}
#endif
