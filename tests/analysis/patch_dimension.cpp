#include "nlcl/analysis/patch_dimension.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>
#include <set>
#include <vector>

#include "nlcl/analysis/compactness.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/images.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Tensor<float> noise(std::uint64_t seed, Index height = 72, Index width = 80) {
  Random random(seed);
  return random_tensor<float>({1, height, width, 3}, random);
}

// A map in which every pixel is a point of a torus of d dimensions drawn at random: it has no border, which would make it
// look flatter.
Tensor<float> torus_map(const Tensor<float>& image, Index d, std::uint64_t seed) {
  Random random(seed, 1);
  const Index height = image.shape()[1], width = image.shape()[2];
  Tensor<float> map({1, height, width, 2 * d});
  for (Index i = 0; i < height * width * d; ++i) {
    const double angle = random.uniform(0, 2 * std::numbers::pi);
    map.mutable_data()[2 * i] = static_cast<float>(std::cos(angle));
    map.mutable_data()[2 * i + 1] = static_cast<float>(std::sin(angle));
  }
  return map;
}

std::vector<PatchGroup> torus_groups(Index d, const PatchDimensionOptions& options, Index images) {
  PatchDimension layer(options, images);
  for (Index i = 0; i < images; ++i) {
    const Tensor<float> image = noise(static_cast<std::uint64_t>(i) + options.seed * 1000);
    layer.add(image, feature_points(torus_map(image, d, static_cast<std::uint64_t>(i) + options.seed * 1000),
                                    72, 80));
  }
  return layer.groups();
}

}  // namespace

TEST_CASE("patch dimension: of known manifolds, within the interval", "[analysis]") {
  for (const Index d : {1, 2}) {
    const std::vector<PatchGroup> groups = torus_groups(d, {.groups = 40, .neighbors = 5, .seed = 1}, 20);
    REQUIRE(groups.size() == 40);
    for (const auto inverse : {&PatchGroup::levina_bickel, &PatchGroup::two_nn}) {
      const Estimate estimate = dimension_of(groups, inverse, 1000);
      const auto [low, high] = estimate.interval();
      CAPTURE(d, low, estimate.value, high);
      CHECK(low <= static_cast<double>(d));
      CHECK(high >= static_cast<double>(d));
      CHECK(high - low < 0.15 * static_cast<double>(d));
      CHECK(low < estimate.value);
      CHECK(high > estimate.value);
    }
  }
}

TEST_CASE("patch dimension: the interval covers as often as it says", "[analysis]") {
  int covered = 0;
  constexpr int trials = 60;
  for (int trial = 0; trial < trials; ++trial) {
    const PatchDimensionOptions options{.groups = 20,
                                        .points = 40,
                                        .neighbors = 5,
                                        .patch = 2,
                                        .window = 10,
                                        .seed = static_cast<std::uint64_t>(trial)};
    const auto [low, high] = dimension_of(torus_groups(1, options, 20), &PatchGroup::two_nn, 400,
                                          static_cast<std::uint64_t>(trial))
                                 .interval();
    covered += low <= 1 && 1 <= high;
  }
  CHECK(covered >= trials * 85 / 100);  // percentile intervals of 20 images are a little short
}

TEST_CASE("patch dimension: a wider interval where groups of one image are alike", "[analysis]") {
  std::vector<PatchGroup> groups;
  for (Index image = 0; image < 10; ++image)
    for (Index i = 0; i < 8; ++i)
      groups.push_back({image, {}, {}, 0.1 * static_cast<double>(1 + image % 3), 1});
  std::vector<PatchGroup> apart = groups;
  for (std::size_t i = 0; i < apart.size(); ++i) apart[i].image = static_cast<Index>(i);
  const auto width = [](const std::vector<PatchGroup>& all) {
    const auto [low, high] = dimension_of(all, &PatchGroup::levina_bickel, 500).interval();
    return high - low;
  };
  CHECK(width(groups) > 2 * width(apart));
  CHECK(dimension_of(groups, &PatchGroup::levina_bickel).value ==
        dimension_of(apart, &PatchGroup::levina_bickel).value);
}

TEST_CASE("patch dimension: the ratio of two layers of the same images is paired", "[analysis]") {
  std::vector<PatchGroup> back, rain;
  for (Index image = 0; image < 12; ++image) {
    back.push_back({image, {}, {}, 0.1 + 0.05 * static_cast<double>(image % 4), 1});
    rain.push_back({image, {}, {}, 2 * back.back().levina_bickel, 1});
  }
  const Estimate ratio = combined(dimension_of(rain, &PatchGroup::levina_bickel, 200),
                                  dimension_of(back, &PatchGroup::levina_bickel, 200), std::divides<>());
  CHECK(ratio.value == Approx(0.5));
  CHECK(ratio.interval()[0] == Approx(0.5));
  CHECK(ratio.interval()[1] == Approx(0.5));
}

TEST_CASE("patch dimension: groups", "[analysis]") {
  const PatchDimensionOptions options{
      .groups = 5, .points = 30, .neighbors = 4, .patch = 8, .window = 20, .seed = 3};
  PatchDimension layer(options, 2);
  layer.add(noise(1));
  CHECK_FALSE(layer.is_complete());
  CHECK(layer.groups().size() == 3);
  layer.add(noise(2));
  CHECK(layer.is_complete());
  REQUIRE(layer.groups().size() == 5);
  for (const PatchGroup& group : layer.groups()) {
    CHECK(group.centers.size() == 30);
    CHECK(group.query.size() == 8 * 8 * 3);
    for (const PatchCenter& center : group.centers) {
      CHECK(std::abs(center.row - group.centers[0].row) <= 10);
      CHECK(std::abs(center.column - group.centers[0].column) <= 10);
    }
  }
  CHECK(layer.groups()[2].image == 0);
  CHECK(layer.groups()[3].image == 1);

  SECTION("a small image leaves its share to the others") {
    PatchDimension other(options, 3);
    other.add(noise(1, 27, 80));
    CHECK(other.groups().empty());
    other.add(noise(1));
    other.add(noise(2));
    CHECK(other.groups().size() == 5);
  }
  SECTION("and so does one without texture") {
    PatchDimension other(options, 2);
    other.add(Tensor<float>::full({1, 72, 80, 3}, 0.3f));
    CHECK(other.groups().empty());
    other.add(noise(1));
    CHECK(other.groups().size() == 5);
  }
  SECTION("more images than groups give one each") {
    PatchDimension other({.groups = 2, .points = 30, .neighbors = 4, .patch = 8, .window = 20}, 9);
    other.add(noise(1));
    other.add(noise(2));
    CHECK(other.is_complete());
  }
}

TEST_CASE("patch dimension: patches that do not overlap", "[analysis]") {
  PatchDimension layer({.groups = 3, .points = 12, .neighbors = 3, .patch = 8, .apart = 8}, 1);
  layer.add(noise(1));
  REQUIRE(layer.groups().size() == 3);
  for (const PatchGroup& group : layer.groups())
    for (const PatchCenter& a : group.centers)
      for (const PatchCenter& b : group.centers)
        CHECK((a == b || std::max(std::abs(a.row - b.row), std::abs(a.column - b.column)) >= 8));
}

TEST_CASE("patch dimension: copies are no neighbours", "[analysis]") {
  // Noise of a period of 12 pixels: of the 400 patches in a window only 144 differ.
  const Tensor<float> tile = noise(1, 12, 12);
  Tensor<float> image({1, 72, 72, 3});
  for (Index i = 0; i < 72; ++i)
    for (Index j = 0; j < 72; ++j)
      std::copy_n(tile.data() + (i % 12 * 12 + j % 12) * 3, 3, image.mutable_data() + (i * 72 + j) * 3);
  const PatchDimensionOptions options{.groups = 3, .points = 144, .neighbors = 5, .patch = 8, .window = 20};
  PatchDimension all(options, 1);
  all.add(image);
  REQUIRE(all.groups().size() == 3);
  for (const PatchGroup& group : all.groups()) {
    std::set<std::pair<Index, Index>> places;
    for (const PatchCenter& center : group.centers) places.emplace(center.row % 12, center.column % 12);
    CHECK(places.size() == 144);
    CHECK(std::isfinite(group.two_nn));
  }
  PatchDimension more({.groups = 3, .points = 145, .neighbors = 5, .patch = 8, .window = 20}, 1);
  more.add(image);
  CHECK(more.groups().empty());
}

TEST_CASE("patch dimension: the same for the same seed, on any number of threads", "[analysis]") {
  const auto measure = [&](std::uint64_t seed, int count) {
    const WithThreads with(count);
    PatchDimension layer({.groups = 6, .points = 40, .variance = 0.9, .seed = seed}, 2);
    for (const std::uint64_t image : {1u, 2u}) layer.add(noise(image));
    std::vector<double> values =
        dimension_of(layer.groups(), &PatchGroup::levina_bickel, 20, seed).replicates;
    for (const PatchGroup& group : layer.groups()) values.push_back(group.two_nn);
    return values;
  };
  const std::vector<double> expected = measure(7, 1);
  CHECK(measure(7, 3) == expected);
  CHECK(measure(8, 1) != expected);
}

TEST_CASE("patch dimension: the principal part leaves the noise out", "[analysis]") {
  // A circle in a plane, with a little noise in 40 dimensions.
  Random random(3);
  Tensor<float> points({100, 40});
  for (Index i = 0; i < 100; ++i) {
    const double angle = random.uniform(0, 2 * std::numbers::pi);
    for (Index k = 0; k < 40; ++k)
      points.mutable_data()[i * 40 + k] = static_cast<float>((k == 3    ? std::cos(angle)
                                                              : k == 30 ? std::sin(angle)
                                                                        : 0) +
                                                             0.02 * random.normal());
  }
  const Tensor<float> part = principal_part(points, 0.95);
  REQUIRE(part.shape() == Shape{100, 2});
  CHECK(levina_bickel(points) > 2);
  CHECK(levina_bickel(part) == Approx(1.2).margin(0.25));
  // All of it keeps the distances.
  const Tensor<float> all = principal_part(points, 1);
  CHECK(relative_difference(neighbor_distances(all, 5), neighbor_distances(points, 5)) <= 1e-5);
}

TEST_CASE("patch dimension: what cannot be measured", "[analysis]") {
  const auto message = [](const PatchDimensionOptions& options) {
    return message_of<ShapeError>([&] { PatchDimension(options, 1); });
  };
  CHECK(message({.groups = 0}) ==
        "patch_dimension: 0 groups of 128 points and 10 neighbours, expected at least one group, 2 "
        "neighbours, and more "
        "points than neighbours but no more than the window has places, 1600");
  CHECK_THAT(message({.points = 10}), Catch::Contains("10 points and 10 neighbours"));
  CHECK_THAT(message({.points = 101, .window = 10}), Catch::Contains("places, 100"));
  CHECK_THAT(message({.neighbors = 1}), Catch::Contains("1 neighbours"));
  CHECK_THAT(message({.patch = 34}), Catch::Contains("patch 34 and window 40"));
  CHECK_THAT(message({.patch = 7}), Catch::Contains("even sides"));
  CHECK_THAT(message({.apart = 0}), Catch::Contains("centres 0 pixels apart, expected at least 1"));
  CHECK_THAT(message({.variance = 1.5}), Catch::Contains("1.5 of the variance"));
  CHECK_THAT(message_of<ShapeError>([] { dimension_of({}, &PatchGroup::two_nn); }),
             Catch::Contains("no groups"));
}

TEST_CASE("patch dimension: an order that is drawn", "[analysis]") {
  const std::vector<Index> order = shuffled(50, 1);
  CHECK(std::set<Index>(order.begin(), order.end()).size() == 50);
  CHECK(order == shuffled(50, 1));
  CHECK(order != shuffled(50, 2));
  CHECK_FALSE(std::ranges::is_sorted(order));
  CHECK(shuffled(0, 1).empty());
}

TEST_CASE("compactness: weights and what stands for rain", "[analysis]") {
  CHECK(compactness_weights(10, 10) == std::array{1.0, 1.0});
  CHECK(compactness_weights(10, 30)[0] == Approx(1.5));
  CHECK(compactness_weights(10, 90) == std::array{1.5, 0.5});
  const std::array<double, 2> w = compactness_weights(12, 8);
  CHECK(w[0] / w[1] == Approx(8.0 / 12));
  CHECK(w[0] + w[1] == Approx(2));

  // Flat places stay exactly flat, so that their patches are copies.
  Tensor<float> step({1, 40, 60, 3});
  for (Index i = 0; i < step.size(); ++i) step.mutable_data()[i] = i / 3 % 60 < 30 ? 0.1f : 0.7f;
  const Tensor<float> rest = without_local_mean(step);
  CHECK(rest(0, 20, 10, 1) == rest(0, 5, 20, 1));
  CHECK(rest(0, 20, 10, 1) == Approx(0).margin(1e-6));
  CHECK(rest(0, 20, 29, 1) == Approx(-0.6 * 7 / 15));
}

TEST_CASE("compactness: of two folders", "[analysis]") {
  const TemporaryFolder folder;
  for (const char* kind : {"rainy", "clean"}) {
    std::filesystem::create_directory(folder / kind);
    for (const std::uint64_t seed : {1u, 2u})
      write_image(folder / kind / text(seed, ".png"), random_image(72, 80, 3, seed));
  }
  const ImageFolder rainy(folder / "rainy"), clean(folder / "clean");
  const Compactness measured = measure_compactness(rainy, clean, 1);
  CHECK(measured.background_dimension > 5);  // noise fills all dimensions that so few points can show
  CHECK(measured.rain_dimension > 5);
  CHECK(measured.weight == compactness_weights(measured.background_dimension, measured.rain_dimension));
  CHECK(measure_compactness(rainy, clean, 1).rain_dimension == measured.rain_dimension);

  write_image(folder / "small.png", random_image(55, 80, 3));
  std::filesystem::create_directory(folder / "small");
  std::filesystem::rename(folder / "small.png", folder / "small/a.png");
  CHECK_THAT(
      message_of<ShapeError>([&] { measure_compactness(rainy, ImageFolder(folder / "small"), 1); }),
      Catch::Contains("compactness: no image of ") && Catch::Contains("has 56 x 56 pixels of texture"));
}
