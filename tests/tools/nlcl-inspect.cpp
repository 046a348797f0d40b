#include <nlohmann/json.hpp>

#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Json = nlohmann::json;

namespace {

// A generator in both formats, and a checkpoint that is none.
Workplace& place() {
  static Workplace place;
  static const bool is_filled = [] {
    Generator<float> generator;
    write_checkpoint(place / "a.safetensors", state_of(generator, {{"note", "two\nlines"}}));
    write_checkpoint(place / "a.pth", state_of(generator));
    write_checkpoint(place / "other.safetensors", {{from_tensor("x", Tensor<float>::zeros({2, 3}))}, {}});
    place.write("text", "this is no checkpoint");
    return true;
  }();
  static_cast<void>(is_filled);
  return place;
}

}  // namespace

TEST_CASE("nlcl-inspect: as text", "[tools]") {
  const Run run = place()("nlcl-inspect a.safetensors -j 3 --size 40x50 --size 2160x3840");
  CHECK(run.code == 0);
  CHECK(run.err == "");
  const std::size_t size = place().content("a.safetensors").size();
  CHECK_THAT(run.out, Catch::StartsWith(text("a.safetensors: safetensors, 72 tensors, 316195 parameters, ",
                                             size, " bytes\n")));
  for (const char* line : {"  gen.16.model.1.conv.weight       F32  [32,32,3,3]\n",
                           "  gen.18.bias                      F32  [3]\n",
                           "metadata\n  note                             \"two\\nlines\"\n",
                           "a generator, which takes images whole; memory for inference with 3 threads\n  40 "
                           "x 50 pixels                   ",
                           "  2160 x 3840 pixels               2.4"})
    CHECK_THAT(run.out, Catch::Contains(line));
  CHECK(std::ranges::count(run.out, '\n') == 1 + 72 + 2 + 1 + 2);
}

TEST_CASE("nlcl-inspect: as JSON", "[tools]") {
  const Run run = place()("nlcl-inspect --json a.pth -j 2");
  CHECK(run.code == 0);
  CHECK(run.err == "");
  const Json found = Json::parse(run.out);
  CHECK(found["file"] == "a.pth");
  CHECK(found["format"] == "PyTorch");
  CHECK(found["bytes"] == place().content("a.pth").size());
  CHECK(found["tensors"].size() == 72);
  CHECK(found["tensors"][0] == Json{{"name", "gen.0.weight"}, {"dtype", "F32"}, {"shape", {32, 3, 3, 3}}});
  CHECK(found["parameters"] == 316195);
  CHECK(found["metadata"] == Json::object());
  CHECK(found["generator"] == true);
  CHECK(found["tile"] == 0);
  CHECK(found["memory"].size() == 3);
  CHECK(found["memory"][1] == Json{{"size", {512, 1024}}, {"bytes", GeneratorPlan::memory(512, 1024, 2)}});
  CHECK(Json::parse(place()("nlcl-inspect --json a.safetensors").out)["metadata"] ==
        Json{{"note", "two\nlines"}});
}

TEST_CASE("nlcl-inspect: a generator with tiles", "[tools]") {
  const Workplace& files = place();
  Generator<float> generator(Random(1));
  generator.set_tile(64);
  write_checkpoint(files / "tiled.safetensors", state_of(generator));
  CHECK_THAT(files("nlcl-inspect tiled.safetensors").out,
             Catch::Contains("a generator, which takes images in squares of 64; memory"));
  const Json found = Json::parse(files("nlcl-inspect tiled.safetensors --json -j 2").out);
  CHECK(found["tile"] == 64);
  CHECK(found["tensors"].size() == 73);
  CHECK(found["parameters"] == 316'195);
  CHECK(found["memory"][2]["bytes"] == GeneratorPlan::memory(2160, 3840, 2, 64));
}

TEST_CASE("nlcl-inspect: columns are those of a terminal", "[tools]") {
  const Workplace& files = place();
  StateFile file;
  for (const char* name : {"rain", "pluie été", "дождь", "雨"})
    file.tensors.push_back(from_tensor(name, Tensor<float>::zeros({2, 3})));
  write_checkpoint(files / "names.safetensors", file);
  std::istringstream lines(files("nlcl-inspect names.safetensors").out);
  std::string line;
  std::getline(lines, line);
  for (const RawTensor& tensor : file.tensors) {
    std::getline(lines, line);
    CHECK_THAT(line, Catch::StartsWith("  " + tensor.name + " "));
    CHECK(columns_of(line.substr(0, line.find("F32"))) == 2 + 32 + 1);
  }
}

TEST_CASE("nlcl-inspect: a checkpoint that is no generator", "[tools]") {
  const std::string reason = "checkpoint: no tensor 'gen.0.weight' among the 1 in the file";
  const Run run = place()("nlcl-inspect other.safetensors");
  CHECK(run.code == 0);
  CHECK_THAT(run.out, Catch::EndsWith("not a generator: " + reason + "\n"));
  const Json found = Json::parse(place()("nlcl-inspect other.safetensors --json").out);
  CHECK(found["generator"] == false);
  CHECK(found["reason"] == reason);
  CHECK_FALSE(found.contains("memory"));
}

TEST_CASE("nlcl-inspect: mistakes", "[tools]") {
  check_mistakes(
      place(), {
                   {"nlcl-inspect", 2, "FILE is required"},
                   {"nlcl-inspect none.pth", 2, "none.pth"},
                   {"nlcl-inspect .", 2, "FILE: expected a file, is a folder: ."},
                   {"nlcl-inspect a.pth a.pth", 2, "a.pth"},
                   {"nlcl-inspect a.pth --size 512", 2, "--size: expected HxW, is 512"},
                   {"nlcl-inspect a.pth --size 0x5", 2, "--size: expected HxW, is 0x5"},
                   {"nlcl-inspect a.pth --size 5x5x5", 2, "--size: expected HxW, is 5x5x5"},
                   {"nlcl-inspect a.pth --size 100001x5", 2, "--size: expected HxW, is 100001x5"},
                   {"nlcl-inspect a.pth -j 0", 2, "--threads: expected a whole number from 1 to 1024, is 0"},
                   {"nlcl-inspect text", 1, "text: "},
               });
  if (std::filesystem::exists("/dev/full"))
    check_error(place()("nlcl-inspect a.pth >/dev/full"), 1, "cannot write to standard output");
}
