#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "nlcl/io/image.hpp"
#include "nlcl/io/safetensors.hpp"
#include "nlcl/version.hpp"
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
            "--recomposition-high-pass 0.5 --recomposition-threshold 0.01 --log-gradients 2");
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(run.out == "");
  CHECK_THAT(run.err, Catch::Contains("intrinsic dimension") && Catch::Contains("training needs about") &&
                          Catch::Contains("report.html"));
  CHECK(place.names("run") == Names{"checkpoints", "clean.safetensors", "config.toml", "log.jsonl",
                                    "rain.safetensors", "report.html", "run.json", "samples"});
  CHECK(place.names("run/checkpoints") == Names{"step-00000004.safetensors", "step-00000005.safetensors"});
  const std::string log = place.content("run/log.jsonl");
  CHECK(std::ranges::count(log, '\n') == 5);
  for (const char* term : {"chroma", "identity", "recomposition", "drawn"})
    CHECK_THAT(log, Catch::Contains(term));
  std::vector<int> watched;
  std::istringstream log_lines(log);
  for (std::string line; std::getline(log_lines, line);) {
    const auto step = nlohmann::json::parse(line);
    if (!step.contains("gradients")) continue;
    watched.push_back(step["step"]);
    CHECK(step["gradients"]["adversarial"]["B"] > 0);
  }
  CHECK(watched == std::vector{1, 2, 4});

  // What the run is, as data, and not where its images lie.
  const auto facts = nlohmann::json::parse(place.content("run/run.json"));
  CHECK(facts["objective"] == "asymmetric");
  CHECK(facts["steps"] == 5);
  CHECK(facts["nlcl"] == version);
  const auto& options = facts["options"];
  CHECK(options["crop"] == 40);
  CHECK(options["skip"] == true);
  CHECK(options["chroma-weight"] == 0.5);
  CHECK(options["device"] == "cpu");  // as the environment of these tests says
  CHECK_THAT(options["compactness"].get<std::string>(), Catch::Contains(","));
  for (const char* path : {"rainy", "clean", "data", "output", "start"}) CHECK_FALSE(options.contains(path));
  CHECK_THAT(place.content("run/report.html"),
             Catch::Contains("5 of 5") && Catch::Contains("<dd>asymmetric</dd>"));

  // The weights tell how they were made, and not where. Their options are lines of the configuration.
  const auto metadata = read_safetensors(place / "run/clean.safetensors").metadata;
  std::string without_paths;
  std::istringstream lines(place.content("run/config.toml"));
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find('='));
    if (!Names{"rainy", "clean", "data", "output", "start"}.contains(name)) without_paths += line + '\n';
  }
  CHECK(metadata.at("options") == without_paths);
  const std::string weights = place.content("run/clean.safetensors");
  CHECK_THAT(weights, Catch::Contains("3 rainy and 3 clean images") && Catch::Contains("back-patches=6"));
  CHECK_THAT(weights, !Catch::Contains((place / "rainy").string()) && !Catch::Contains("output="));
  CHECK(to_tensor<float>(read_safetensors(place / "run/clean.safetensors").at("gen.tile")).item() == 40);
  CHECK(place(small + "--steps 1 --quiet -o published").code == 0);
  CHECK_FALSE(read_safetensors(place / "published/clean.safetensors").find("gen.tile"));
  CHECK(place("nlcl-derain -i rainy/0.png -o out.png -w run/clean.safetensors").code == 0);
}

TEST_CASE("a run of before run.json goes on, and gets one", "[train][run]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(small + "--steps 2 -o run --quiet").code == 0);
  std::filesystem::remove(place / "run/run.json");
  check_silent(place("nlcl-train --resume run --quiet --steps 3"));
  CHECK(nlohmann::json::parse(place.content("run/run.json"))["steps"] == 3);
  CHECK_THAT(place.content("run/report.html"), Catch::Contains("3 of 3"));
}

TEST_CASE("a training run has the same bits for any number of threads", "[train][run]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(train + "-o one -j 1 --quiet").code == 0);
  REQUIRE(place(train + "-o three -j 3 --quiet").code == 0);
  CHECK(result(place, "one") == result(place, "three"));
}

TEST_CASE("a run that was killed ends like one that was not", "[train][run]") {
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

TEST_CASE("a run whose images vanish keeps its steps", "[train][run]") {
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

TEST_CASE("a checkpoint that does not fit the disk leaves the one before", "[train][run]") {
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

TEST_CASE("a run goes on however one says it", "[train][run]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(small + "--steps 1 -o run --quiet").code == 0);
  int steps = 1;
  for (const char* command :
       {"nlcl-train --resume run --steps ", "nlcl-train --resume=run --steps ",
        "nlcl-train --quiet --resume=./run --steps ", "cd run && nlcl-train --resume=. --steps "}) {
    INFO(command);
    CHECK(place(text(command, ++steps)).code == 0);
    CHECK(std::ranges::count(place.content("run/log.jsonl"), '\n') == steps);
  }
  std::filesystem::rename(place / "run", place / "--steps");  // what looks like an option may be a value
  CHECK(place(text("nlcl-train --resume --steps --quiet --steps ", ++steps)).code == 0);
  CHECK(std::ranges::count(place.content("--steps/log.jsonl"), '\n') == steps);
  std::filesystem::rename(place / "--steps", place / "run");

  check_mistakes(place,
                 {
                     {"nlcl-train -o --resume run", 2, "run"},       // the folder of a new run has this name
                     {"nlcl-train -- --resume run", 2, "--resume"},  // no options behind --
                     {"nlcl-train --resume", 2, "--resume"},
                     {"nlcl-train --resume=", 2, "--resume"},
                     {"nlcl-train --resume=nowhere", 2, "nowhere/config.toml"},
                     {"nlcl-train --resume=run -o other", 2, "--output"},
                     {"nlcl-train -o other --resume=run", 2, "--output"},
                     {"nlcl-train --resume=run --resume=run", 2, "--resume"},
                     {"nlcl-train --resume=run --config run/config.toml", 2, "--config"},
                 });
}

TEST_CASE("the weight of each term is an option that says what it means", "[train]") {
  const Workplace place;
  const std::string help = place("nlcl-train --help").out;
  for (const char* term : {"adversarial", "location", "layer", "consistency", "sparsity", "chroma",
                           "identity", "recomposition", "drawn"})
    CHECK_THAT(help, Catch::Contains(text("--", term, "-weight X")));
  CHECK_THAT(help,
             Catch::Contains("(patches of O are found again in B; patches of a clean image are found again "
                             "in I)"));
}

TEST_CASE("options that were named otherwise once are still known, also to an old configuration",
          "[train][run]") {
  const Workplace place;
  write_pictures(place);
  place.write("old.toml", std::string_view("back-patches=5\ntemperature-back=0.5\nlocation-weight=0\n"));
  const std::string quiet = small + "--steps 1 --quiet ";
  check_silent(place(quiet + "--config old.toml -o old"));
  check_silent(
      place(quiet + "--background-patches 5 --temperature-background 0.5 --location-weight 0 -o new"));
  for (const char* option : {"back-patches=5\n", "temperature-back=0.5\n", "location-weight=0\n"})
    for (const std::string run : {"old", "new"})
      CHECK_THAT(place.content(run + "/config.toml"), Catch::Contains(option));
  CHECK(place.content("old/log.jsonl").find("location") == std::string::npos);
  CHECK(place.content("old/rain.safetensors") == place.content("new/rain.safetensors"));
}

TEST_CASE("a run may lie wherever a file system lets it", "[train][run]") {
  const Workplace place;
  write_pictures(place);
  const std::string odd = "a #b 'c' \"d\" [e, f] = g\n\\n\t{h} %25 \xff\xe9\x9b \xe9\x9b\xa8";
  for (const char* folder : {"rainy", "clean"})
    std::filesystem::rename(place / folder, place / (odd + folder));
  std::string quoted;  // for the shell
  for (const char c : odd) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  const auto in = [&](const std::string& name) { return "'" + quoted + name + "' "; };
  check_silent(place("nlcl-train --quiet --crop 40 --decay 0 --steps 1 --rainy " + in("rainy") + "--clean " +
                     in("clean") + "-o " + in("run")));
  check_silent(place("nlcl-train --quiet --steps 2 --resume " + in("run")));
  CHECK(place.names(odd + "run/checkpoints").size() == 2);
  CHECK_THAT(place.content(odd + "run/report.html"), Catch::Contains("2 of 2"));

  // As the programs of before wrote it.
  place.write("old.toml", std::string_view("output=\"run\"\nobjective='asymmetric'\nlr=1e-04\nskip=true\n"
                                           "compactness=\"0.8,1.2\"\n"));
  check_silent(place("nlcl-train --quiet --crop 40 --decay 0 --steps 1 --config old.toml --rainy " +
                     in("rainy") + "--clean " + in("clean")));
}

TEST_CASE("nlcl-train leaves alone what is not of its run", "[train]") {
  const Workplace place;
  write_pictures(place);
  place.write("run/notes.tmp", std::string_view("mine"));
  place.write("run/checkpoints/kept.tmp", std::string_view("mine"));
  place.write("other/log.jsonl", std::string_view("mine"));
  place.write("bad/checkpoints/notes", std::string_view("mine"));
  const std::string start = small + "--steps 1 --quiet ";
  check_error(place(start + "-o other"), 2, "other/log.jsonl: would be overwritten, and is of no run; use ");
  check_error(place(start + "-o new --start nowhere"), 2, "--start nowhere: expected the folder of a run");
  CHECK_FALSE(std::filesystem::exists(place / "new"));
  CHECK(place.names("other") == Names{"log.jsonl"});

  // A run that has not got to a checkpoint begins again, and loses its log only when all is well.
  place.write("run/run.json", std::string_view("{\"nlcl\":\"1.0.0\"}"));
  place.write("run/log.jsonl", std::string_view("{\"step\":1}\n"));
  check_error(place(start + "-o run --start nowhere"), 2, "--start nowhere");
  write_safetensors(place / "bad/checkpoints/step-00000001.safetensors", {});
  check_error(place(start + "-o run --start bad"), 1, "checkpoint: ");
  CHECK(place.content("run/log.jsonl") == "{\"step\":1}\n");
  check_silent(place(start + "-o run"));
  CHECK(place.content("run/notes.tmp") == "mine");
  CHECK(place.content("run/checkpoints/kept.tmp") == "mine");
}

TEST_CASE("nlcl-train takes numbers that are some, and says which", "[train]") {
  const Workplace place;
  const std::string begin = "nlcl-train --rainy rainy --clean clean -o run ";
  check_mistakes(
      place, {
                 {begin + "--lr 0", 2, "--lr: expected a number above 0, is 0 (see"},
                 {begin + "--lr nan", 2, "--lr: expected a number above 0, is nan"},
                 {begin + "--lr inf", 2, "--lr: expected a number above 0, is inf"},
                 {begin + "--lr 1e999", 2, "--lr: expected a number above 0, is 1e999"},
                 {begin + "--lr fast", 2, "--lr: expected a number above 0, is fast"},
                 {begin + "--average nan", 2, "--average: expected a number from 0 to 0.99999, is nan"},
                 {begin + "--location-weight -1", 2, "expected a number of 0 or more, is -1"},
                 {begin + "--location-weight nan", 2, "expected a number of 0 or more, is nan"},
                 {begin + "--steps 0", 2, "--steps: expected a whole number from 1 to 2147483648, is 0"},
                 {begin + "--steps 1.5", 2, "expected a whole number from 1 to 2147483648, is 1.5"},
                 {begin + "--seed -1", 2, "--seed: expected a whole number of 0 or more, is -1"},
                 {begin + "--seed 99999999999999999999", 2, "expected a whole number of 0 or more, is 999"},
                 {begin + "--decay 010", 2, "--decay: expected a whole number of 0 or more, is 010"},
                 {begin + "--decay all", 2, "--decay: expected a whole number of 0 or more, is all"},
                 {begin + "-j 0", 2, "--threads: expected a whole number from 1 to 1024, is 0"},
             });
  write_pictures(place);
  for (const char* weights : {"inf,1", "1,nan", "-1,1", "1", "1,", "1,2,3", "0x1,1", " 1,1", ""})
    check_error(place(small + "--steps 1 --quiet -o run --compactness '" + weights + "'"), 2,
                text("--compactness is '", weights, "', expected two weights as in 0.8,1.2, or measured"));
}

TEST_CASE("a configuration that is none is refused", "[train]") {
  const Workplace place;
  place.write("picture.png", random_image(8, 8, 3));
  place.write("page.toml", std::string_view("[page]\ntitle = \"mine\"\n"));
  place.write("typo.toml", std::string_view("crop=40\n\nstpes=5\n"));
  place.write("word.toml", std::string_view("objective=asymmetric\n"));
  place.write("flag.toml", std::string_view("quiet=true\n"));
  place.write("folder/a", std::string_view(""));
  const std::string config = "nlcl-train --config ";
  check_mistakes(place,
                 {
                     {config + "picture.png", 2, "picture.png: line 1: expected name=value, is \\x89PNG"},
                     {config + "page.toml", 2, "page.toml: line 1: expected name=value, is [page]"},
                     {config + "typo.toml", 2, "typo.toml: no option of a run is named stpes"},
                     {config + "word.toml", 2, "a text in quotes for objective, is asymmetric"},
                     {config + "flag.toml", 2, "no option of a run is named quiet"},
                     {config + "folder", 2, "--config: expected a file, is a folder: folder"},
                     {config + "none.toml", 2, "--config: no such file or folder: none.toml"},
                 });
}

TEST_CASE("a folder that may not be entered is left out, not the rest", "[train]") {
  const Workplace place;
  write_pictures(place);
  const Run run = place.as_ordinary_user(
      "mkdir locked; ln -s ../locked rainy/linked; ln -s ../locked/a.png rainy; chmod 0 locked; " + small +
      "--steps 1 -o run; code=$?; chmod 700 locked; exit $code");
  CHECK(run.code == 0);
  CHECK_THAT(run.err, Catch::Contains("left out: cannot read rainy/a.png: Permission denied"));
  CHECK_THAT(run.err, Catch::Contains("left out: cannot read rainy/linked: Permission denied"));
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
                     {"nlcl-train --rainy rainy --clean clean -o run --found rainy", 2, "--drawn-weight"},
                     {train + "-o run --quiet --found empty", 1, "empty"},
                 });
}

TEST_CASE("a run on other data begins with the networks of another", "[train][run]") {
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

TEST_CASE("a run goes on with its own data only", "[train][run]") {
  const Workplace place;
  write_pictures(place);
  REQUIRE(place(train + "-o run --quiet").code == 0);
  check_error(place(train + "-o run --quiet"), 2, "has checkpoints of another run");
  std::filesystem::remove(place / "rainy/2.png");
  check_error(place("nlcl-train --resume run --quiet"), 2, "not those that the run was started with");
}

TEST_CASE("rain that was found before is laid over clean images, also of a run that goes on",
          "[train][run]") {
  const Workplace place;
  write_pictures(place);
  for (const char* name : {"0.png", "2.png"})
    place.write(text("derained/", name), Image{72, 80, 3, std::vector<std::uint8_t>(72 * 80 * 3)});
  const std::string options = "--found derained --found-share 1 ";
  const Run run = place(train + options + "-o run");
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK_THAT(run.err, Catch::Contains("rain of 2 rainy images"));
  CHECK_THAT(place.content("run/run.json"), !Catch::Contains("derained"));  // a path is nobody's business
  check_silent(place(train + "-o without --quiet"));
  CHECK(result(place, "run") != result(place, "without"));

  std::filesystem::remove(place / "run/checkpoints/step-00000005.safetensors");
  const std::vector<std::byte> expected = read_file(place / "run/clean.safetensors");
  check_silent(place("nlcl-train --resume run --quiet"));
  CHECK(read_file(place / "run/clean.safetensors") == expected);
  place.write("derained/0.png", Image{72, 80, 3, std::vector<std::uint8_t>(72 * 80 * 3, 9)});
  check_error(place("nlcl-train --resume run --quiet"), 2, "not those that the run was started with");
}
