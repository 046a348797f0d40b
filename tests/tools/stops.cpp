// One rule for all programs: one that a signal stopped returns 128 + the signal, as a shell says of one that it ended.
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator.hpp"
#include "tools/programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;

namespace {

constexpr int image_count = 60;

// Two folders of images, and weights: enough to do that a signal comes in between.
const Workplace& workplace() {
  static const Workplace place;
  static const bool is_filled = [] {
    std::uint64_t seed = 0;
    for (const char* folder : {"rainy/", "clean/"})
      for (int i = 0; i < image_count; ++i)
        place.write(text(folder, 100 + i, ".png"), random_image(96, 96, 3, seed++));
    place.write("clean/alone.png", random_image(96, 96, 3, seed));
    Generator<float> generator(Random(1));
    write_checkpoint(place / "weights.pth", state_of(generator));
    return true;
  }();
  static_cast<void>(is_filled);
  return place;
}

// Starts the program, sends the signal once `file` is there, and returns what became of it. Without a file: once the program
// has said something.
Run stopped(const std::string& command, int signal, const std::string& file = "../err") {
  std::error_code ignored;
  fs::remove(workplace() / file, ignored);
  const pid_t program = workplace().start("exec " + command);
  wait_until([&] { return fs::exists(workplace() / file) && fs::file_size(workplace() / file) > 0; });
  kill(program, signal);
  return workplace().wait(program);
}

}  // namespace

TEST_CASE("a program that is stopped returns 128 + the signal", "[tools]") {
  for (const int signal : {SIGINT, SIGTERM}) {
    INFO("signal " << signal);
    const int code = 128 + signal;
    std::error_code ignored;
    for (const char* folder : {"out", "run"}) fs::remove_all(workplace() / folder, ignored);
    const std::string some_images = text(" of ", image_count, " images");

    check_error(stopped("nlcl-derain -i rainy -o out -w weights.pth", signal, "out/100.png"), code,
                some_images);
    // The image without a partner is named before the first is judged.
    const Run judged = stopped("nlcl-eval -i rainy -w weights.pth -t clean", signal);
    CHECK(judged.code == code);
    CHECK_THAT(judged.err, Catch::StartsWith("nlcl-eval: clean/alone.png: no image of this name in rainy\n"
                                             "nlcl-eval: stopped after ") &&
                               Catch::EndsWith(some_images + "\n"));

    const Run trained =
        stopped("nlcl-train --rainy rainy --clean clean --crop 40 --steps 100000 -o run --quiet", signal,
                "run/log.jsonl");
    CHECK(trained.code == code);
    CHECK(trained.err == "");
    CHECK(workplace().names("run/checkpoints").size() == 1);
    CHECK(fs::exists(workplace() / "run/report.html"));
  }
}

TEST_CASE("a program that cannot put off a stop ends by the signal", "[tools]") {
  // Its shell says so in the same words: 128 + the signal.
  const Run run = workplace()("nlcl-bench --repeat 1000000 & sleep 0.3; kill -TERM $!; wait $!");
  CHECK(run.code == 128 + SIGTERM);
}

TEST_CASE("the help of every program tells the codes of a stop", "[tools]") {
  for (const char* program : {"derain", "convert", "inspect", "train", "synth", "eval", "analyze", "bench"}) {
    INFO(program);
    const std::string help = workplace()(text("nlcl-", program, " --help")).out;
    CHECK_THAT(help, Catch::Contains("Exit codes: 0 ") && Catch::Contains("by Ctrl-C, 143 by SIGTERM"));
  }
}
