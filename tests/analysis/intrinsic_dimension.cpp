#include "nlcl/analysis/intrinsic_dimension.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// `count` points of a cube of d dimensions, bent and turned into `dims`.
Tensor<float> bent_cube(Index count, Index d, Index dims, std::uint64_t seed) {
  Random random(seed);
  Tensor<float> points({count, dims});
  for (Index i = 0; i < count; ++i) {
    std::vector<double> at(static_cast<std::size_t>(d));
    for (double& x : at) x = random.uniform();
    for (Index k = 0; k < dims; ++k) {
      const double x = at[static_cast<std::size_t>(k % d)];
      points.mutable_data()[i * dims + k] =
          static_cast<float>(k < d ? x : std::sin(x + static_cast<double>(k)));
    }
  }
  return points;
}

}  // namespace

TEST_CASE("intrinsic dimension: the values of scikit-dimension", "[analysis]") {
  const GoldenFile golden("intrinsic_dimension");
  for (const std::string name : {"line", "cube", "many"}) {
    INFO(name);
    const Tensor<float> points = converted<float>(golden.tensor(name + ".points"));
    const Tensor<double> expected = golden.tensor(name + ".y");
    const auto neighbors = static_cast<Index>(golden.tensor(name + ".neighbors").item());
    CHECK(levina_bickel(points, neighbors) == Approx(expected(0)).epsilon(1e-5));
    CHECK(two_nn(points) == Approx(expected(1)).epsilon(1e-5));
  }
}

TEST_CASE("intrinsic dimension: of a bent cube, however many numbers a point has", "[analysis]") {
  for (const Index d : {1, 2, 5})
    for (const Index dims : {5, 40}) {
      CAPTURE(d, dims);
      const Tensor<float> points = bent_cube(1500, d, dims, 3);
      CHECK(levina_bickel(points, 10) == Approx(static_cast<double>(d)).epsilon(0.1));
      CHECK(two_nn(points) == Approx(static_cast<double>(d)).epsilon(0.1));
    }
}

TEST_CASE("intrinsic dimension: by hand", "[analysis]") {
  // 0, 1 and 3 on a line: the neighbours are 1 and 3, 1 and 2, 2 and 3 away.
  const Tensor<float> points({3, 1}, {0, 1, 3});
  const double sum = std::log(3.0) + std::log(2.0) + std::log(1.5);
  CHECK(levina_bickel(points, 2) == Approx(3 / sum));
  CHECK(two_nn(points) == Approx(2 / sum));
}

TEST_CASE("intrinsic dimension: copies count once", "[analysis]") {
  const Tensor<float> points = bent_cube(60, 2, 6, 1);
  Tensor<float> twice({120, 6});
  for (Index i = 0; i < points.size(); ++i) {
    const Index row = i / 6, column = i % 6;
    // And once more, but for what rounding makes of it.
    twice.mutable_data()[2 * row * 6 + column] = points.data()[i];
    twice.mutable_data()[(2 * row + 1) * 6 + column] = points.data()[i] * (row % 2 == 0 ? 1.0f : 1.000001f);
  }
  CHECK(distinct_rows(twice, 120).size() == 60);
  CHECK(distinct_rows(twice, 7) == std::vector<Index>{0, 2, 4, 6, 8, 10, 12});
  CHECK(same_bits(neighbor_distances(twice, 5), neighbor_distances(points, 5)));
  CHECK(distinct_rows(Tensor<float>::zeros({9, 3}), 9) == std::vector<Index>{0});
}

TEST_CASE("intrinsic dimension: the bits do not depend on the number of threads", "[analysis]") {
  const Tensor<float> points = bent_cube(90, 3, 11, 2);
  const auto measure = [&](int count) {
    const WithThreads with(count);
    return neighbor_distances(points, 8);
  };
  CHECK(same_bits(measure(1), measure(3)));
}

TEST_CASE("intrinsic dimension: too few points or neighbours", "[analysis]") {
  const Tensor<float> points = bent_cube(5, 1, 2, 1);
  CHECK(message_of<ShapeError>([&] { levina_bickel(points, 5); }) ==
        "intrinsic_dimension: 5 distinct points, expected more than the 5 neighbours");
  CHECK(message_of<ShapeError>([&] { levina_bickel(points, 1); }) ==
        "intrinsic_dimension: expects points [n,dims] and at least 2 neighbours, are [5,2] and 1");
  CHECK(message_of<ShapeError>([&] {
          two_nn(Tensor<float>::zeros({7, 2}));
        }) == "intrinsic_dimension: 1 distinct points, expected more than the 2 neighbours");
  CHECK(message_of<ShapeError>([&] { inverse_dimension(neighbor_distances(points, 3), 4); }) ==
        "intrinsic_dimension: 4 neighbours, expected 2 to 3");
}
