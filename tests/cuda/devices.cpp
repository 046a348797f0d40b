#include "nlcl/devices.hpp"

#include <catch2/catch.hpp>

TEST_CASE("cuda_devices answers with and without a device", "[cuda]") {
  for (const std::string& device : nlcl::cuda_devices()) {
    CAPTURE(device);
    CHECK(device.find(" MiB") != std::string::npos);
  }
}
