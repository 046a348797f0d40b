#include "nlcl/train/loader.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/files.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

// Each pixel tells where it is: (y, x, id). Sides up to 256.
Image map_of(int id, Index height, Index width) {
  Image image{height, width, 3, {}};
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      for (const Index value : {y, x, Index{id}}) image.pixels.push_back(static_cast<std::uint8_t>(value));
  return image;
}

int level(float x) { return static_cast<int>(std::lround((x + 1) * 127.5f)); }

// What the first pixel of crop n tells.
struct Place {
  int top, left, id;
};
Place place(const Tensor<float>& crops, Index n) {
  return {level(crops(n, 0, 0, 0)), level(crops(n, 0, 0, 1)), level(crops(n, 0, 0, 2))};
}

// Two folders of images of height x width. Their ids count from 0 if they are rainy, from 100 if clean.
class Data {
 public:
  Data(int rainy, int clean, Index height, Index width, std::size_t memory = std::size_t{1} << 30) {
    for (int i = 0; i < rainy; ++i) save(text("rainy/", 100 + i, ".png"), map_of(i, height, width));
    for (int i = 0; i < clean; ++i) save(text("clean/", 100 + i, ".png"), map_of(100 + i, height, width));
    rainy_.emplace(folder_ / "rainy", ImageFolderOptions{memory});
    clean_.emplace(folder_ / "clean", ImageFolderOptions{memory});
  }

  Loader loader(LoaderOptions options) const { return Loader(*rainy_, *clean_, options); }
  fs::path path(const std::string& name) const { return folder_ / name; }

 private:
  void save(const std::string& name, const Image& image) const {
    fs::create_directories((folder_ / name).parent_path());
    write_image(folder_ / name, image);
  }

  TemporaryFolder folder_;
  std::optional<ImageFolder> rainy_, clean_;
};

bool equal(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.values(), b.values());
}
bool equal(const Batch& a, const Batch& b) {
  return std::ranges::all_of(Batch::parts(), [&](auto part) { return equal(a.*part, b.*part); });
}

std::vector<Batch> batches(Loader& loader, std::uint64_t first, std::uint64_t count) {
  std::vector<Batch> result;
  for (std::uint64_t step = first; step < first + count; ++step) result.push_back(loader.batch(step));
  return result;
}

bool equal(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::ranges::equal(a, b, [](const Batch& x, const Batch& y) { return equal(x, y); });
}

constexpr std::size_t no_memory = 0;

}  // namespace

TEST_CASE("a batch has its shape, and the values of to_tensor", "[loader]") {
  const Data data(1, 1, 12, 12);
  Loader loader = data.loader({.crop = 12, .batch = 3});
  const Batch batch = loader.batch(0);
  CHECK(batch.rainy.shape() == Shape{3, 12, 12, 3});
  CHECK(batch.clean.shape() == Shape{3, 12, 12, 3});
  const Tensor<float> expected = to_tensor(map_of(100, 12, 12));
  for (Index n = 0; n < 3; ++n)
    CHECK(std::equal(expected.data(), expected.data() + expected.size(), batch.clean.data() + n * 432));
}

TEST_CASE("a crop is a piece of its image", "[loader]") {
  const Data data(3, 2, 40, 60);
  Loader loader = data.loader({.crop = 16, .batch = 4, .seed = 5});
  for (std::uint64_t step = 0; step < 20; ++step) {
    const Batch batch = loader.batch(step);
    for (const auto* crops : {&batch.rainy, &batch.clean})
      for (Index n = 0; n < 4; ++n) {
        const Place first = place(*crops, n);
        bool whole = true;
        for (Index y = 0; y < 16; ++y)
          for (Index x = 0; x < 16; ++x)
            whole = whole && level((*crops)(n, y, x, 0)) == first.top + y &&
                    level((*crops)(n, y, x, 1)) == first.left + x && level((*crops)(n, y, x, 2)) == first.id;
        CHECK(whole);
        CHECK(first.top <= 40 - 16);
        CHECK(first.left <= 60 - 16);
      }
  }
}

TEST_CASE("a batch has its clean images in drawn rain if that is asked for, each in its own", "[loader]") {
  const Data data(2, 2, 40, 40);
  Loader dry = data.loader({.crop = 32, .batch = 2, .seed = 4}),
         wet = data.loader({.crop = 32, .batch = 2, .seed = 4, .drawn = DrawnRain::streaks});
  std::set<std::vector<float>> rains;
  for (std::uint64_t step = 0; step < 8; ++step) {
    const Batch without = dry.batch(step), with = wet.batch(step);
    CHECK_FALSE(without.drawn);
    CHECK(equal(without.rainy, with.rainy));  // it changes nothing else
    CHECK(equal(without.clean, with.clean));
    REQUIRE(with.drawn.shape() == Shape{2, 32, 32, 3});
    for (const float value : with.drawn.values()) REQUIRE((value >= -1 && value <= 1));
    for (std::size_t n = 0; n < 2; ++n) {
      std::vector<float> rain;
      for (std::size_t i = n * 3072; i < (n + 1) * 3072; ++i)
        rain.push_back(with.drawn.values()[i] - with.clean.values()[i]);
      rains.insert(rain);
    }
  }
  CHECK(rains.size() >= 15);  // at most one without a streak in its place
}

TEST_CASE("clean images are drawn in streaks, in weather, or in either", "[loader]") {
  const Data data(2, 2, 40, 40);
  const auto loader = [&](DrawnRain drawn) {
    return data.loader({.crop = 32, .batch = 2, .seed = 4, .drawn = drawn});
  };
  Loader weather = loader(DrawnRain::weather), both = loader(DrawnRain::both);
  constexpr std::uint64_t steps = 20;
  std::size_t in_streaks = 0;  // there all channels get the same
  for (std::uint64_t step = 0; step < steps; ++step) {
    const Batch batch = weather.batch(step), either = both.batch(step);
    CHECK(equal(batch.clean, either.clean));
    CHECK(batch.drawn.shape() == batch.clean.shape());
    for (const float value : batch.drawn.values()) REQUIRE((value >= -1 && value <= 1));
    for (std::size_t n = 0; n < 2; ++n) {
      bool same = true;
      for (std::size_t i = n * 3072; i < (n + 1) * 3072; i += 3)
        for (std::size_t c = 1; c < 3; ++c) {
          const auto added = [&](std::size_t at) {
            return either.drawn.values()[at] - either.clean.values()[at];
          };
          same = same && (std::abs(added(i) - added(i + c)) < 1e-5f || either.drawn.values()[i + c] == 1 ||
                          either.drawn.values()[i] == 1);
        }
      in_streaks += same;
    }
  }
  CHECK(in_streaks > steps / 2);
  CHECK(in_streaks < 2 * steps - steps / 2);
  Loader again = loader(DrawnRain::both);
  CHECK(equal(again.batch(steps - 1).drawn, both.batch(steps - 1).drawn));
}

TEST_CASE("weather without mist is the same weather, and contrast stays", "[loader]") {
  const Data data(1, 1, 40, 40);
  const LoaderOptions misty{.crop = 32, .batch = 1, .seed = 4, .drawn = DrawnRain::weather};
  LoaderOptions clear = misty;
  clear.drawn_mist = false;
  Loader with = data.loader(misty), without = data.loader(clear);
  const auto contrast = [](const Tensor<float>& image) {
    double sum = 0, squares = 0;
    for (const float value : image.values()) sum += value, squares += value * value;
    const double mean = sum / static_cast<double>(image.size());
    return squares / static_cast<double>(image.size()) - mean * mean;
  };
  constexpr std::uint64_t steps = 30;
  std::size_t without_any = 0;
  double lost = 0;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const Tensor<float> in_mist = with.batch(step).drawn, in_clear = without.batch(step).drawn;
    if (equal(in_mist, in_clear)) ++without_any;
    lost += contrast(in_clear) - contrast(in_mist);
  }
  CHECK(without_any > steps / 4);
  CHECK(without_any < steps * 9 / 10);
  CHECK(lost > 0.1);
}

TEST_CASE("an epoch sees every image once, each in another order", "[loader]") {
  const Data data(7, 5, 8, 8);
  Loader loader = data.loader({.crop = 4, .batch = 3, .seed = 2});
  std::vector<int> rainy, clean;
  for (const Batch& batch : batches(loader, 0, 35))  // 105 samples: 15 epochs of one folder, 21 of the other
    for (Index n = 0; n < 3; ++n) {
      rainy.push_back(place(batch.rainy, n).id);
      clean.push_back(place(batch.clean, n).id - 100);
    }
  const auto check_epochs = [](const std::vector<int>& ids, int images) {
    std::set<std::vector<int>> orders;
    for (auto at = ids.begin(); at != ids.end(); at += images) {
      const std::vector<int> order(at, at + images);
      CHECK(std::set(order.begin(), order.end()).size() == static_cast<std::size_t>(images));
      orders.insert(order);
    }
    CHECK(orders.size() > 10);
  };
  check_epochs(rainy, 7);
  check_epochs(clean, 5);
}

TEST_CASE("permutations are equally likely", "[loader]") {
  std::map<std::vector<std::uint32_t>, int> seen;
  constexpr int draws = 24'000;
  for (std::uint64_t stream = 0; stream < draws; ++stream) ++seen[detail::permutation(4, Random(1, stream))];
  REQUIRE(seen.size() == 24);
  for (const auto& [order, count] : seen) CHECK(std::abs(count - draws / 24) < 160);  // five deviations of 31
}

TEST_CASE("crops are spread evenly, and independently in both folders", "[loader]") {
  const Data data(1, 1, 10, 11);
  Loader loader = data.loader({.crop = 8, .batch = 100, .seed = 3});
  std::map<std::pair<int, int>, int> places;
  int same = 0;
  for (const Batch& batch : batches(loader, 0, 48))
    for (Index n = 0; n < 100; ++n) {
      const Place rainy = place(batch.rainy, n), clean = place(batch.clean, n);
      ++places[{rainy.top, rainy.left}];
      same += rainy.top == clean.top && rainy.left == clean.left;
    }
  REQUIRE(places.size() == 12);
  for (const auto& [at, count] : places) CHECK(std::abs(count - 400) < 100);  // five deviations of 19
  CHECK(std::abs(same - 400) < 100);
}

TEST_CASE("mirrors repeat, without the border", "[loader]") {
  const auto line = [](Index n) {
    std::vector<Index> result;
    for (Index i = 0; i < 9; ++i) result.push_back(detail::mirrored(i, n));
    return result;
  };
  CHECK(line(1) == std::vector<Index>{0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(line(2) == std::vector<Index>{0, 1, 0, 1, 0, 1, 0, 1, 0});
  CHECK(line(4) == std::vector<Index>{0, 1, 2, 3, 2, 1, 0, 1, 2});
  CHECK(line(9) == std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("an image smaller than the crop is mirrored", "[loader]") {
  const auto check = [](Index height, Index width, Index crop) {
    const Data data(1, 1, height, width);
    Loader loader = data.loader({.crop = crop});
    for (std::uint64_t step = 0; step < 3; ++step) {
      const Tensor<float> crops = loader.batch(step).rainy;
      const Place first = place(crops, 0);
      CHECK(first.top <= std::max<Index>(height - crop, 0));
      CHECK(first.left <= std::max<Index>(width - crop, 0));
      bool whole = true;
      for (Index y = 0; y < crop; ++y)
        for (Index x = 0; x < crop; ++x)
          whole = whole && level(crops(0, y, x, 0)) == detail::mirrored(first.top + y, height) &&
                  level(crops(0, y, x, 1)) == detail::mirrored(first.left + x, width);
      CHECK(whole);
    }
  };
  check(5, 7, 32);
  check(1, 1, 8);
  check(5, 100, 32);  // only one side is short
  check(100, 31, 32);
}

TEST_CASE("grey images are repeated in all colours", "[loader]") {
  const TemporaryFolder folder;
  write_image(folder / "grey.png", {2, 2, 1, {0, 51, 102, 255}});
  const ImageFolder images(folder / "");
  Loader loader(images, images, {.crop = 2});
  CHECK(equal(loader.batch(0).rainy, to_tensor(Image{2, 2, 1, {0, 51, 102, 255}})));
}

TEST_CASE("batches do not depend on workers, look-ahead or memory", "[loader]") {
  const Data kept(5, 3, 20, 20), decoded(5, 3, 20, 20, no_memory);
  const LoaderOptions options{.crop = 9, .batch = 2, .seed = 11, .drawn = DrawnRain::streaks};
  Loader reference = kept.loader(options);
  const std::vector<Batch> expected = batches(reference, 0, 30);
  for (const Data* data : {&kept, &decoded})
    for (const int workers : {1, 2, 3})
      for (const int ahead : {1, 4, 50}) {
        LoaderOptions others = options;
        others.workers = workers;
        others.ahead = ahead;
        Loader loader = data->loader(others);
        CAPTURE(workers, ahead);
        CHECK(equal(batches(loader, 0, 30), expected));
      }
  LoaderOptions other_seed = options;
  other_seed.seed = 12;
  Loader other = kept.loader(other_seed);
  CHECK(!equal(other.batch(0), expected[0]));
}

TEST_CASE("steps may be asked for in any order", "[loader]") {
  const Data data(5, 3, 20, 20);
  Loader loader = data.loader({.crop = 9, .batch = 2, .workers = 3});
  const std::vector<Batch> expected = batches(loader, 0, 40);
  Random random(1);
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t step = random.below(40);
    CHECK(equal(loader.batch(step), expected[step]));
    if (step + 1 < 40 && random.below(2)) CHECK(equal(loader.batch(step + 1), expected[step + 1]));
  }
}

TEST_CASE("loaders that take turns have the batches of one", "[loader]") {
  const Data data(5, 3, 20, 20);
  LoaderOptions options{.crop = 9, .batch = 2, .workers = 3, .drawn = DrawnRain::streaks};
  Loader one = data.loader(options);
  const std::vector<Batch> expected = batches(one, 0, 30);
  options.stride = 3;
  for (std::size_t turn = 0; turn < 3; ++turn) {
    Loader loader = data.loader(options);
    for (std::size_t step = turn; step < 30; step += 3) CHECK(equal(loader.batch(step), expected[step]));
    CHECK(equal(loader.batch(7), expected[7]));
  }
}

TEST_CASE("a loader that begins in the middle goes on as if it had never stopped", "[loader]") {
  const Data data(5, 3, 20, 20);
  const LoaderOptions options{.crop = 9, .batch = 4, .seed = 7, .workers = 2, .drawn = DrawnRain::streaks};
  Loader whole = data.loader(options), resumed = data.loader(options);
  const std::vector<Batch> expected = batches(whole, 0, 25);
  CHECK(equal(batches(resumed, 17, 8), {expected.begin() + 17, expected.end()}));
}

TEST_CASE("the last steps that can be counted", "[loader]") {
  const Data data(3, 3, 8, 8);
  Loader loader = data.loader({.crop = 4, .workers = 2});
  for (std::uint64_t step = ~std::uint64_t{0} - 6; step != 2; ++step) CHECK(loader.batch(step).rainy);
}

TEST_CASE("a file that vanishes is an error of its step alone", "[loader]") {
  const Data data(4, 1, 8, 8, no_memory);
  Loader loader = data.loader({.crop = 4, .workers = 2, .ahead = 2});
  CHECK(loader.batch(0).rainy);
  const auto hide = [&](const char* name) { fs::rename(data.path("rainy") / name, data.path(name)); };
  const auto restore = [&](const char* name) { fs::rename(data.path(name), data.path("rainy") / name); };
  hide("100.png"), hide("102.png");
  const std::string error = "cannot read .*10[02].png: No such file or directory";
  int failed = 0;
  std::uint64_t last_failed = 0;
  for (std::uint64_t step = 8; step < 16; ++step)  // two epochs, neither prepared yet
    if (const std::string message = message_of<IoError>([&] { loader.batch(step); }); message != "no error") {
      CHECK_THAT(message, Catch::Matches(error));
      ++failed;
      last_failed = step;
    }
  CHECK(failed == 4);
  CHECK_THAT(message_of<IoError>([&] { loader.batch(last_failed); }), Catch::Matches(error));
  restore("100.png"), restore("102.png");
  CHECK(loader.batch(last_failed).rainy);  // asked again, it is read again
}

TEST_CASE("a file that changes is an error", "[loader]") {
  const Data data(1, 1, 8, 8, no_memory);
  write_image(data.path("clean/100.png"), map_of(9, 8, 8));
  Loader loader = data.loader({.crop = 4});
  CHECK_THAT(message_of<FormatError>([&] { loader.batch(0); }),
             Contains(data.path("clean/100.png").string()) && Contains("has changed"));
}

TEST_CASE("a loader stops at any time", "[loader]") {
  const Data data(3, 3, 64, 64, no_memory);
  for (int i = 0; i < 100; ++i) {
    Loader loader = data.loader({.crop = 32, .batch = 2, .workers = 3, .ahead = 8});
    if (i % 4) loader.batch(static_cast<std::uint64_t>(i));
    if (i % 4 == 2) loader.batch(0);
    if (i % 4 == 3) std::this_thread::sleep_for(std::chrono::microseconds(50 * i));
  }
}

TEST_CASE("a steady loader takes its memory from the pool", "[loader]") {
  const Data data(3, 3, 40, 40);
  Pool::cpu().trim();
  Loader loader = data.loader({.crop = 33, .workers = 2, .ahead = 3});
  const std::size_t before = Pool::cpu().stats().allocations;
  for (std::uint64_t step = 0; step < 200; ++step) CHECK(loader.batch(step).rainy.is_sole_owner());
  CHECK(Pool::cpu().stats().allocations - before <= 2 * (3 + 1));  // those ahead and the one in use
}

TEST_CASE("options of a loader that cannot be", "[loader]") {
  const Data data(1, 1, 8, 8);
  CHECK(message_of<ShapeError>([&] { data.loader({.crop = 0}); }) ==
        "loader: crop 0, batch 1, workers 1, ahead 4, stride 1, expected 1 or more of each");
  CHECK_THROWS_AS(data.loader({.stride = 0}), ShapeError);
  CHECK_THROWS_AS(data.loader({.batch = 0}), ShapeError);
  CHECK_THROWS_AS(data.loader({.workers = 0}), ShapeError);
  CHECK_THROWS_AS(data.loader({.ahead = -1}), ShapeError);
}
