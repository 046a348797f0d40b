#include "nlcl/core/device.hpp"

#include <catch2/catch.hpp>

#include "nlcl/core/cuda.hpp"
#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("devices are compared by kind and number", "[core]") {
  CHECK(Device() == Device::cpu());
  CHECK(Device::cuda() == Device::cuda(0));
  CHECK(Device::cuda(0) != Device::cuda(1));
  CHECK(Device::cuda(0) != Device::cpu());
}

TEST_CASE("devices are parsed from what they print", "[core]") {
  for (const Device& device : {Device::cpu(), Device::cuda(0), Device::cuda(7), Device::cuda(120)})
    CHECK(Device::parse(text(device)) == device);
  CHECK(text(Device::cpu()) == "cpu");
  CHECK(text(Device::cuda(1)) == "cuda:1");
}

TEST_CASE("other names of devices are refused", "[core]") {
  for (const char* name :
       {"", "gpu", "CPU", "cpu ", "cpu:0", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:1 ", "cuda:1000"})
    CHECK(message_of<DeviceError>([&] { Device::parse(name); }) ==
          text("device: '", name, "', expected cpu or cuda:N"));
}

TEST_CASE("which device is CUDA's", "[core]") {
  CHECK(Device::cuda(1).is_cuda());
  CHECK_FALSE(Device::cpu().is_cuda());
  CHECK(on_cuda<float> == has_cuda);
  CHECK_FALSE(on_cuda<double>);
}

TEST_CASE("the cpu is available", "[core]") { CHECK_NOTHROW(require_available(Device::cpu())); }

TEST_CASE("the precision of convolutions is what was set", "[core]") {
  CHECK(precision() == Precision::float32);
  set_precision(Precision::bf16);
  CHECK(precision() == Precision::bf16);
  set_precision(Precision::float32);
}
