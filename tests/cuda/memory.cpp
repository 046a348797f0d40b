// Memory of a device: copies, the pool, and what it does when there is none left.
#include <catch2/catch.hpp>
#include <vector>

#include "nlcl/core/storage.hpp"
#include "nlcl/core/tensor.hpp"
#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("values come back from a device as they were", "[cuda]") {
  if (!cuda_is_there()) return;
  Random random(1);
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{2, 3, 5}, Shape{100'001}}) {
    CAPTURE(shape);
    const auto x = random_tensor<float>(shape, random);
    const Tensor<float> there = x.to(cuda_device);
    CHECK(there.device() == cuda_device);
    CHECK(there.shape() == shape);
    CHECK(same_bits(there.to(Device::cpu()), x));
    CHECK(same_bits(there.clone().to(Device::cpu()), x));
    CHECK_FALSE(there.clone().shares_storage(there));
    CHECK(there.clone().device() == cuda_device);
    CHECK(there.to(cuda_device).shares_storage(there));
    CHECK(x.to(Device::cpu()).shares_storage(x));
  }
  CHECK_FALSE(Tensor<float>().to(cuda_device));
}

TEST_CASE("what to() gives is a constant", "[cuda]") {
  if (!cuda_is_there()) return;
  Tensor<float> x({2}, {1, 2});
  x.set_requires_grad(true);
  for (Device device : {Device::cpu(), cuda_device}) CHECK_FALSE(x.to(device).requires_grad());
}

TEST_CASE("tensors of one value on a device", "[cuda]") {
  if (!cuda_is_there()) return;
  struct Four {
    float a, b;
    int c, d;
  };
  const auto count = [](const auto& there, const auto& is_right) {
    Index right = 0;
    const auto here = there.to(Device::cpu());
    for (const auto& value : here.values()) right += is_right(value);
    return right;
  };
  const Shape shape{3, 333};
  CHECK(count(Tensor<float>::zeros(shape, cuda_device), [](float x) { return x == 0; }) == shape.size());
  CHECK(count(Tensor<float>::full(shape, 2.5f, cuda_device), [](float x) { return x == 2.5f; }) ==
        shape.size());
  CHECK(count(Tensor<double>::full(shape, 0.1, cuda_device), [](double x) { return x == 0.1; }) ==
        shape.size());
  CHECK(count(Tensor<Four>::full(shape, {1, 2, 3, 4}, cuda_device),
              [](const Four& x) { return x.a == 1 && x.b == 2 && x.c == 3 && x.d == 4; }) == shape.size());
  CHECK(count(Tensor<char>::zeros(shape, cuda_device), [](char x) { return x == 0; }) == shape.size());
  CHECK(message_of<DeviceError>([] { Tensor<char>::full({2}, 'x', cuda_device); }) ==
        "cuda:0: a value of 1 bytes cannot be repeated");
}

TEST_CASE("item() copies the value", "[cuda]") {
  if (!cuda_is_there()) return;
  CHECK(Tensor<float>::full({1, 1}, 3, cuda_device).item() == 3);
  CHECK(message_of<ShapeError>([] { Tensor<float>::zeros({2}, cuda_device).item(); }) ==
        "item: expects one element, the shape is [2]");
}

TEST_CASE("host access to a device's values", "[cuda]") {
  if (!cuda_is_there()) return;
  const auto x = Tensor<float>::zeros({2}, cuda_device);
  CHECK(message_of<DeviceError>([&] { x.values(); }) ==
        "values: the tensor is on cuda:0, copy it with to(Device::cpu())");
  CHECK(message_of<DeviceError>([&] { x(0); }) ==
        "tensor(...): the tensor is on cuda:0, copy it with to(Device::cpu())");
}

TEST_CASE("a device's memory is used again", "[cuda]") {
  if (!cuda_is_there()) return;
  Pool& pool = cuda::pool(0);
  const void* const first = Tensor<float>({12'345}, cuda_device).data();
  const auto before = pool.stats();
  for (int i = 0; i < 10; ++i) CHECK(Tensor<float>({12'345}, cuda_device).data() == first);
  CHECK(pool.stats().allocations == before.allocations);
  CHECK(pool.stats().in_use == before.in_use);
  pool.trim();
  CHECK(pool.stats().cached == 0);
}

TEST_CASE("a graph has memory of its own", "[cuda]") {
  if (!cuda_is_there()) return;
  const auto x = Tensor<float>::full({1000}, 2, cuda_device);
  Tensor<float> y, z;
  const std::size_t before = cuda::pool(0).stats().in_use;
  {
    const cuda::Graph graph = cuda::record(0, [&] {
      { const Tensor<float> gone = x.clone(); }  // its block is used again, by the graph only
      y = x.clone();
      z = y.clone();
    });
    CHECK(cuda::pool(0).stats().in_use == before);
    const auto other = Tensor<float>::full({1000}, 5, cuda_device);
    graph.replay();
    CHECK(max_abs(z.to(Device::cpu())) == 2);
    CHECK(max_abs(other.to(Device::cpu())) == 5);
  }
  CHECK(max_abs(z.to(Device::cpu())) == 2);  // outlives the graph
}

TEST_CASE("what cannot be recorded", "[cuda]") {
  if (!cuda_is_there()) return;
  const auto x = Tensor<float>::full({}, 2, cuda_device);
  CHECK(message_of<DeviceError>([&] { cuda::record(0, [&] { x.item(); }); }) ==
        "cuda:0: a copy from cuda:0 to cpu cannot be recorded in a graph");
  CHECK(message_of<DeviceError>([&] { cuda::record(0, [] { cuda::record(0, [] {}); }); }) ==
        "cuda:0: a graph is being recorded already");
  CHECK(x.item() == 2);  // the device works again
  CHECK(message_of<DeviceError>([] { cuda::Graph().replay(); }) == "graph: nothing has been recorded");
}

TEST_CASE("devices that are absent", "[cuda]") {
  if (!cuda_is_there()) return;
  CHECK(message_of<DeviceError>([] { Tensor<float>({2}, Device::cuda(999)); }) ==
        text("device: cuda:999 is not available, CUDA devices found: ", cuda::device_count()));
}
