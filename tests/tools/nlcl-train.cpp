#include <chrono>
#include <thread>

#include "nlcl/io/image.hpp"
#include "nlcl/io/safetensors.hpp"
#include "tools/programs.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Two small folders of pictures with something to see in them.
void write_pictures(const Workplace& place) {
  Random random(9);
  for (const std::string folder : {"rainy", "clean"})
    for (int i = 0; i < 3; ++i) {
      Image image{72, 80, 3, {}};
      for (Index p = 0; p < image.height * image.width * 3; ++p)
        image.pixels.push_back(static_cast<std::uint8_t>((p / 3 % 80) + (p / 240) + random.below(60)));
      place.write(text(folder, "/", i, ".png"), image);
    }
}

// Crops of 40 pixels: a step takes a fraction of a second.
const std::string small = "nlcl-train --rainy rainy --clean clean --crop 40 --decay 2 --seed 4 ";
const std::string train = small + "--steps 5 --save-every 1 --drawn-weight 0.5 ";

bool has_logged(const Workplace& place) {
  return std::filesystem::exists(place / "run/log.jsonl") && !place.content("run/log.jsonl").empty();
}

// The generators and the optimisers at the end of a run.
std::vector<std::byte> result(const Workplace& place, const std::string& run) {
  return read_file(place / (run + "/checkpoints/step-00000005.safetensors"));
}

}  // namespace

TEST_CASE("nlcl-train leaves what it says", "[train]") {
  const Workplace place;
  write_pictures(place);
  const Run run =
      place(train +
            "-o run --keep 2 --skip true --average 0.9 --accumulate 2 --back-patches 6 --chroma-weight 0.5 "
            "--identity-weight 0.1 --recomposition-weight 0.5 --recomposition-gain 1.5 "
            "--recomposition-high-pass 0.5 --recomposition-threshold 0.01");
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(run.out == "");
  CHECK_THAT(run.err, Catch::Contains("intrinsic dimension") && Catch::Contains("training needs about") &&
                          Catch::Contains("report.html"));
  CHECK(place.names("run") == Names{"checkpoints", "clean.safetensors", "config.toml", "log.jsonl",
                                    "rain.safetensors", "report.html", "samples"});
  CHECK(place.names("run/checkpoints") == Names{"step-00000004.safetensors", "step-00000005.safetensors"});
  const std::string log = place.content("run/log.jsonl");
  CHECK(std::ranges::count(log, '\n') == 5);
  for (const char* term : {"chroma", "identity", "recomposition", "drawn"})
    CHECK_THAT(log, Catch::Contains(term));

  // The weights tell how they were made, and not where.
  const std::string weights = place.content("run/clean.safetensors");
  CHECK_THAT(weights, Catch::Contains("3 rainy and 3 clean images") && Catch::Contains("back-patches=6"));
  CHECK_THAT(weights, !Catch::Contains((place / "rainy").string()) && !Catch::Contains("output="));
  CHECK(to_tensor<float>(read_safetensors(place / "run/clean.safetensors").at("gen.tile")).item() == 40);
  CHECK(place(small + "--steps 1 --quiet -o published").code == 0);
  CHECK_FALSE(read_safetensors(place / "published/clean.safetensors").find("gen.tile"));
  CHECK(place("nlcl-derain -i rainy/0.png -o out.png -w run/clean.safetensors").code == 0);
}

TEST_CASE("a training run has the same bits for any number of threads", "[train]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(train + "-o one -j 1 --quiet").code == 0);
  REQUIRE(place(train + "-o three -j 3 --quiet").code == 0);
  CHECK(result(place, "one") == result(place, "three"));
}

TEST_CASE("a run that was killed ends like one that was not", "[train]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(train + "-o whole --quiet").code == 0);
  const auto expected = result(place, "whole");

  Random random(11);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const std::string name = text("killed", attempt);
    const auto start = [&] {
      const bool has_begun = std::filesystem::exists(place / (name + "/config.toml"));
      return place.start("exec " +
                         (has_begun ? "nlcl-train --quiet --resume " + name : train + "--quiet -o " + name));
    };
    for (int kills = 0; kills < 6; ++kills) {
      const pid_t child = start();
      std::this_thread::sleep_for(std::chrono::milliseconds(100 + random.below(1500)));
      kill(child, SIGKILL);
      place.wait(child);
    }
    check_silent(place.wait(start()));
    CHECK(result(place, name) == expected);
    CHECK(place.content(name + "/clean.safetensors") == place.content("whole/clean.safetensors"));
    CHECK(std::ranges::count(place.content(name + "/log.jsonl"), '\n') == 5);
    for (const std::string folder : {"", "/checkpoints", "/samples"})
      CHECK(place.names(name + folder) == place.names("whole" + folder));  // no temporary files
  }
}

TEST_CASE("a run whose images vanish keeps its steps", "[train]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(train + "-o whole --quiet").code == 0);
  const pid_t child = place.start("exec " + small + "--steps 5 --image-memory 0 -o run --quiet");
  wait_until([&] { return has_logged(place); });
  std::filesystem::rename(place / "rainy", place / "elsewhere");
  const Run stopped = place.wait(child);
  if (stopped.code == 0) return;  // all batches had been read already
  check_error(stopped, 1, "rainy/");
  CHECK(place.names("run/checkpoints").size() == 1);
  std::filesystem::rename(place / "elsewhere", place / "rainy");
  check_silent(place("nlcl-train --quiet --resume run"));
  CHECK(result(place, "run") == result(place, "whole"));
}

TEST_CASE("a checkpoint that does not fit the disk leaves the one before", "[train]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(small + "--steps 2 -o run --quiet").code == 0);
  const Names before = place.names("run/checkpoints");
  const std::string checkpoint = "run/checkpoints/step-00000002.safetensors";
  const std::string content = place.content(checkpoint);
  // No file may grow beyond 1 MB here; the signal that goes with it is ignored, as on a full disk.
  const Run full = place("trap '' XFSZ; ulimit -f 2000; exec nlcl-train --quiet --resume run --steps 3");
  check_error(full, 1, "step-00000003.safetensors: File too large");
  CHECK(place.names("run/checkpoints") == before);
  CHECK(place.content(checkpoint) == content);
  check_silent(place("nlcl-train --quiet --resume run --steps 3"));
}

TEST_CASE("a run whose losses explode stops before it is saved", "[train]") {
  const Workplace place;
  write_pictures(place);
  check_error(place(small + "--steps 5 --lr 1e30 -o run --quiet"), 1, "nan at step 0");
  CHECK(place.names("run/checkpoints").empty());
}

TEST_CASE("Ctrl-C ends a run after its step, with a checkpoint", "[train]") {
  const Workplace place;
  write_pictures(place);
  const pid_t child =
      place.start("exec nlcl-train --rainy rainy --clean clean --crop 40 --steps 100000 -o run --quiet");
  wait_until([&] { return has_logged(place); });
  kill(child, SIGINT);
  CHECK(place.wait(child).code == 130);
  CHECK(place.names("run/checkpoints").size() == 1);
  CHECK(std::filesystem::exists(place / "run/report.html"));
}

TEST_CASE("nlcl-train says what is wrong", "[train]") {
  const Workplace place;
  write_pictures(place);
  place.write("empty/readme.txt", std::string_view("nothing"));
  check_mistakes(place,
                 {
                     {"nlcl-train", 2, "expected --rainy and --clean, or --data"},
                     {"nlcl-train --rainy rainy --clean clean", 2, "expected --output"},
                     {"nlcl-train --rainy rainy --clean clean --data . -o run", 2, "--data"},
                     {"nlcl-train --rainy none --clean clean -o run", 1, "none"},
                     {"nlcl-train --rainy empty --clean clean -o run --quiet", 1, "empty"},
                     {"nlcl-train --rainy rainy --clean clean -o run --crop 20", 2, "--crop"},
                     {"nlcl-train --rainy rainy --clean clean -o run --objective best", 2, "--objective"},
                     {"nlcl-train --rainy rainy --clean clean -o run --device cuda:99", 3, "cuda:99"},
                     {"nlcl-train --resume nowhere", 2, "nowhere"},
                 });
}

TEST_CASE("a run on other data begins with the networks of another", "[train]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(train + "-o first --quiet").code == 0);
  std::filesystem::rename(place / "rainy", place / "a");
  std::filesystem::rename(place / "clean", place / "b");
  const std::string next = "nlcl-train --rainy b --clean a --crop 40 --quiet ";
  check_silent(place(next + "-o second --start first --steps 2"));
  check_silent(place(next + "-o third --steps 2"));
  CHECK(place.content("second/clean.safetensors") != place.content("third/clean.safetensors"));

  // After a step of next to nothing the networks are those of the first run.
  check_silent(place(next + "-o fourth --start first --lr 1e-12 --steps 1"));
  const auto weights = [&](const std::string& run) {
    return to_tensor<float>(
        read_safetensors(place / (run + "/clean.safetensors")).at("gen.9.model.0.conv.weight"));
  };
  const Tensor<float> expected = weights("first"), found = weights("fourth");
  for (std::size_t i = 0; i < static_cast<std::size_t>(expected.size()); ++i)
    REQUIRE(std::abs(found.values()[i] - expected.values()[i]) < 1e-6f);

  check_error(place(next + "-o fifth --start nowhere --steps 2"), 2,
              "--start nowhere: expected the folder of a run");
  CHECK_FALSE(std::filesystem::exists(place / "nowhere"));
}

TEST_CASE("a run goes on with its own data only", "[train]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(train + "-o run --quiet").code == 0);
  check_error(place(train + "-o run --quiet"), 2, "has checkpoints of another run");
  std::filesystem::remove(place / "rainy/2.png");
  check_error(place("nlcl-train --resume run --quiet"), 2, "not those that the run was started with");
}
