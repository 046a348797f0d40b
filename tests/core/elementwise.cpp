#include "nlcl/core/elementwise.hpp"

#include <catch2/catch.hpp>

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

TEST_CASE("map of two tensors expects one shape", "[core]") {
  const auto first = [](float a, float) { return a; };
  CHECK(message_of<ShapeError>([&] {
          map(Tensor<>::zeros({2, 3}), Tensor<>::zeros({6}), first);
        }) == "map: shapes [2,3] and [6]");
}
