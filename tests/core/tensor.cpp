#include "nlcl/core/tensor.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("a tensor that is not there", "[core]") {
  Tensor<> x;
  CHECK_FALSE(x);
  CHECK(x.size() == 0);
  CHECK(x.data() == nullptr);
  CHECK(x.mutable_data() == nullptr);
  CHECK(x.values().empty());
  CHECK(x.version() == 0);
  CHECK(x.identity() == nullptr);
  CHECK(x.device() == Device::cpu());
  CHECK_FALSE(x.clone());
  CHECK_FALSE(x.detached());
  CHECK_FALSE(x.shares_storage(x));
}

TEST_CASE("values are row-major", "[core]") {
  const Tensor<> x({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(x.size() == 6);
  CHECK(x(0, 0) == 1);
  CHECK(x(0, 2) == 3);
  CHECK(x(1, 0) == 4);
  CHECK(std::vector(x.values().begin(), x.values().end()) == std::vector<float>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("tensors of one value", "[core]") {
  CHECK(Tensor<>::full({2, 2}, 3)(1, 1) == 3);
  CHECK(max_abs(Tensor<>::zeros({5, 7})) == 0);
  const auto scalar = Tensor<>::scalar(2.5f);
  CHECK(scalar.shape() == Shape{});
  CHECK(scalar.item() == 2.5f);
  CHECK(scalar() == 2.5f);
}

TEST_CASE("a tensor without elements is there", "[core]") {
  const Tensor<> x({2, 0, 3});
  CHECK(x);
  CHECK(x.size() == 0);
  CHECK(x.values().empty());
  CHECK(x.clone().shape() == Shape{2, 0, 3});
}

TEST_CASE("a copy is a handle to the same values, a clone has its own", "[core]") {
  Tensor<> x({2}, {1, 2});
  Tensor<> handle = x;
  const Tensor<> clone = x.clone();
  handle.mutable_data()[0] = 7;
  CHECK(x(0) == 7);
  CHECK(clone(0) == 1);
  CHECK(x.shares_storage(handle));
  CHECK(x.identity() == handle.identity());
  CHECK_FALSE(x.shares_storage(clone));
  CHECK_FALSE(x.is_sole_owner());
  CHECK(clone.is_sole_owner());
}

TEST_CASE("every request to write counts a version, for all handles", "[core]") {
  Tensor<> x = Tensor<>::zeros({3});
  const Tensor<> handle = x.detached();
  const auto before = x.version();
  (void)x.data();
  (void)x.values();
  CHECK(x.version() == before);
  (void)x.mutable_data();
  CHECK(x.version() == before + 1);
  CHECK(handle.version() == before + 1);
  CHECK(x.clone().version() != handle.version());
}

TEST_CASE("the same values under another shape", "[core]") {
  const Tensor<> x({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor<> y = x.reshaped({3, 2});
  CHECK(y.shape() == Shape{3, 2});
  CHECK(y(2, 0) == 5);
  CHECK(y.shares_storage(x));
  CHECK(x.shape() == Shape{2, 3});
  CHECK(message_of<ShapeError>([&] { x.reshaped({4}); }) == "reshaped: [2,3] to [4]");
  CHECK(message_of<ShapeError>([] { Tensor<>().reshaped({0}); }) == "reshaped: [0] to [0]");
}

TEST_CASE("a part of a tensor shares its values", "[core]") {
  Tensor<> x({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor<> y = x.part(1, 2);
  CHECK(y.shape() == Shape{2, 2});
  CHECK(y(0, 0) == 3);
  CHECK(y.shares_storage(x));
  CHECK(y.part(1, 1)(0, 1) == 6);
  CHECK(y.reshaped({4})(3) == 6);
  CHECK(y.clone()(1, 1) == 6);
  CHECK(y.to(Device::cpu())(1, 0) == 5);
  x.part(0, 2).assign(y);
  CHECK(std::vector(x.values().begin(), x.values().end()) == std::vector<float>{3, 4, 5, 6, 5, 6});
  CHECK(y.version() == x.version());
  CHECK(x.part(3, 0).size() == 0);
  CHECK(message_of<ShapeError>([&] { x.part(2, 2); }) == "part: 2 rows from 2 on of a tensor of shape [3,2]");
  CHECK(message_of<ShapeError>([] { Tensor<>::scalar(1).part(0, 0); }) ==
        "part: 0 rows from 0 on of a tensor of shape []");
}

TEST_CASE("two tensors as one", "[core]") {
  const Tensor<> a({1, 2}, {1, 2}), b({2, 2}, {3, 4, 5, 6});
  const Tensor<> both = concatenate(a, b);
  CHECK(both.shape() == Shape{3, 2});
  CHECK(std::vector(both.values().begin(), both.values().end()) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK_FALSE(both.shares_storage(a));
  CHECK(message_of<ShapeError>([&] {
          concatenate(a, Tensor<>({1, 3}));
        }) == "concatenate: shapes [1,2] and [1,3]");
  CHECK(message_of<ShapeError>([&] { concatenate(a, Tensor<>()); }) == "concatenate: shapes [1,2] and [0]");
}

TEST_CASE("a detached tensor is a constant", "[core]") {
  Tensor<> x({2}, {1, 2});
  x.set_requires_grad(true);
  x.set_slot({3, 4});
  CHECK(x.requires_grad());
  for (const Tensor<>& constant : {x.detached(), x.reshaped({1, 2}), x.clone()}) {
    CHECK_FALSE(constant.requires_grad());
    CHECK(constant.slot().tape == 0);
  }
  CHECK(x.slot().tape == 3);
}

TEST_CASE("wrong positions", "[core]") {
  const Tensor<> x({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(message_of<ShapeError>([&] { x(1); }) == "tensor: 1 indices for shape [2,3]");
  CHECK(message_of<ShapeError>([&] { x(0, 3); }) == "tensor: index 3 on axis 1 of [2,3]");
  CHECK(message_of<ShapeError>([&] { x(-1, 0); }) == "tensor: index -1 on axis 0 of [2,3]");
  CHECK(message_of<ShapeError>([&] { Tensor<>()(0); }) == "tensor: index 0 on axis 0 of [0]");
}

TEST_CASE("wrong numbers of values", "[core]") {
  CHECK(message_of<ShapeError>([] {
          Tensor<>({2, 3}, {1, 2, 3, 4, 5});
        }) == "tensor: 5 values for shape [2,3]");
  CHECK(message_of<ShapeError>([] {
          Tensor<>::zeros({2, 1}).item();
        }) == "item: expects one element, the shape is [2,1]");
  CHECK(message_of<ShapeError>([] { Tensor<>().item(); }) == "item: expects one element, the shape is [0]");
}

TEST_CASE("a tensor with more bytes than can be addressed", "[core]") {
  const Shape shape{Index{1} << 62};
  CHECK(message_of<MemoryError>([&] { Tensor<double> x(shape); }) ==
        "memory: a tensor of shape [4611686018427387904] has more bytes than can be addressed");
}

TEST_CASE("a device that is absent", "[core]") {
  const auto message = message_of<DeviceError>([] { Tensor<> x({2}, Device::cuda(999)); });
  CHECK_THAT(message, Catch::StartsWith("device: cuda:999 is not available"));
}
