// Names out of files and folders are anybody's: whatever their bytes are, a program shows them, and a terminal has nothing to
// obey. An error is one line.
#include <nlohmann/json.hpp>

#include "nlcl/core/printable.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator.hpp"
#include "tools/programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;

namespace {

// Colours the terminal, sets its title, begins a line that looks like one of the program's, turns the text, and is not UTF-8.
// As a name of files it may be part of a shell's word in single quotes.
const std::string hostile =
    "\x1b[31m\x1b]0;title\x07\nnlcl: all is well\r\xe2\x80\xae\xc2\x9b"
    "1m\xff\x7f";
const std::string shown = printable(hostile);
const std::string quoted = "'" + hostile + "'";

// All of it in UTF-8, as names in JSON have to be.
const std::string hostile_text = hostile.substr(0, hostile.find('\xff'));

// Only lines that a terminal shows as they are.
void check_shown(const std::string& said) {
  CHECK_THAT(said, !Catch::Contains("\x1b"));
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) CHECK(printable(line) == line);
}

// A run that fails, and what it says about the name.
void check_hostile(const Run& run, int code, const std::string& expected) {
  check_error(run, code, expected);
  check_shown(run.err);
}

// One tensor and metadata with such names, and a folder with an image that is one and one that is none.
class Hostile : public Workplace {
 public:
  Hostile() {
    const StateFile file{{from_tensor(hostile_text, Tensor<float>::zeros({2, 3}))},
                         {{hostile_text, hostile_text}}};
    write_checkpoint(*this / (hostile + ".safetensors"), file);
    write("in/" + hostile + ".png", random_image(72, 80, 3));
    write("in/none " + hostile + ".png", "this is no image");
    Generator<float> generator(Random(1));
    write_checkpoint(*this / "weights.pth", state_of(generator));
  }
};

}  // namespace

TEST_CASE("hostile names: nlcl-inspect", "[tools]") {
  const Hostile place;
  const std::string inspect = "nlcl-inspect '" + hostile;
  const Run listing = place(inspect + ".safetensors'");
  CHECK(listing.code == 0);
  CHECK(listing.err == "");
  CHECK(std::ranges::count(listing.out, '\n') == 1 + 1 + 2 + 1);
  CHECK_THAT(listing.out, Catch::StartsWith(shown) && Catch::Contains("\n  " + printable(hostile_text)));
  check_shown(listing.out);

  const Run json = place(inspect + ".safetensors' --json");
  CHECK(json.code == 0);
  check_shown(json.out);
  const nlohmann::json found = nlohmann::json::parse(json.out);
  CHECK(found["tensors"][0]["name"] == hostile_text);
  CHECK(found["metadata"] == nlohmann::json{{hostile_text, hostile_text}});

  const StateFile bytes{{from_tensor(hostile, Tensor<float>::zeros({2, 3}))}, {}};  // pickles know no UTF-8
  write_checkpoint(place / "a.pth", bytes);
  const Run pickle = place("nlcl-inspect a.pth");
  CHECK(pickle.code == 0);
  CHECK_THAT(pickle.out, Catch::Contains(shown));
  check_shown(pickle.out);
  const Run pickle_json = place("nlcl-inspect a.pth --json");
  CHECK(nlohmann::json::parse(pickle_json.out)["tensors"].size() == 1);
  check_shown(pickle_json.out);

  std::vector<std::byte> broken;
  append_little<std::uint64_t>(broken, hostile.size() + 2);
  append(broken, "{\"" + hostile);
  place.write("broken", broken);
  check_hostile(place("nlcl-inspect broken"), 1, "the header is not JSON");
  check_hostile(place(inspect + "'"), 2, shown);
  check_hostile(place("nlcl-inspect a.pth --size " + quoted), 2, "expected HxW, is " + shown);
}

TEST_CASE("hostile names: nlcl-convert", "[tools]") {
  const Hostile place;
  const std::string convert = "nlcl-convert '" + hostile + ".safetensors' ";
  const Run run = place(convert + "'" + hostile + ".pth'");
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Catch::StartsWith(shown + ".pth: 1 tensors"));
  check_shown(run.out);
  CHECK_THAT(run.err, Catch::StartsWith("nlcl-convert: 1 entries of metadata"));
  CHECK(read_checkpoint(place / (hostile + ".pth")).tensors[0].name == hostile_text);

  check_hostile(place(convert + quoted), 2, shown + ": the name ends in ");
  check_hostile(place(convert + "b.pth --part " + quoted), 1, "begins with '" + shown);
  check_hostile(place(convert + "b.safetensors --metadata " + quoted), 2,
                "expected KEY=VALUE in UTF-8, is " + shown);
  check_hostile(place(convert + "b.safetensors " + quoted), 2, shown);
  check_hostile(place(convert + "'none" + hostile + "/b.pth'"), 1, "cannot write none" + shown);
  write_checkpoint(place / "a.pth", {{from_tensor(hostile, Tensor<float>::zeros({2, 3}))}, {}});
  check_hostile(place("nlcl-convert a.pth a.safetensors"), 1, "safetensors: ");
  check_hostile(place("nlcl-convert a.pth b.pth --mean weights.pth"), 1, "weights.pth: ");
  check_hostile(place("nlcl-convert a.pth b.pth --tile 64"), 1, "--tile is for a generator");
}

TEST_CASE("hostile names: nlcl-derain and nlcl-synth", "[tools]") {
  const Hostile place;
  const std::string derain = "nlcl-derain -w weights.pth ";
  for (const std::string& command : {derain, std::string("nlcl-synth ")}) {
    check_hostile(place(command + "-i in -o out"), 1, "in/none " + shown + ".png: image: neither");
    CHECK(fs::exists(place / ("out/" + hostile + ".png")));
    check_hostile(place(command + "-i none" + quoted + " -o out"), 2, "none" + shown);
    check_hostile(place(command + "-i in -o 'weights.pth/" + hostile + "'"), 2, shown + ": Not a directory");
  }
  const Run verbose = place(derain + "-v -i in -o out");
  CHECK(std::ranges::count(verbose.err, '\n') == 2);
  CHECK_THAT(verbose.err, Catch::StartsWith("in/" + shown + ".png: 72 x 80 pixels"));
  check_shown(verbose.err);
  const std::string weights = "nlcl-derain -i in -o out -w '" + hostile + ".safetensors'";
  check_hostile(place(weights), 2, shown + ".safetensors: checkpoint: no tensor 'gen.0.weight'");
}

TEST_CASE("hostile names: nlcl-eval and nlcl-analyze", "[tools]") {
  const Hostile place;
  place.write("truth/" + hostile + ".png", random_image(72, 80, 3));
  const Run judged = place("nlcl-eval -r in -t truth");
  CHECK(judged.code == 1);
  CHECK_THAT(judged.err,
             Catch::StartsWith("nlcl-eval: in/none " + shown + ".png: no image of this name in truth\n"));
  CHECK_THAT(judged.out, Catch::Contains(shown));
  check_shown(judged.err);
  check_shown(judged.out);
  check_hostile(place("nlcl-eval -r in -t none" + quoted), 2, "none" + shown);
  check_hostile(place("nlcl-eval -r in -t truth --niqe " + quoted), 2, shown);
  check_hostile(place("nlcl-eval -r in -t truth --sheet " + quoted), 2, shown + ": the name ends in ");

  const Run measured = place("nlcl-analyze --back in --rain truth --groups 2 --count 12");
  CHECK(measured.code == 1);
  CHECK_THAT(measured.err, Catch::StartsWith("nlcl-analyze: in/none " + shown + ".png: image: neither"));
  check_shown(measured.err);
  check_hostile(place("nlcl-analyze --back in --rain truth --points " + quoted), 2,
                shown + ", expected pixels");
  check_hostile(place("nlcl-analyze --back in --rain truth --plot " + quoted), 2,
                shown + ": the name ends in ");
}

TEST_CASE("hostile names: nlcl-train and nlcl-bench", "[tools]") {
  const Hostile place;
  place.write("good/a.png", random_image(72, 80, 3, 1));
  place.write("dry/a.png", random_image(72, 80, 3, 2));
  const std::string train = "nlcl-train --crop 40 --decay 0 --steps 1 --clean dry --rainy ";
  const Run run = place(train + "in -o 'run\x1b[31m'");
  CHECK(run.code == 0);
  CHECK_THAT(run.err, Catch::Contains("left out: in/none " + shown + ".png: image: neither") &&
                          Catch::EndsWith("run\\u001b[31m/report.html\n"));
  check_shown(run.err);
  check_hostile(place(train + quoted + " -o run"), 1, "cannot read " + shown + ": no such folder");
  check_hostile(place(train + "good -o run --objective " + quoted), 2, shown);
  check_hostile(place(train + "good --quiet -o run --compactness " + quoted), 2,
                "--compactness is '" + shown);
  check_hostile(place("nlcl-train --resume=" + quoted), 2, shown + "/config.toml");
  check_hostile(place(train + "good --quiet -o other --start " + quoted), 2, "--start " + shown);
  check_hostile(place("nlcl-bench " + quoted), 2, "no benchmark '" + shown);
}
