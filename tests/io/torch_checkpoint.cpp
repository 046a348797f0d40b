#include "nlcl/io/torch_checkpoint.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "nlcl/io/safetensors.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/paths.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

// Pickles by hand: each function is the program that leaves one object on the stack.
std::string string(std::string_view value) {
  return text('X', static_cast<char>(value.size()), std::string(3, '\0'), value);
}
std::string integer(int value) {
  std::vector<std::byte> out = bytes("J");
  append_little(out, static_cast<std::uint32_t>(value));
  return std::string(text_of(out));
}
std::string tuple(std::initializer_list<std::string> items) {
  std::string result = "(";
  for (const std::string& item : items) result += item;
  return result + "t";
}
std::string global(std::string_view module, std::string_view name) {
  return text('c', module, '\n', name, '\n');
}
const std::string ordered_dict = global("collections", "OrderedDict") + ")R";
const std::string rebuild = global("torch._utils", "_rebuild_tensor_v2");

std::string storage(const std::string& type, const std::string& key, int count) {
  return tuple({string("storage"), global("torch", type), string(key), string("cpu"), integer(count)}) + "Q";
}
std::string view(const std::string& of, const std::string& offset, const std::string& size,
                 const std::string& stride) {
  return rebuild + tuple({of, offset, size, stride, "\x89", ordered_dict}) + "R";
}
const std::string floats = storage("FloatStorage", "0", 6);
const std::string vector6 = view(floats, integer(0), tuple({integer(6)}), tuple({integer(1)}));

std::string program(const std::string& object) { return "\x80\x02" + object + "."; }
std::string dict(const std::string& items) { return program("}(" + items + "u"); }
std::string dict_of(const std::string& value) { return dict(string("x") + value); }

// An archive with that pickle and one storage of the floats 0, 1, ... 5.
std::vector<std::byte> archive_of(const std::string& pickle, const std::string& root = "archive/",
                                  std::vector<ZipEntry> more = {}) {
  static const float values[] = {0, 1, 2, 3, 4, 5};
  more.push_back({root + "data.pkl", bytes_of(pickle)});
  more.push_back({root + "data/0", std::as_bytes(std::span(values))});
  return to_zip_bytes(more);
}
StateFile parse(const std::string& pickle) { return parse_torch_checkpoint(archive_of(pickle)); }

void check_refused(const std::string& pickle, const std::string& fragment) {
  CHECK_THAT(message_of<FormatError>([&] { parse(pickle); }), Contains(fragment));
}

std::vector<float> values_of(const RawTensor& raw) {
  const Tensor<float> tensor = to_tensor(raw);
  return {tensor.values().begin(), tensor.values().end()};
}

}  // namespace

TEST_CASE("torch: a state dict of PyTorch", "[io]") {
  const StateFile same = read_safetensors(source_path("tests/golden/tiny_state_dict.safetensors"));
  for (const char* name :
       {"tiny_state_dict", "tiny_deflated"}) {  // the latter packed again, with compression
    const StateFile file = read_torch_checkpoint(source_path(text("tests/golden/", name, ".pth")));
    REQUIRE(file.tensors.size() == same.tensors.size());
    CHECK(file.tensors[0].name == "layer.weight");  // the order of the dict
    for (const RawTensor& tensor : same.tensors) {  // one of them is a strided view
      CAPTURE(tensor.name);
      CHECK(file.at(tensor.name).shape == tensor.shape);
      CHECK(file.at(tensor.name).bytes == tensor.bytes);
    }
  }
}

TEST_CASE("torch: dtypes", "[io]") {
  const StateFile file = read_torch_checkpoint(source_path("tests/golden/tiny_float16.pth"));
  CHECK(file.at("half").dtype == DType::f16);
  CHECK(file.at("double").dtype == DType::f64);
  CHECK(to_tensor<double>(file.at("int64")).values()[4] == -0x1p62);
  for (const auto& type : detail::torch_storage_types) {
    CAPTURE(type.name);
    const int count = static_cast<int>(24 / size_of(type.dtype));
    const StateFile one = parse(dict_of(view(storage(std::string(type.name), "0", count), integer(0),
                                             tuple({integer(count)}), tuple({integer(1)}))));
    CHECK(one.at("x").dtype == type.dtype);
  }
}

TEST_CASE("torch: the checkpoint of the authors", "[io]") {
  const std::filesystem::path path = shared_path("official/latest_net_Back.pth");
  if (!std::filesystem::exists(path)) {
    WARN("skipped: " << path << " is not here");
    return;
  }
  const StateFile file = read_torch_checkpoint(path);
  Index parameters = 0;
  for (const RawTensor& tensor : file.tensors) parameters += tensor.shape.size();
  CHECK(parameters == 316195);
  CHECK(file.at("gen.0.weight").shape == Shape{32, 3, 3, 3});
  CHECK(file.at("gen.18.bias").shape == Shape{3});
}

TEST_CASE("torch: what is written is read", "[io]") {
  StateFile file;
  file.tensors.push_back(from_tensor("a.weight", Tensor<>({2, 3}, {1, 2, 3, 4, 5, 6})));
  file.tensors.push_back(from_tensor("scalar", Tensor<>::scalar(-0.0f)));
  file.tensors.push_back(from_tensor("empty", Tensor<>(Shape{2, 0, 3})));
  for (const auto& type : detail::torch_storage_types)
    file.tensors.push_back(
        {std::string(type.name), type.dtype, {4}, std::vector<std::byte>(4 * size_of(type.dtype))});
  const auto bytes = to_torch_checkpoint_bytes(file);
  const StateFile back = parse_torch_checkpoint(bytes);
  REQUIRE(back.tensors.size() == file.tensors.size());
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    CHECK(back.tensors[i].name == file.tensors[i].name);
    CHECK(back.tensors[i].dtype == file.tensors[i].dtype);
    CHECK(back.tensors[i].shape == file.tensors[i].shape);
    CHECK(back.tensors[i].bytes == file.tensors[i].bytes);
  }
  CHECK(to_torch_checkpoint_bytes(back) == bytes);
  CHECK(parse_torch_checkpoint(to_torch_checkpoint_bytes({})).tensors.empty());

  CHECK_THAT(message_of<FormatError>([] {
               to_torch_checkpoint_bytes({{{"a", DType::u32, {1}, std::vector<std::byte>(4)}}, {}});
             }),
             Contains("'a' has dtype U32"));
  CHECK_THAT(message_of<FormatError>([&] {
               to_torch_checkpoint_bytes({{file.tensors[0], file.tensors[0]}, {}});
             }),
             Contains("occurs twice"));
}

TEST_CASE("torch: dicts", "[io]") {
  CHECK(values_of(parse(dict_of(vector6)).at("x")) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(parse(program(ordered_dict + "(" + string("x") + vector6 + "u")).tensors.size() == 1);
  CHECK(parse(program("}" + string("x") + vector6 + "s")).tensors.size() == 1);
  CHECK(parse(dict("")).tensors.empty());
  CHECK(parse(program(ordered_dict + "}" + string("_metadata") + ordered_dict + "sb"))
            .tensors.empty());  // BUILD
  // A parameter is its tensor; a memo may hold anything; a frame is only a length.
  CHECK(parse(dict_of(global("torch._utils", "_rebuild_parameter") + tuple({vector6, "\x88", ordered_dict}) +
                      "R"))
            .tensors.size() == 1);
  CHECK(parse("\x80\x04\x95" + std::string(8, '\0') + "}(\x8c\x01x\x94" + vector6 + "\x94r" +
              std::string(4, '\7') + "\x8c\x01yh" + std::string(1, '\1') + "u.")
            .tensors.size() == 2);
  // One level deeper, beside what a training script keeps.
  const std::string inner = "}" + string("x") + vector6 + "s";
  CHECK(parse(dict(string("epoch") + integer(3) + string("state_dict") + inner)).tensors.size() == 1);

  check_refused(dict_of(integer(1)), "'x' is an integer, expected a tensor");
  check_refused(dict_of("N"), "'x' is None");
  check_refused(dict_of("G" + std::string(8, '\0')), "'x' is a float");
  check_refused(dict_of("]"), "'x' is a list");
  check_refused(dict_of(string("text")), "'x' is a string");
  check_refused(dict(integer(1) + vector6), "an integer where a string is expected");
  check_refused(dict(string("x") + vector6 + string("x") + vector6), "'x' occurs twice");
  check_refused(dict(string("x")), "a key without a value");
  check_refused(program(vector6), "a tensor where a dict is expected");
  check_refused(program("]"), "a list where a dict is expected");
}

TEST_CASE("torch: state dicts among others", "[io]") {
  const auto dict_with = [](const std::string& name) { return "}" + string(name) + vector6 + "s"; };
  const auto first_name = [&](const std::string& items, std::string_view key = {}) {
    const StateFile file = parse_torch_checkpoint(archive_of(dict(items)), key);
    REQUIRE(file.tensors.size() == 1);
    return file.tensors[0].name;
  };
  for (const std::string_view key : detail::state_dict_keys) {
    CAPTURE(key);
    CHECK(first_name(string("epoch") + integer(3) + string(key) + dict_with("w")) == "w");
    CHECK(first_name(string(key) + dict_with("module.w")) == "w");
  }
  // A name of its own, when it is the only one; an optimiser's tensors are under numbers.
  CHECK(first_name(string("G") + dict_with("w")) == "w");
  const std::string optimizer = "}" + string("state") + "}" + integer(0) + dict_with("exp_avg") + "s" + "s";
  CHECK(first_name(string("optimizer") + optimizer + string("G") + dict_with("w")) == "w");
  // Usual names come before others, and may be one in another.
  CHECK(first_name(string("netD") + dict_with("d") + string("netG") + dict_with("g")) == "g");
  CHECK(first_name(string("state_dict") + ("}" + string("netG") + dict_with("g") + "s")) == "g");
  CHECK(first_name(string("iter") + vector6 + string("params") + dict_with("w")) == "w");

  const std::string two = string("params") + dict_with("w") + string("params_ema") + dict_with("e") +
                          string("D") + dict_with("d") + string("model") +
                          ("}" + string("x") + dict_with("x") + "s");
  CHECK(first_name(two, "params_ema") == "e");
  CHECK(first_name(two, "D") == "d");
  CHECK(first_name(two, "model.x") == "x");
  const auto error_with = [&](const std::string& items, std::string_view key) {
    return message_of<FormatError>([&] { parse_torch_checkpoint(archive_of(dict(items)), key); });
  };
  CHECK(error_with(two, "") == "torch: 2 state dicts, expected the key of one: params, params_ema");
  CHECK(error_with(two, "none") == "torch: 2 state dicts, expected the key of one: params, params_ema");
  CHECK(error_with(string("G") + dict_with("g") + string("D") + dict_with("d"), "") ==
        "torch: 2 state dicts, expected the key of one: G, D");

  // A key that is no dict's is the beginning of names.
  CHECK(first_name(string("netG.w") + vector6 + string("netD.w") + vector6, "netG") == "w");
  CHECK(first_name(string("state_dict") + dict_with("module.netG.w"), "netG") == "w");
  CHECK(error_with(string("a") + vector6, "b") == "no tensor has a name that begins with 'b.'");
  CHECK(first_name(string("module.w") + vector6) == "w");
  const StateFile half = parse(dict(string("module.w") + vector6 + string("v") + vector6));
  CHECK(half.tensors[0].name == "module.w");  // not of all

  // A dict that holds itself is looked at once.
  check_refused(program("}q\1" + string("params") + "h\1s"), "'params' is a dict, expected a tensor");
}

TEST_CASE("torch: views", "[io]") {
  const auto parsed = [](const std::string& offset, const std::string& size, const std::string& stride) {
    return parse(dict_of(view(floats, offset, size, stride))).at("x");
  };
  const auto ints = [](std::initializer_list<int> values) {
    std::string result = "(";
    for (const int value : values) result += integer(value);
    return result + "t";
  };
  CHECK(values_of(parsed(integer(0), ints({3, 2}), ints({1, 3}))) == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(values_of(parsed(integer(1), ints({2}), ints({4}))) == std::vector<float>{1, 5});
  CHECK(values_of(parsed(integer(2), ints({3}), ints({0}))) == std::vector<float>{2, 2, 2});  // expanded
  CHECK(values_of(parsed(integer(5), ints({}), ints({}))) == std::vector<float>{5});
  CHECK(values_of(parsed(integer(5), ints({1}), ints({1'000'000}))) ==
        std::vector<float>{5});  // stride of no step
  CHECK(parsed(integer(100), ints({0, 7}), ints({1, 1})).shape == Shape{0, 7});

  const auto error = [&](const std::string& offset, const std::string& size, const std::string& stride) {
    return message_of<FormatError>([&] { parsed(offset, size, stride); });
  };
  CHECK_THAT(error(integer(1), ints({6}), ints({1})), Contains("leaves its storage of 6 elements"));
  CHECK_THAT(error(integer(6), ints({}), ints({})), Contains("leaves its storage"));
  CHECK_THAT(error(integer(0), ints({2, 2}), ints({5, 1})), Contains("leaves its storage"));
  CHECK_THAT(error(integer(-1), ints({1}), ints({1})), Contains("-1 where an integer of 0 or more"));
  CHECK_THAT(error(integer(0), ints({-1}), ints({1})), Contains("-1 where an integer of 0 or more"));
  CHECK_THAT(error(integer(0), ints({1}), ints({-1})), Contains("-1 where an integer of 0 or more"));
  CHECK_THAT(error(integer(0), ints({2}), ints({1, 1})), Contains("has 2 strides for shape [2]"));
  CHECK_THAT(error(integer(0), ints({7}), ints({0})), Contains("'x' has 7 elements, its storage 6"));
  CHECK_THAT(error(integer(0), ints({1, 1, 1, 1, 1, 1, 1}), ints({1, 1, 1, 1, 1, 1, 1})), Contains("rank 7"));
  const std::string huge = "\x8a\x08" + std::string(7, '\xff') + '\x7f';
  CHECK_THAT(error(integer(0), tuple({huge, huge}), ints({1, 1})), Contains("overflows"));
  CHECK_THAT(error(integer(0), ints({2}), tuple({huge})), Contains("leaves its storage"));
  CHECK_THAT(error(huge, ints({2}), ints({1})), Contains("leaves its storage"));
  CHECK_THAT(error("N", ints({2}), ints({1})), Contains("None where an integer is expected"));
  CHECK_THAT(error(integer(0), integer(2), ints({1})), Contains("an integer where a tuple is expected"));
}

TEST_CASE("torch: storages", "[io]") {
  const auto with_storage = [](const std::string& s) {
    return dict_of(view(s, integer(0), tuple({integer(1)}), tuple({integer(1)})));
  };
  check_refused(with_storage(storage("FloatStorage", "1", 6)), "the storage 1 of 'x' is not in the archive");
  check_refused(with_storage(storage("FloatStorage", "../data.pkl", 6)), "is not in the archive");
  check_refused(with_storage(storage("FloatStorage", "0", 5)), "has 24 bytes, expected 5 of F32");
  check_refused(with_storage(storage("FloatStorage", "0", -6)), "expected -6 of F32");
  check_refused(with_storage(storage("DoubleStorage", "0", 6)), "expected 6 of F64");
  check_refused(with_storage(vector6), "a tensor where a storage is expected");
  check_refused(with_storage(tuple({string("storage")}) + "Q"), "a persistent object that is no storage");
  check_refused(with_storage(tuple({string("module"), "N", "N", "N", "N"}) + "Q"), "that is no storage");
  check_refused(with_storage(tuple({string("storage"), global("collections", "OrderedDict"), string("0"),
                                    string("cpu"), integer(6)}) +
                             "Q"),
                "a storage of type collections OrderedDict");
  check_refused(with_storage(string("0") + "Q"), "a string where a tuple is expected");
}

TEST_CASE("torch: globals and opcodes that are refused", "[io]") {
  for (const auto& [module, name] :
       {std::pair("os", "system"), std::pair("builtins", "eval"), std::pair("torch", "load"),
        std::pair("torch._utils", "_rebuild_tensor"), std::pair("torch.storage", "UntypedStorage"),
        std::pair("", "FloatStorage")}) {
    check_refused(program(global(module, name) + tuple({string("echo")}) + "R"),
                  text("refuses the global ", module, '.', name));
    check_refused(program(string(module) + string(name) + "\x93"),
                  text("refuses the global ", module, '.', name));
  }
  check_refused(program(global("torch", "FloatStorage") + ")R"),
                "refuses to call FloatStorage with 0 arguments");
  check_refused(program(global("collections", "OrderedDict") + tuple({"]"}) + "R"),
                "refuses to call collections OrderedDict with 1 arguments");
  check_refused(program(rebuild + ")R"), "_rebuild_tensor_v2 with 0 arguments");
  check_refused(program(string("x") + ")R"), "a string where a global is expected");
  check_refused(program(rebuild + "]R"), "a list where a tuple is expected");
  check_refused(program("]Nb"), "a list where a dict is expected");
  for (const char opcode :
       std::string("0F1PidIolTUS2gpL\x81\x82\x83\x84\x8b\x8d\x8e\x8f\x90\x91\x92\x96\x97\x98\xff"))
    check_refused(
        program(std::string(1, opcode)),
        text("refuses the opcode ", static_cast<int>(static_cast<unsigned char>(opcode)), " at offset 2"));
  check_refused("\x80\x01.", "protocol 1, expected 2 to 5");
  check_refused("\x80\x06.", "protocol 6, expected 2 to 5");
}

TEST_CASE("torch: the stack of the machine", "[io]") {
  for (const char* body :
       {"", "\x85", "N\x86", "s", "}Ns", "R", "b", "a", "Q", "q\1", "\x94", "(s", "}(s", "N(\x85"})
    check_refused(program(body), "the stack holds");
  for (const char* body : {"t", "u", "e", "}u"}) check_refused(program(body), "no mark on the stack");
  check_refused(program("h\1"), "nothing is remembered as 1");
  check_refused(program("j\1\1\1\1"), "nothing is remembered as 16843009");
  check_refused(program("Na"), "the stack holds");
  check_refused(program("NNa"), "None where a list is expected");
  check_refused(program("]NNs"), "a list where a dict is expected");
  check_refused(program("\x8a\x09"), "truncated");
  check_refused(program("\x8a\x09" + std::string(9, '\0')), "an integer of 9 bytes");
  check_refused("\x80\x02X\xff\xff\xff\xff", "truncated, 4294967295 bytes expected");
  check_refused(
      "\x80\x02"
      "cos",
      "truncated");
  check_refused("\x80\x02}", "truncated");  // no STOP
  check_refused("", "truncated");
}

TEST_CASE("torch: integers", "[io]") {
  const auto offset = [](const std::string& program_of_integer) {
    return message_of<FormatError>(
        [&] { parse(dict_of(view(floats, program_of_integer, tuple({integer(1)}), tuple({integer(1)})))); });
  };
  CHECK(offset("K\5") == "no error");
  CHECK(offset(std::string("M\5\0", 3)) == "no error");
  CHECK(offset("\x8a\x01\x05") == "no error");
  CHECK(offset(std::string("\x8a\0", 2)) == "no error");  // 0
  CHECK_THAT(offset("\x8a\x01\xff"), Contains("-1 where"));
  CHECK_THAT(offset(std::string("\x8a\x02\0\xff", 4)), Contains("-256 where"));
  CHECK_THAT(offset("K\xff"), Contains("leaves its storage"));
}

TEST_CASE("torch: nesting and cycles", "[io]") {
  check_refused(program(")" + std::string(1'000'000, '\x85')), "a tuple where a dict is expected");
  check_refused(program("]q\1"
                        "h\1a"),
                "a list where a dict is expected");  // a list that holds itself
  check_refused(program("}q\1" + string("x") + "h\1s"), "'x' is a dict");
  check_refused(program("}q\1" + string("state_dict") + "h\1s"), "'state_dict' is a dict");
  check_refused(program(std::string(1'000'000, '(')), "the stack holds 0 objects");
  check_refused(std::string(5'000'000, 'N'), "at most 4194304 are read");
}

TEST_CASE("torch: memory bombs", "[io]") {
  // The same tensor under many names: each costs a few bytes of pickle and 24 of memory.
  std::string items = string("first") + vector6 + "q\1";
  for (int i = 0; i < 5000; ++i) {
    const std::string name = std::to_string(i);
    items += text("\x8c", static_cast<char>(name.size()), name, "h\1");
  }
  CHECK(parse(dict(items)).tensors.size() == 5001);
  const std::vector<float> large(100'000);
  items = string("first") +
          view(storage("FloatStorage", "large", 100'000), integer(0), tuple({integer(100'000)}),
               tuple({integer(1)})) +
          "q\1";
  for (int i = 0; i < 20; ++i) items += string(std::to_string(i)) + "h\1";
  const auto bomb = archive_of(dict(items), "a/", {{"a/data/large", std::as_bytes(std::span(large))}});
  CHECK_THAT(message_of<FormatError>([&] { parse_torch_checkpoint(bomb); }),
             Contains("outgrow the file 16 times"));
}

TEST_CASE("torch: archives", "[io]") {
  const std::string pickle = dict_of(vector6);
  for (const std::string root : {"archive/", "latest_net_Back/", "a/b/", "/"}) {
    CAPTURE(root);
    CHECK(parse_torch_checkpoint(archive_of(pickle, root)).tensors.size() == 1);
  }
  const auto error = [](const std::vector<std::byte>& file) {
    return message_of<FormatError>([&] { parse_torch_checkpoint(file); });
  };
  CHECK(parse_torch_checkpoint(archive_of(pickle, "a/", {{"a/byteorder", bytes_of("little")}}))
            .tensors.size() == 1);
  CHECK_THAT(error(archive_of(pickle, "a/", {{"a/byteorder", bytes_of("big")}})),
             Contains("byte order 'big', expected little"));
  CHECK_THAT(error(archive_of(pickle, "a/", {{"b/data.pkl", bytes_of(pickle)}})), Contains("two pickles"));
  CHECK_THAT(error(to_zip_bytes(std::vector<ZipEntry>{{"a/version", bytes_of("3")}})),
             Contains("no data.pkl"));
  CHECK_THAT(error(bytes("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.")), Contains("before PyTorch 1.6"));
  CHECK_THAT(error(bytes("")), Contains("no zip archive"));
  CHECK_THAT(error(bytes("PK\3\4")), Contains("truncated"));
  CHECK_THAT(error(bytes("nonsense")), Contains("no zip archive"));
}

TEST_CASE("torch: damage", "[io]") {
  check_damage(archive_of(dict_of(vector6)), [](ByteSpan file) { parse_torch_checkpoint(file); });
  const auto as_pickle = [](ByteSpan pickle) { return parse(std::string(text_of(pickle))); };
  const std::string pickle =
      dict_of(view(floats, integer(1), tuple({integer(2), integer(2)}), tuple({integer(3), integer(1)})));
  check_damage(bytes_of(pickle), as_pickle);
}
