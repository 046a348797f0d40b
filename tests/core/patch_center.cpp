#include "nlcl/core/patch_center.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "support/cuda.hpp"
#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("patch centres are a tensor of places", "[core]") {
  const std::vector<PatchCenter> places{{0, 8, 9}, {1, 10, 11}};
  const Tensor<PatchCenter> centers = patch_centers(places);
  CHECK(centers.shape() == Shape{2});
  CHECK(centers(1) == PatchCenter{1, 10, 11});
  CHECK(patch_centers({}).shape() == Shape{0});
}

TEST_CASE("patch centres come to where the image is, but never from a device", "[core]") {
  const Tensor<PatchCenter> centers = patch_centers({{0, 8, 9}});
  CHECK(detail::centers_on(Device::cpu(), "an op", centers).data() == centers.data());
  if (!cuda_is_there()) return;
  const Tensor<PatchCenter> there = detail::centers_on(cuda_device, "an op", centers);
  CHECK(there.device() == cuda_device);
  CHECK(there.to(Device::cpu())(0) == centers(0));
  CHECK(message_of<DeviceError>([&] { detail::centers_on(Device::cpu(), "an op", there); }) ==
        "an op: x is on cpu, the centres on cuda:0");
}

TEST_CASE("centres of two batches in the batch of both", "[core]") {
  const Tensor<PatchCenter> a = patch_centers({{0, 8, 9}, {1, 10, 11}}), b = patch_centers({{1, 12, 13}});
  const auto check = [](const Tensor<PatchCenter>& both) {
    REQUIRE(both.shape() == Shape{3});
    CHECK(both(0) == PatchCenter{0, 8, 9});
    CHECK(both(1) == PatchCenter{1, 10, 11});
    CHECK(both(2) == PatchCenter{3, 12, 13});
  };
  check(joined(a, b, 2));
  if (!cuda_is_there()) return;
  check(joined(a.to(cuda_device), b.to(cuda_device), 2).to(Device::cpu()));
  CHECK(message_of<DeviceError>([&] { joined(a, b.to(cuda_device), 2); }) ==
        "joined: centres on cpu and cuda:0");
}
