#include "nlcl/analysis/metrics.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/images.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Image constant_image(Index height, Index width, const std::vector<std::uint8_t>& pixel) {
  Image image{height, width, static_cast<Index>(pixel.size()), {}};
  for (Index i = 0; i < height * width; ++i)
    image.pixels.insert(image.pixels.end(), pixel.begin(), pixel.end());
  return image;
}

// An image from -levels to +levels away.
Image disturbed(const Image& image, int levels, std::uint64_t seed = 7) {
  Random random(seed);
  Image result = image;
  for (std::uint8_t& level : result.pixels) {
    const int change = static_cast<int>(random.below(static_cast<std::uint32_t>(2 * levels + 1))) - levels;
    level = static_cast<std::uint8_t>(std::clamp(level + change, 0, 255));
  }
  return result;
}

// Each value three times.
Image coloured(const Image& grey) {
  Image result{grey.height, grey.width, 3, {}};
  for (const std::uint8_t level : grey.pixels) result.pixels.insert(result.pixels.end(), 3, level);
  return result;
}

using Plane = std::vector<long double>;

std::vector<Plane> channels_of(const Image& image) {
  std::vector<Plane> planes(static_cast<std::size_t>(image.channels));
  for (std::size_t i = 0; i < image.pixels.size(); ++i) planes[i % planes.size()].push_back(image.pixels[i]);
  return planes;
}

Plane y_of(const Image& image) {
  const std::vector<Plane> planes = channels_of(image);
  Plane y;
  for (std::size_t i = 0; i < planes[0].size(); ++i)
    y.push_back(16 + 65.481L / 255 * planes[0][i] + 128.553L / 255 * planes[1][i] +
                24.966L / 255 * planes[2][i]);
  return y;
}

double psnr_by_formula(const Plane& a, const Plane& b) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return static_cast<double>(20 * std::log10(255 / std::sqrt(sum / static_cast<long double>(a.size()))));
}

// The formula: at every position the means first, then the products of what differs from them.
double ssim_by_formula(const Plane& a, const Plane& b, Index height, Index width) {
  long double window[11][11], whole = 0;
  for (int i = 0; i < 11; ++i)
    for (int j = 0; j < 11; ++j)
      whole += window[i][j] = std::exp(-((i - 5) * (i - 5) + (j - 5) * (j - 5)) / 4.5L);
  long double total = 0;
  for (Index top = 0; top + 11 <= height; ++top)
    for (Index left = 0; left + 11 <= width; ++left) {
      const auto sum = [&](const auto& value) {
        long double result = 0;
        for (Index i = 0; i < 11; ++i)
          for (Index j = 0; j < 11; ++j)
            result += window[i][j] / whole * value(static_cast<std::size_t>((top + i) * width + left + j));
        return result;
      };
      const long double ma = sum([&](std::size_t i) { return a[i]; });
      const long double mb = sum([&](std::size_t i) { return b[i]; });
      const long double saa = sum([&](std::size_t i) { return (a[i] - ma) * (a[i] - ma); });
      const long double sbb = sum([&](std::size_t i) { return (b[i] - mb) * (b[i] - mb); });
      const long double sab = sum([&](std::size_t i) { return (a[i] - ma) * (b[i] - mb); });
      total += (2 * ma * mb + 6.5025L) * (2 * sab + 58.5225L) /
               ((ma * ma + mb * mb + 6.5025L) * (saa + sbb + 58.5225L));
    }
  return static_cast<double>(total / static_cast<long double>((height - 10) * (width - 10)));
}

}  // namespace

TEST_CASE("metrics: the values of scikit-image", "[analysis]") {
  const GoldenFile golden("metrics");
  for (const char* name :
       {"rain", "rain_tall", "blur", "colour", "one_level", "grey", "one_window", "noise", "negative"}) {
    const std::string prefix = text(name, '.');
    const Image image = image_of(golden.tensor(prefix + "image")),
                truth = image_of(golden.tensor(prefix + "truth"));
    const Tensor<double> expected = golden.tensor(prefix + "y");
    INFO(name);
    CHECK(psnr(image, truth) == Approx(expected(0)).epsilon(0).margin(1e-9));
    CHECK(ssim(image, truth) == Approx(expected(1)).epsilon(0).margin(1e-10));
    CHECK(psnr_y(image, truth) == Approx(expected(2)).epsilon(0).margin(1e-9));
    CHECK(ssim_y(image, truth) == Approx(expected(3)).epsilon(0).margin(1e-10));
  }
}

TEST_CASE("metrics: the formulas", "[analysis]") {
  for (const Index height : {11, 12, 20})
    for (const Index width : {11, 13, 40})
      for (const int levels : {1, 20, 255}) {
        CAPTURE(height, width, levels);
        const Image truth = random_image(height, width, 3), image = disturbed(truth, levels);
        const std::vector<Plane> a = channels_of(image), b = channels_of(truth);
        double mean = 0;
        for (std::size_t c = 0; c < 3; ++c) mean += ssim_by_formula(a[c], b[c], height, width) / 3;
        CHECK(ssim(image, truth) == Approx(mean).epsilon(0).margin(1e-12));
        CHECK(ssim_y(image, truth) ==
              Approx(ssim_by_formula(y_of(image), y_of(truth), height, width)).epsilon(0).margin(1e-12));
        CHECK(psnr_y(image, truth) == Approx(psnr_by_formula(y_of(image), y_of(truth))).epsilon(1e-12));

        Plane all_a, all_b;
        for (std::size_t c = 0; c < 3; ++c) {
          all_a.insert(all_a.end(), a[c].begin(), a[c].end());
          all_b.insert(all_b.end(), b[c].begin(), b[c].end());
        }
        CHECK(psnr(image, truth) == Approx(psnr_by_formula(all_a, all_b)).epsilon(1e-12));
      }
}

TEST_CASE("metrics: values that can be computed by hand", "[analysis]") {
  const Image dark = constant_image(11, 12, {100, 100, 100}),
              bright = constant_image(11, 12, {110, 110, 110});
  CHECK(psnr(bright, dark) == Approx(20 * std::log10(25.5)));
  // A level of grey is 219 / 255 of a level of Y.
  CHECK(psnr_y(bright, dark) == Approx(20 * std::log10(25.5 * 255 / 219)));
  // No texture, so only the means differ.
  CHECK(ssim(bright, dark) == Approx((2 * 110 * 100 + 6.5025) / (110 * 110 + 100 * 100 + 6.5025)));

  // One value of 3 * 2 * 4, off by 255.
  Image image = constant_image(2, 4, {0, 0, 0});
  const Image black = image;
  image.pixels[7] = 255;
  CHECK(psnr(image, black) == Approx(10 * std::log10(24)));
  // It is green: 128.553 of 255 levels, in one pixel of 8.
  CHECK(psnr_y(image, black) == Approx(20 * std::log10(255 / 128.553) + 10 * std::log10(8)));

  CHECK(detail::y_of(constant_image(1, 1, {0, 0, 0}))[0] == 16);
  CHECK(detail::y_of(constant_image(1, 1, {255, 255, 255}))[0] == Approx(235));
  CHECK(detail::y_of(constant_image(1, 1, {255}))[0] == Approx(235));
  CHECK(detail::y_of(constant_image(1, 1, {255, 0, 0}))[0] ==
        Approx(81.481));  // and not 81: it is not rounded
}

TEST_CASE("metrics: images that are the same", "[analysis]") {
  for (const Index channels : {1, 3}) {
    const Image image = random_image(13, 17, channels);
    const Quality same = quality(image, image);
    CHECK(same.psnr == infinity);
    CHECK(same.psnr_y == infinity);
    CHECK(same.ssim == Approx(1).epsilon(1e-12));
    CHECK(same.ssim_y == Approx(1).epsilon(1e-12));
  }
  const Image black = constant_image(11, 11, {0, 0, 0});
  CHECK(ssim(black, black) == 1);
}

TEST_CASE("metrics: grey is RGB with three equal values", "[analysis]") {
  const Image truth = random_image(15, 12, 1), image = disturbed(truth, 40);
  const Quality grey = quality(image, truth), rgb = quality(coloured(image), coloured(truth));
  for (const QualityInfo& info : quality_table)
    CHECK(grey.*info.value == Approx(rgb.*info.value).epsilon(1e-13));
}

TEST_CASE("metrics: it does not matter which of two is the truth", "[analysis]") {
  const Image truth = random_image(15, 12, 3), image = disturbed(truth, 40);
  const Quality one = quality(image, truth), other = quality(truth, image);
  for (const QualityInfo& info : quality_table)
    CHECK(one.*info.value == Approx(other.*info.value).epsilon(1e-13));
}

TEST_CASE("metrics: the bits do not depend on the number of threads", "[analysis]") {
  // More values than one task of the sums.
  const Image truth = random_image(190, 230, 3), image = disturbed(truth, 40);
  const auto measure = [&](int count) {
    const WithThreads threads(count);
    return quality(image, truth);
  };
  const Quality expected = measure(1);
  for (const int count : {2, 3, 7}) {
    const Quality found = measure(count);
    for (const QualityInfo& info : quality_table) CHECK(found.*info.value == expected.*info.value);
  }
}

TEST_CASE("metrics: the mean leaves out what is infinite", "[analysis]") {
  const Quality one{20, 0.5, 22, 0.75}, other{30, 0.75, 32, 0.875}, same{infinity, 1, infinity, 1};
  const Quality mean = mean_quality({one, same, other});
  CHECK(mean.psnr == 25);
  CHECK(mean.ssim == 0.75);
  CHECK(mean.psnr_y == 27);
  CHECK(mean.ssim_y == 0.875);
  CHECK(mean_quality({same, same}).psnr == infinity);
  CHECK(mean_quality({same, same}).ssim == 1);
}

TEST_CASE("metrics: images that cannot be compared", "[analysis]") {
  using Metric = double(const Image&, const Image&);
  const auto message = [](Metric* metric, const Image& image, const Image& truth) {
    return message_of<ShapeError>([&] { metric(image, truth); });
  };
  const std::vector<std::pair<std::string, Metric*>> metrics{
      {"psnr", psnr}, {"ssim", ssim}, {"psnr_y", psnr_y}, {"ssim_y", ssim_y}};
  for (const auto& [name, metric] : metrics) {
    const Image image = random_image(12, 15, 3);
    CHECK(message(metric, image, random_image(15, 12, 3)) ==
          name + ": 12 x 15 pixels of 3 channels, the truth has 15 x 12 of 3");
    CHECK(message(metric, image, random_image(12, 15, 1)) ==
          name + ": 12 x 15 pixels of 3 channels, the truth has 12 x 15 of 1");
    for (const Index channels : {2, 4}) {
      const Image alpha = random_image(12, 15, channels);
      CHECK(message(metric, alpha, alpha) == text(name, ": ", channels, " channels, expected 1 or 3"));
    }
    CHECK(message(metric, Image(), Image()) == "image: 0 values for 0 x 0 pixels of 0 channels");
    CHECK(message(metric, image, {12, 15, 3, {1, 2}}) == "image: 2 values for 12 x 15 pixels of 3 channels");
  }
  const Image flat = random_image(10, 15, 3), narrow = random_image(15, 10, 1);
  CHECK(message(ssim, flat, flat) == "ssim: 10 x 15 pixels, expected at least 11 x 11");
  CHECK(message(ssim_y, narrow, narrow) == "ssim_y: 15 x 10 pixels, expected at least 11 x 11");
  CHECK(psnr(flat, flat) == infinity);
  CHECK(psnr_y(narrow, narrow) == infinity);
}
