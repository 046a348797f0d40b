#include "nlcl/analysis/separability.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "nlcl/core/random.hpp"
#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("separability: by hand", "[analysis]") {
  // Two images, a point of each layer in both.
  const std::vector<LayerPoint> points{
      {false, 0, {2, 0}}, {true, 0, {0, 3}}, {false, 1, {1, 0}}, {true, 1, {3, 4}}};
  const Separability s = separability(points);
  CHECK(s.within_background == Approx(1));
  CHECK(s.within_rain == Approx(0.8));
  CHECK(s.between == Approx((0.6 + 0) / 2));
  CHECK(s.nearest_mean == 1);
  CHECK(s.nearest_point == 1);
}

TEST_CASE("separability: a ring round a heap is found by the nearest point only", "[analysis]") {
  Random random(1);
  std::vector<LayerPoint> points;
  for (Index i = 0; i < 80; ++i) {
    const double angle = random.uniform(0, 6.28);
    points.push_back(
        {true, i % 4, {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)), 1}});
    points.push_back(
        {false,
         i % 4,
         {static_cast<float>(0.1 * random.normal()), static_cast<float>(0.1 * random.normal()), 1}});
  }
  const Separability s = separability(points);
  CHECK(s.nearest_point > 0.95);
  CHECK(s.nearest_mean < 0.9);
  CHECK(s.within_background > 0.9);
}

TEST_CASE("separability: chance, where both layers are the same", "[analysis]") {
  Random random(2);
  std::vector<LayerPoint> points;
  for (Index i = 0; i < 400; ++i) {
    std::vector<float> values(8);
    for (float& v : values) v = static_cast<float>(random.normal());
    points.push_back({i % 3 == 0, i % 10, values});
  }
  const Separability s = separability(points);
  CHECK(s.nearest_mean == Approx(0.5).margin(0.1));
  CHECK(s.nearest_point == Approx(0.5).margin(0.1));
  CHECK(s.between == Approx(0).margin(0.05));
}

TEST_CASE("separability: what cannot be compared", "[analysis]") {
  const LayerPoint back{false, 0, {1, 2}}, rain{true, 0, {2, 1}};
  const auto message = [](const std::vector<LayerPoint>& points) {
    return message_of<ShapeError>([&] { separability(points); });
  };
  CHECK(message({}) == "separability: 0 points of the background and 0 of rain, expected some of both");
  CHECK(message({back, rain}) == "separability: expected points of both layers in at least two images");
  CHECK(message({back, {true, 1, {1}}}) == "separability: 1 values, expected 2");
}
