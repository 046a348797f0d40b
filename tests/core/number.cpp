#include "nlcl/core/number.hpp"

#include <catch2/catch.hpp>
#include <cstdint>

#include "nlcl/core/shape.hpp"

using namespace nlcl;

TEST_CASE("numbers are all of their text", "[core]") {
  CHECK(number_in<int>("12") == 12);
  CHECK(number_in<Index>("-7") == -7);
  CHECK(number_in<double>("2.5e-1") == 0.25);
  CHECK(number_in<std::uint32_t>("1F600", 16) == 0x1f600);
  for (const char* none : {"", " 1", "1 ", "+1", "1.5", "0x10", "1,2", "one"}) {
    INFO(none);
    CHECK_FALSE(number_in<int>(none));
  }
}

TEST_CASE("numbers that a type cannot hold are none", "[core]") {
  CHECK(number_in<std::uint8_t>("255") == 255);
  CHECK_FALSE(number_in<std::uint8_t>("256"));
  CHECK_FALSE(number_in<std::uint32_t>("-1"));
  CHECK_FALSE(number_in<double>("1e999"));
}
