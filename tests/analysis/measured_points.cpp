#include "nlcl/analysis/measured_points.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("measured points: names and their bounds", "[analysis]") {
  CHECK(points_in_words() ==
        "pixels, smooth:0.1 to smooth:20, pca:0.01 to pca:1, back:0 to back:17, or disc:0 to disc:3");
  CHECK(parse_points("pixels")->kind == MeasuredPoints::pixels);
  CHECK(parse_points("smooth:1.5")->value == 1.5);
  CHECK(parse_points("back:17")->tap() == 17);
  CHECK(parse_points("disc:3")->is_feature());
  CHECK_FALSE(parse_points("pca:1")->is_feature());
  for (const char* name : {"", "colours", "smooth:", "smooth:0", "smooth:1x", "pca:1.01", "back:18",
                           "back:-1", "disc:1.5", "disc:1e0", "Pixels"}) {
    CAPTURE(name);
    CHECK_FALSE(parse_points(name));
  }
}

TEST_CASE("measured points: features are those of the networks", "[analysis]") {
  Random random(3);
  Generator<float> generator(random);
  Discriminator<float> discriminator(random);
  const Tensor<float> x = random_tensor<float>({1, 16, 20, 3}, random);
  const std::vector<MeasuredPoints> all{*parse_points("back:4"), *parse_points("pixels"),
                                        *parse_points("disc:1"), *parse_points("back:0")};
  LayerFeatures features(all, generator, discriminator);
  features.look_at(x);
  const NoGrad no_grad;
  const auto values = [](const Tensor<float>& t) {
    return std::vector<float>(t.values().begin(), t.values().end());
  };
  const std::vector<int> taps{0, 4};
  const std::vector<Tensor<float>> expected = generator.encode(x, taps);
  CHECK(values(features(all[3])) == values(expected[0]));
  CHECK(values(features(all[0])) == values(expected[1]));
  CHECK(values(features(all[2])) == values(discriminator.features(x)[1]));

  CHECK(message_of<ShapeError>([&] { LayerFeatures({all[0]}, std::nullopt, discriminator); }) ==
        "back:4 needs a network");
  CHECK(message_of<ShapeError>([&] { LayerFeatures({all[2]}, generator, std::nullopt); }) ==
        "disc:1 needs a network");
}
