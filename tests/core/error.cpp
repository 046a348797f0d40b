#include "nlcl/core/error.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <type_traits>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("every error is an nlcl::Error and a std::runtime_error", "[core]") {
  STATIC_REQUIRE(std::is_base_of_v<std::runtime_error, Error>);
  STATIC_REQUIRE(std::is_base_of_v<Error, ShapeError>);
  STATIC_REQUIRE(std::is_base_of_v<Error, DeviceError>);
  STATIC_REQUIRE(std::is_base_of_v<Error, FormatError>);
  STATIC_REQUIRE(std::is_base_of_v<Error, IoError>);
  STATIC_REQUIRE(std::is_base_of_v<Error, MemoryError>);
  STATIC_REQUIRE(std::is_base_of_v<Error, TapeError>);
}

TEST_CASE("text joins its parts as << prints them", "[core]") {
  CHECK(text("a", 1, ' ', 2.5, std::string("b")) == "a1 2.5b");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(text(nan, ' ', -nan, ' ', -static_cast<float>(nan), ' ', -0.5) == "nan nan nan -0.5");
}

TEST_CASE("require throws the class that was named, with the parts as its message", "[core]") {
  CHECK(message_of<IoError>([] { require<IoError>(false, "found ", 3, ", expected ", 4); }) ==
        "found 3, expected 4");
  CHECK_NOTHROW(require<IoError>(true, "found ", 3));
}

namespace {

struct CountsPrints {
  int& prints;
  friend std::ostream& operator<<(std::ostream& out, const CountsPrints& part) {
    ++part.prints;
    return out;
  }
};

}  // namespace

TEST_CASE("require builds its message only when it is needed", "[core]") {
  int prints = 0;
  require<Error>(true, CountsPrints{prints});
  CHECK(prints == 0);
  CHECK_THROWS_AS(require<Error>(false, CountsPrints{prints}), Error);
  CHECK(prints == 1);
}
