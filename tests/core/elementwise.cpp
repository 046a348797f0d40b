#include "nlcl/core/elementwise.hpp"

#include <catch2/catch.hpp>

#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("map applies a function to every element", "[core]") {
  const WithThreads with(3);
  Random random(1);
  for (const Shape& shape : {Shape{}, {0}, {2, 3}, {elements_per_task}, {3, elements_per_task + 1}}) {
    CAPTURE(shape);
    const auto a = random_tensor<float>(shape, random), b = random_tensor<float>(shape, random);
    const auto twice = map(a, [](float value) { return 2 * value; });
    const auto rest = map(a, b, [](float left, float right) { return left - right; });
    REQUIRE(twice.shape() == shape);
    REQUIRE(rest.shape() == shape);
    bool right = true;
    for (Index i = 0; i < a.size(); ++i)
      right &= twice.data()[i] == 2 * a.data()[i] && rest.data()[i] == a.data()[i] - b.data()[i];
    CHECK(right);
  }
}

TEST_CASE("update changes a tensor in place", "[core]") {
  const WithThreads with(3);
  Random random(1);
  const Shape shape{3, elements_per_task + 1};
  const auto before = random_tensor<float>(shape, random), x = random_tensor<float>(shape, random);
  Tensor<float> y = before.clone();
  const auto version = y.version();
  update(y, x, [](float old, float value) { return old - 2 * value; });
  CHECK(y.version() > version);
  CHECK(same_bits(y, map(before, x, [](float old, float value) { return old - 2 * value; })));
  CHECK(message_of<ShapeError>([&] { update(y, Tensor<>::zeros({2}), Plus{}); }) ==
        text("update: shapes ", shape, " and [2]"));
}

TEST_CASE("add_to adds in place where nobody else sees the storage, and in a copy elsewhere", "[core]") {
  const Tensor<double> one({2}, {1, 2}), two({2}, {10, 20});
  Tensor<double> sum;
  add_to(sum, one);
  CHECK(sum.shares_storage(one));  // the first is taken as it is
  add_to(sum, two);
  CHECK(same_bits(sum, Tensor<double>({2}, {11, 22})));
  CHECK(same_bits(one, Tensor<double>({2}, {1, 2})));
  const double* const place = sum.data();
  add_to(sum, two);
  CHECK(sum.data() == place);
  add_to(sum, sum);
  CHECK(same_bits(sum, Tensor<double>({2}, {42, 84})));
  CHECK(message_of<ShapeError>([&] { add_to(sum, Tensor<double>::zeros({3})); }) ==
        "update: shapes [2] and [3]");
  if (cuda_is_there()) {
    Tensor<float> here({1}, {1});
    CHECK(message_of<DeviceError>([&] { add_to(here, Tensor<float>::zeros({1}, cuda_device)); }) ==
          "update: devices cpu and cuda:0");
  }
}

TEST_CASE("on a CUDA device map takes functions of both devices only", "[core]") {
  if (!cuda_is_there()) return;
  Tensor<float> x = Tensor<float>::zeros({2}, cuda_device);
  const auto mine = [](float a, float = 0) { return a; };
  CHECK(message_of<DeviceError>([&] { map(x, mine); }) == "map: a function of the CPU, x is on cuda:0");
  CHECK(message_of<DeviceError>([&] { map(x, x, mine); }) == "map: a function of the CPU, a is on cuda:0");
  CHECK(message_of<DeviceError>([&] { update(x, x, mine); }) ==
        "update: a function of the CPU, y is on cuda:0");
  CHECK(message_of<DeviceError>([&] { update(x, Tensor<float>::zeros({2}), Plus{}); }) ==
        "update: devices cuda:0 and cpu");
}

TEST_CASE("map of two tensors expects one shape", "[core]") {
  const auto first = [](float a, float) { return a; };
  CHECK(message_of<ShapeError>([&] {
          map(Tensor<>::zeros({2, 3}), Tensor<>::zeros({6}), first);
        }) == "map: shapes [2,3] and [6]");
}
