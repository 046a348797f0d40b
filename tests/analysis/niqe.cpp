#include "nlcl/analysis/niqe.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>
#include <vector>

#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"
#include "support/images.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

NiqeModel golden_model(const GoldenFile& golden) {
  NiqeModel model;
  std::ranges::copy(golden.tensor("model.mean").values(), model.mean.data());
  std::ranges::copy(golden.tensor("model.covariance").values(), model.covariance.data());
  return model;
}

// Soft edges, as a lens makes them.
Image photograph(std::uint64_t seed, Index height = 192, Index width = 288) {
  Random random(seed);
  Image image{height, width, 3, {}};
  const double period = random.uniform(20, 60);
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j) {
      const double wave = std::sin(static_cast<double>(i * j) / 900 + static_cast<double>(i) / period) +
                          std::sin(static_cast<double>(j) / period * 7);
      for (int c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<std::uint8_t>(120 + 40 * wave + 3 * random.normal()));
    }
  return image;
}

Image noisy(const Image& image, double deviation) {
  Random random(5);
  Image result = image;
  for (std::uint8_t& level : result.pixels)
    level = static_cast<std::uint8_t>(std::clamp(level + deviation * random.normal(), 0.0, 255.0));
  return result;
}

}  // namespace

// pyiqa adds 1e-7 to each local variance, and takes gamma functions in float.
TEST_CASE("niqe: the features and distances of pyiqa", "[analysis]") {
  const GoldenFile golden("niqe");
  for (const std::string name : {"wide", "tall", "square"}) {
    INFO(name);
    const Image image = image_of(golden.tensor(name + ".image"));
    const Tensor<double> features = golden.tensor(name + ".features");
    const std::vector<NiqeBlock> blocks = niqe_blocks(image);
    REQUIRE(std::ssize(blocks) == features.shape()[0]);
    for (Index b = 0; b < features.shape()[0]; ++b)
      for (Index f = 0; f < niqe_feature_count; ++f) {
        CAPTURE(b, f);
        CHECK(blocks[static_cast<std::size_t>(b)].features(f) ==
              Approx(features(b, f)).epsilon(5e-6).margin(1e-6));
      }
    CHECK(niqe(image, golden_model(golden)) == Approx(golden.tensor(name + ".y").item()).epsilon(1e-5));
  }
}

TEST_CASE("niqe: the shape of a distribution", "[analysis]") {
  Random random(1);
  std::vector<double> gaussian, laplacian, skewed;
  for (int i = 0; i < 200'000; ++i) {
    gaussian.push_back(2 * random.normal());
    const double u = random.uniform(-1, 1);
    laplacian.push_back(std::copysign(-std::log1p(-std::abs(u)), u));
    const double v = random.normal();
    skewed.push_back(v < 0 ? v : 3 * v);
  }
  // exp(-(v / s)^2) is a Gaussian of deviation s / sqrt 2.
  const detail::Aggd g = detail::fit_aggd(gaussian), l = detail::fit_aggd(laplacian),
                     s = detail::fit_aggd(skewed);
  CHECK(g.shape == Approx(2).epsilon(0.02));
  CHECK(g.left == Approx(2 * std::numbers::sqrt2).epsilon(0.02));
  CHECK(g.right == Approx(2 * std::numbers::sqrt2).epsilon(0.02));
  CHECK(l.shape == Approx(1).epsilon(0.02));
  CHECK(l.left == Approx(1).epsilon(0.02));
  CHECK(s.right / s.left == Approx(3).epsilon(0.02));
  CHECK(std::isnan(detail::fit_aggd({1, 2, 3}).left));
  CHECK(std::isnan(detail::fit_aggd({0, 0}).left));
}

TEST_CASE("niqe: half the size of a slope is a slope, and of the finest stripes grey", "[analysis]") {
  Tensor<double> slope({1, 16, 20, 1}), stripes({1, 16, 20, 1});
  for (Index i = 0; i < 16; ++i)
    for (Index j = 0; j < 20; ++j) {
      slope.mutable_data()[i * 20 + j] = static_cast<double>(3 * i + j);
      stripes.mutable_data()[i * 20 + j] = j % 2 == 0 ? 0 : 10;
    }
  const Tensor<double> half = detail::halved(slope), grey = detail::halved(stripes);
  REQUIRE(half.shape() == Shape{1, 8, 10, 1});
  CHECK(half(0, 4, 5, 0) == Approx(3 * 8.5 + 10.5));
  CHECK(grey(0, 4, 5, 0) == Approx(5));
}

TEST_CASE("niqe: noise and blur are further from good photographs", "[analysis]") {
  std::vector<NiqeBlock> blocks;
  for (std::uint64_t seed = 0; seed < 12; ++seed)
    for (const NiqeBlock& block : sharp_blocks(niqe_blocks(photograph(seed)))) blocks.push_back(block);
  const NiqeModel model = fit_niqe(blocks);
  const Image good = photograph(99);
  const double own = niqe(good, model);
  CHECK(niqe(noisy(good, 15), model) > own);
  CHECK(niqe(noisy(good, 40), model) > niqe(noisy(good, 15), model));
  CHECK(niqe(to_image(blurred(to_tensor(good), 2)), model) > own);
}

TEST_CASE("niqe: blocks", "[analysis]") {
  const Image image = photograph(1, 200, 300);
  CHECK(niqe_blocks(image).size() == 6);
  CHECK(niqe_blocks(to_grey(image)).front().features == niqe_blocks(image).front().features);

  Image half_flat = image;  // the upper row of blocks, and what their windows see
  std::fill_n(half_flat.pixels.begin(), 103 * 300 * 3, std::uint8_t{90});
  CHECK(niqe_blocks(half_flat).size() == 3);

  const std::vector<NiqeBlock> blocks{{{}, 1}, {{}, 8}, {{}, 6}, {{}, 7}};
  const std::vector<NiqeBlock> sharp = sharp_blocks(blocks);
  REQUIRE(sharp.size() == 2);
  CHECK(sharp[1].sharpness == 7);
}

TEST_CASE("niqe: the bits do not depend on the number of threads", "[analysis]") {
  const Image image = photograph(1);
  const NiqeModel model = golden_model(GoldenFile("niqe"));
  const auto measure = [&](int count) {
    const WithThreads with(count);
    return niqe(image, model);
  };
  CHECK(measure(1) == measure(3));
}

TEST_CASE("niqe: a model in a file", "[analysis]") {
  const TemporaryFolder folder;
  const NiqeModel model = golden_model(GoldenFile("niqe"));
  write_safetensors(folder / "model", state_of(model, {{"photographs", "none"}}));
  const NiqeModel read = read_niqe_model(folder / "model");
  CHECK(read.mean == model.mean);
  CHECK(read.covariance == model.covariance);

  StateFile other = state_of(model);
  other.tensors[1].shape = {36 * 36};
  write_safetensors(folder / "other", other);
  CHECK_THAT(message_of<FormatError>([&] { read_niqe_model(folder / "other"); }),
             Catch::Contains("other: niqe: 'covariance' has shape [1296], expected [36,36]"));
  other.tensors.pop_back();
  write_safetensors(folder / "other", other);
  CHECK_THAT(message_of<FormatError>([&] { read_niqe_model(folder / "other"); }),
             Catch::Contains("no tensor 'covariance'"));
}

TEST_CASE("niqe: images that cannot be judged", "[analysis]") {
  const NiqeModel model = golden_model(GoldenFile("niqe"));
  CHECK(message_of<ShapeError>([&] { niqe(random_image(95, 300, 3), model); }) ==
        "niqe: 95 x 300 pixels, expected at least 96 x 96");
  CHECK(message_of<ShapeError>([&] { niqe(random_image(96, 96, 3), model); }) ==
        "niqe: 1 blocks of 96 x 96 pixels with texture, expected at least 2");
  CHECK(message_of<ShapeError>([&] {
          niqe({96, 192, 1, std::vector<std::uint8_t>(96 * 192)}, model);
        }) == "niqe: 0 blocks of 96 x 96 pixels with texture, expected at least 2");
}
