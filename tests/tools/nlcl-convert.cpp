#include <algorithm>

#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator.hpp"
#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

RawTensor tensor(const std::string& name, DType dtype, const Shape& shape) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(shape.size()) * size_of(dtype));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(dtype == DType::boolean ? i % 2 : 37 * i);
  return {name, dtype, shape, bytes};
}

void check_same_tensors(const StateFile& found, const StateFile& expected) {
  REQUIRE(found.tensors.size() == expected.tensors.size());
  for (const RawTensor& tensor : expected.tensors) {
    INFO(tensor.name);
    CHECK(found.at(tensor.name).dtype == tensor.dtype);
    CHECK(found.at(tensor.name).shape == tensor.shape);
    CHECK(found.at(tensor.name).bytes == tensor.bytes);
  }
}

const std::string golden = source_path("tests/golden").string() + "/";

}  // namespace

TEST_CASE("nlcl-convert: both ways, numbers of every type", "[tools]") {
  const Workplace place;
  StateFile file;
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32,
                            DType::i16, DType::i8, DType::u8, DType::boolean})
    file.tensors.push_back(tensor(text("of.", dtype), dtype, {2, 3}));
  file.tensors.push_back(tensor("scalar", DType::f32, {}));
  file.tensors.push_back(tensor("empty", DType::f32, {0, 4}));
  write_checkpoint(place / "a.safetensors", file);

  Run run = place("nlcl-convert a.safetensors b.pth");
  CHECK(run.code == 0);
  CHECK(run.err == "");
  CHECK(run.out == text("b.pth: 12 tensors, 61 parameters, ", place.content("b.pth").size(), " bytes\n"));
  check_same_tensors(read_checkpoint(place / "b.pth"), file);

  CHECK(place("nlcl-convert b.pth c.safetensors && nlcl-convert c.safetensors d.pt").code == 0);
  check_same_tensors(read_checkpoint(place / "c.safetensors"), file);
  CHECK(place.content("d.pt") == place.content("b.pth"));
  CHECK(place.names(".") == Names{"a.safetensors", "b.pth", "c.safetensors", "d.pt"});
}

TEST_CASE("nlcl-convert: a checkpoint of PyTorch", "[tools]") {
  const Workplace place;
  for (const std::string name : {"tiny_state_dict", "tiny_float16"}) {
    CHECK(place("nlcl-convert " + golden + name + ".pth a.safetensors").code == 0);
    check_same_tensors(read_checkpoint(place / "a.safetensors"), read_checkpoint(golden + name + ".pth"));
  }
}

TEST_CASE("nlcl-convert: the mean of several", "[tools]") {
  const Workplace place;
  const auto write = [&](const std::string& name, const std::vector<float>& of_a, const std::string& second) {
    StateFile file;
    file.metadata["from"] = name;
    file.tensors.push_back(from_tensor("a", Tensor<float>({2, 2}, of_a)));
    file.tensors.push_back(from_tensor(second, Tensor<float>({1}, {of_a[0]})));
    if (name == "z.safetensors") std::ranges::reverse(file.tensors);
    write_checkpoint(place / name, file);
  };
  write("x.safetensors", {1, 2, 3, 4}, "b");
  write("y.safetensors", {2, 4, 6, -8}, "b");
  write("z.safetensors", {6, 0, 0, 1}, "b");
  write("w.safetensors", {6, 0, 0, 1}, "other");
  CHECK(place("nlcl-convert x.safetensors m.safetensors --mean y.safetensors --mean z.safetensors").code ==
        0);
  const StateFile mean = read_checkpoint(place / "m.safetensors");
  CHECK(mean.metadata.at("from") == "x.safetensors");
  const Tensor<float> a = to_tensor(mean.at("a"));
  CHECK(std::ranges::equal(a.values(), std::vector<float>{3, 2, 3, -1}));
  CHECK(to_tensor(mean.at("b")).item() == 3);

  const Run other = place("nlcl-convert x.safetensors n.safetensors --mean w.safetensors");
  CHECK(other.code == 1);
  CHECK_THAT(other.err, Catch::Contains("w.safetensors: no tensor 'b'"));
  check_error(place("nlcl-convert x.safetensors y.safetensors --mean y.safetensors"), 2,
              "y.safetensors would overwrite the input");
  CHECK(place("nlcl-convert x.safetensors n.safetensors --mean absent.safetensors").code == 2);
  CHECK_FALSE(place.names(".").contains("n.safetensors"));
}

TEST_CASE("nlcl-convert: one network of many", "[tools]") {
  const Workplace place;
  StateFile file, alone;
  file.metadata["step"] = "7";
  for (const std::string network : {"G_B", "average.G_B", "G_Bx"})
    file.tensors.push_back(
        from_tensor(network + ".gen.0.weight", Tensor<float>::full({2}, static_cast<float>(network.size()))));
  alone.tensors.push_back(from_tensor("gen.0.weight", Tensor<float>::full({2}, 3)));
  write_checkpoint(place / "run.safetensors", file);
  CHECK(place("nlcl-convert run.safetensors back.safetensors --part G_B").code == 0);
  const StateFile back = read_checkpoint(place / "back.safetensors");
  check_same_tensors(back, alone);
  CHECK(back.metadata.at("step") == "7");
  CHECK(place("nlcl-convert run.safetensors mean.safetensors --part G_B --mean run.safetensors").code == 0);
  check_same_tensors(read_checkpoint(place / "mean.safetensors"), alone);

  const Run none = place("nlcl-convert run.safetensors none.safetensors --part G");
  CHECK(none.code == 1);
  CHECK_THAT(none.err, Catch::Contains("begins with 'G.'"));
}

TEST_CASE("nlcl-convert: the tile of a generator", "[tools]") {
  const Workplace place;
  Generator<float> generator(Random(1));
  write_checkpoint(place / "whole.safetensors", state_of(generator));
  const Run tiled = place("nlcl-convert whole.safetensors a.pth --tile 96");
  CHECK(tiled.code == 0);
  CHECK_THAT(tiled.out, Catch::Contains("73 tensors, 316195 parameters"));  // the tile is none
  CHECK(place("nlcl-convert a.pth b.safetensors --tile 64").code == 0);
  generator.set_tile(64);
  check_same_tensors(read_checkpoint(place / "b.safetensors"), state_of(generator));
  CHECK(place("nlcl-convert b.safetensors c.safetensors --tile 0").code == 0);
  CHECK(place.content("c.safetensors") == place.content("whole.safetensors"));

  write_checkpoint(place / "x.safetensors", {{tensor("x", DType::f32, {3})}, {}});
  check_error(place("nlcl-convert x.safetensors y.safetensors --tile 96"), 1,
              "--tile is for a generator: checkpoint: no tensor 'gen.0.weight'");
}

TEST_CASE("nlcl-convert: the content decides what the input is", "[tools]") {
  const Workplace place;
  const StateFile file{{tensor("x", DType::f32, {3})}, {}};
  write_checkpoint(place / "a.pth", file);
  std::filesystem::rename(place / "a.pth", place / "a.safetensors");
  CHECK(place("nlcl-convert a.safetensors b.safetensors").code == 0);
  check_same_tensors(read_safetensors(place / "b.safetensors"), file);
}

TEST_CASE("nlcl-convert: metadata", "[tools]") {
  const Workplace place;
  const StateFile file{{tensor("x", DType::f32, {3})}, {{"epoch", "7"}, {"origin", "here"}}};
  write_checkpoint(place / "a.safetensors", file);
  CHECK(place("nlcl-convert a.safetensors b.safetensors --metadata epoch=8 --metadata 'note=a=b c'").err ==
        "");
  CHECK(read_checkpoint(place / "b.safetensors").metadata ==
        std::map<std::string, std::string>{{"epoch", "8"}, {"note", "a=b c"}, {"origin", "here"}});
  CHECK(place("nlcl-convert --metadata epoch= a.safetensors c.safetensors").code == 0);
  CHECK(read_checkpoint(place / "c.safetensors").metadata.at("epoch") == "");

  const Run run = place("nlcl-convert a.safetensors b.pth");
  CHECK(run.code == 0);
  CHECK(run.err ==
        "nlcl-convert: 2 entries of metadata are left out, a PyTorch checkpoint has no place for them\n");
  check_same_tensors(read_checkpoint(place / "b.pth"), file);
}

TEST_CASE("nlcl-convert: mistakes", "[tools]") {
  const Workplace place;
  write_checkpoint(place / "a.safetensors", {{tensor("x", DType::u32, {3})}, {}});
  place.write("folder/text.pth", "this is no checkpoint");
  place.write("half.safetensors", place.content("a.safetensors").substr(0, 50));
  const std::string from_a = "nlcl-convert a.safetensors ";
  check_mistakes(
      place,
      {
          {"nlcl-convert", 2, "IN is required"},
          {from_a, 2, "OUT is required"},
          {from_a + "b.pth c.pth", 2, "c.pth"},
          {from_a + "b.pth --force", 2, "--force"},
          {"nlcl-convert none.pth b.pth", 2, "none.pth"},
          {"nlcl-convert folder b.pth", 2, "IN: expected a file, is a folder: folder"},
          {from_a + "b.onnx", 2, "b.onnx: the name ends in '.onnx', expected .pth, .pt or"},
          {from_a + "b", 2, "b: the name ends in ''"},
          {from_a + "a.safetensors", 2, "a.safetensors would overwrite the input"},
          {from_a + "folder/../a.safetensors", 2, "would overwrite the input"},
          {from_a + "b.safetensors --tile 31", 2, "--tile 31: expected 0, or 32 to 65536"},
          {from_a + "b.safetensors --tile -1", 2, "--tile: expected a whole number from 0 to 65536, is -1"},
          {from_a + "b.safetensors --metadata epoch", 2, "expected KEY=VALUE in UTF-8, is epoch"},
          {from_a + "b.safetensors --metadata =7", 2, "expected KEY=VALUE in UTF-8, is =7"},
          {from_a + "b.pth --metadata epoch=7", 2, "no place for --metadata"},
          {"nlcl-convert folder/text.pth b.pth", 1, "folder/text.pth: "},
          {"nlcl-convert half.safetensors b.pth", 1, "half.safetensors: safetensors: truncated"},
          {from_a + "b.pth", 1, "'x' has dtype U32"},
          {from_a + "none/b.safetensors", 1, "cannot write none/b.safetensors"},
          {from_a + "folder/text.pth/b.safetensors", 1, "cannot write"},
      });
  if (std::filesystem::exists("/dev/full"))
    check_error(place(from_a + "b.safetensors >/dev/full"), 1, "cannot write to standard output");
}
