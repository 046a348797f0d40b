#include "nlcl/core/shape.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <vector>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr Index largest = std::numeric_limits<Index>::max();

}  // namespace

TEST_CASE("the size of a shape is the product of its dimensions", "[core]") {
  CHECK(Shape{2, 3, 4}.size() == 24);
  CHECK(Shape{2, 3, 4}.rank() == 3);
  CHECK(Shape{7}.size() == 7);
  CHECK(Shape{1, 2, 3, 4, 5, 6}.size() == 720);
}

TEST_CASE("a shape with another first dimension", "[core]") {
  CHECK(Shape{2, 3, 4}.with_first(7) == Shape{7, 3, 4});
  CHECK(Shape{5}.with_first(0) == Shape{0});
  CHECK(message_of<ShapeError>([] { Shape().with_first(1); }) == "shape: a scalar has no first dimension");
}

TEST_CASE("a shape without dimensions is that of a scalar", "[core]") {
  CHECK(Shape().rank() == 0);
  CHECK(Shape().size() == 1);
  CHECK(text(Shape()) == "[]");
}

TEST_CASE("a dimension of zero makes a shape without elements", "[core]") {
  CHECK(Shape{0}.size() == 0);
  CHECK(Shape{2, 0, 3}.size() == 0);
  CHECK(Shape{0, largest, largest}.size() == 0);
}

TEST_CASE("shapes are equal when rank and all dimensions are", "[core]") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2, 3} != Shape{2, 3, 1});
  CHECK(Shape{0} != Shape{});
  CHECK(Shape{2, 0} != Shape{2});
}

TEST_CASE("the dimensions of a shape", "[core]") {
  const Shape shape{1, 64, 48, 32};
  CHECK(shape[0] == 1);
  CHECK(shape[3] == 32);
  CHECK(std::vector<Index>(shape.begin(), shape.end()) == std::vector<Index>{1, 64, 48, 32});
  CHECK(text(shape) == "[1,64,48,32]");
  CHECK(message_of<ShapeError>([&] { (void)shape[4]; }) == "shape: axis 4 of [1,64,48,32]");
  CHECK(message_of<ShapeError>([&] { (void)shape[-1]; }) == "shape: axis -1 of [1,64,48,32]");
}

TEST_CASE("shapes that cannot be", "[core]") {
  CHECK(message_of<ShapeError>([] { Shape{1, 1, 1, 1, 1, 1, 1}; }) ==
        "shape: rank 7, at most 6 is supported");
  CHECK(message_of<ShapeError>([] { Shape{2, -3}; }) == "shape: dimension 1 is -3, expected 0 or more");
}

TEST_CASE("a size beyond the index type", "[core]") {
  CHECK(Shape{largest}.size() == largest);
  CHECK(Shape{largest / 2, 2}.size() == largest - 1);
  CHECK(message_of<ShapeError>([] {
          Shape{largest / 2 + 1, 2};
        }) == "shape: the number of elements overflows at dimension 1 of size 2");
  CHECK(message_of<ShapeError>([] {
          Shape{Index{1} << 32, 3, Index{1} << 32};
        }) == "shape: the number of elements overflows at dimension 2 of size 4294967296");
}
