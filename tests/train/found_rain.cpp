#include "nlcl/train/found_rain.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "nlcl/train/loader.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

// One level everywhere, but for a column of another.
Image striped(Index height, Index width, int level, Index column, int stripe) {
  Image image{height, width, 3,
              std::vector<std::uint8_t>(static_cast<std::size_t>(3 * height * width),
                                        static_cast<std::uint8_t>(level))};
  for (Index y = 0; y < height; ++y)
    for (Index c = 0; c < 3; ++c)
      image.pixels[static_cast<std::size_t>(3 * (y * width + column) + c)] =
          static_cast<std::uint8_t>(stripe);
  return image;
}
Image plain(Index height, Index width, int level) { return striped(height, width, level, 0, level); }

// Rainy images, and the same without their rain.
class Pairs {
 public:
  void rainy(const std::string& name, const Image& image) { save(folder_ / "rainy" / path_of(name), image); }
  void derained(const std::string& name, const Image& image) {
    save(folder_ / "derained" / path_of(name), image);
  }
  FoundRain found() const {
    return FoundRain(ImageFolder(folder_ / "rainy"), ImageFolder(folder_ / "derained"));
  }

 private:
  static void save(const fs::path& path, const Image& image) {
    fs::create_directories(path.parent_path());
    write_image(path, image);
  }

  TemporaryFolder folder_;
};

// What is laid over black crops of 8 pixels, in levels of 255.
std::vector<std::vector<float>> laid(const FoundRain& found, int count) {
  std::vector<std::vector<float>> all;
  Random random(3);
  for (int i = 0; i < count; ++i) {
    std::vector<float> image(8 * 8 * 3, -1);
    found.lay_over(image.data(), 8, random);
    for (float& value : image) value = (value + 1) * 127.5f;
    all.push_back(image);
  }
  return all;
}

}  // namespace

TEST_CASE("found rain is what lies between two images, less what is faint", "[found]") {
  Pairs pairs;
  pairs.rainy("street.png", striped(8, 8, 100, 2, 160));
  pairs.derained("street.png", plain(8, 8, 98));
  std::set<int> columns;
  float least = 255, most = 0;
  for (const std::vector<float>& image : laid(pairs.found(), 300))
    for (int i = 0; i < 8 * 8 * 3; ++i) {
      const float value = image[static_cast<std::size_t>(i)];
      if (value < 0.01f) continue;  // the two levels of the rest are under the threshold
      columns.insert(i / 3 % 8);
      least = std::min(least, value), most = std::max(most, value);
    }
  CHECK(columns == std::set{2, 5});  // as it was, and mirrored
  CHECK(least == Approx(62 - FoundRain::threshold).epsilon(0.01));
  CHECK(most == Approx(FoundRain::most_gain * (62 - FoundRain::threshold)).epsilon(0.01));
}

TEST_CASE("found rain adds nothing where more was there before, and ends at white", "[found]") {
  Pairs pairs;
  pairs.rainy("a.png", plain(8, 8, 50));
  pairs.derained("a.png", plain(8, 8, 90));
  for (const std::vector<float>& image : laid(pairs.found(), 4))
    CHECK(std::ranges::all_of(image, [](float value) { return value == 0; }));

  Pairs bright;
  bright.rainy("a.png", plain(8, 8, 250));
  bright.derained("a.png", plain(8, 8, 0));
  std::vector<float> image(8 * 8 * 3, 0.5f);
  Random random(1);
  bright.found().lay_over(image.data(), 8, random);
  CHECK(std::ranges::all_of(image, [](float value) { return value == 1; }));
}

TEST_CASE("found rain is of images that are in both folders, whatever their formats", "[found]") {
  Pairs pairs;
  pairs.rainy("there.png", plain(8, 8, 100));
  pairs.rainy("web/there.png", plain(4, 20, 200));  // mirrored, where it is smaller than the crop
  pairs.rainy("alone.png", plain(8, 8, 100));
  pairs.derained("there.ppm", plain(8, 8, 20));
  pairs.derained("web/there.png", plain(4, 20, 30));
  pairs.derained("other.png", plain(8, 8, 20));
  const FoundRain found = pairs.found();
  CHECK(found.size() == 2);
  for (const std::vector<float>& image : laid(found, 20))
    CHECK(std::ranges::all_of(image, [&](float value) { return value == image[0] && value >= 77; }));
}

TEST_CASE("found rain says what is wrong with its folders", "[found]") {
  Pairs strangers;
  strangers.rainy("a.png", plain(8, 8, 100));
  strangers.derained("b.png", plain(8, 8, 100));
  CHECK_THAT(message_of<FormatError>([&] { strangers.found(); }),
             Contains("no image has the name of one in"));
  Pairs unequal;
  unequal.rainy("a.png", plain(8, 8, 100));
  unequal.derained("a.png", plain(8, 9, 100));
  CHECK_THAT(message_of<FormatError>([&] { unequal.found(); }),
             Contains("8 x 9 pixels, the rainy image has 8 x 8"));
}

TEST_CASE("a share of the drawn images are in found rain, and nothing else changes", "[found][loader]") {
  Pairs pairs;
  pairs.rainy("a.png", plain(40, 40, 100));
  pairs.derained("a.png", plain(40, 40, 60));
  const FoundRain found = pairs.found();
  const TemporaryFolder folder;
  fs::create_directory(folder / "clean");
  write_image(folder / "clean" / "a.png", plain(40, 40, 0));
  const ImageFolder images(folder / "clean");
  const LoaderOptions drawn{.crop = 32, .batch = 4, .seed = 4, .drawn = DrawnRain::streaks};
  LoaderOptions both = drawn;
  both.found = &found, both.found_share = 0.3;
  Loader without(images, images, drawn), with(images, images, both);
  int in_found = 0;
  for (std::uint64_t step = 0; step < 50; ++step) {
    const Batch a = without.batch(step), b = with.batch(step);
    CHECK(std::ranges::equal(a.clean.values(), b.clean.values()));
    for (Index n = 0; n < 4; ++n) {
      const auto crop = b.drawn.values().subspan(static_cast<std::size_t>(n * 3072), 3072);
      in_found += std::ranges::all_of(crop, [&](float value) { return value == crop[0] && value > -0.9f; });
    }
  }
  CHECK(in_found > 40);  // 60 of 200, and a deviation of 6.5
  CHECK(in_found < 80);
}
