#include "nlcl/io/safetensors.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "nlcl/io/checkpoint.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/paths.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

std::vector<std::byte> file_of(std::string_view header, std::size_t data_size = 0) {
  std::vector<std::byte> file;
  append_little(file, std::uint64_t{header.size()});
  append(file, header);
  file.resize(file.size() + data_size);
  return file;
}

void check_refused(std::string_view header, std::size_t data_size, const std::string& fragment) {
  CAPTURE(header, data_size);
  CHECK_THAT(message_of<FormatError>([&] { parse_safetensors(file_of(header, data_size)); }),
             Contains(fragment));
}

StateFile example() {
  StateFile file;
  file.tensors.push_back(from_tensor("b", Tensor<>({2, 3}, {1, 2, 3, 4, 5, 6})));
  file.tensors.push_back(from_tensor("a \"quoted\" \u00e4", Tensor<>({1}, {-0.0f})));
  file.tensors.push_back({"flags", DType::boolean, {3}, bytes(std::string("\1\0\1", 3))});
  file.tensors.push_back({"wide", DType::f64, {1}, std::vector<std::byte>(8)});
  file.tensors.push_back(from_tensor("empty", Tensor<>(Shape{0, 4})));
  file.tensors.push_back(from_tensor("scalar", Tensor<>::scalar(2.5f)));
  file.metadata = {{"format", "pt"}, {"note", "line\nbreak"}};
  return file;
}

}  // namespace

TEST_CASE("safetensors: what is written is read", "[io]") {
  const StateFile file = example();
  const auto bytes = to_safetensors_bytes(file);
  const StateFile back = parse_safetensors(bytes);
  CHECK(back.metadata == file.metadata);
  REQUIRE(back.tensors.size() == file.tensors.size());
  for (const RawTensor& tensor : file.tensors) {
    CAPTURE(tensor.name);
    const RawTensor& other = back.at(tensor.name);
    CHECK(other.dtype == tensor.dtype);
    CHECK(other.shape == tensor.shape);
    CHECK(other.bytes == tensor.bytes);
  }
  CHECK(to_safetensors_bytes(back) == bytes);
  CHECK(back.tensors.front().name == "wide");  // aligned data: wide numbers first
  CHECK(back.tensors.back().name == "flags");
  CHECK((ByteReader(bytes, "").little<std::uint64_t>() % 8) == 0);
  CHECK(std::signbit(to_tensor(back.at("a \"quoted\" \u00e4")).item()));
  CHECK(to_tensor<double>(back.at("b"))(1, 0) == 4);
  CHECK(parse_safetensors(to_safetensors_bytes({})).tensors.empty());
}

TEST_CASE("safetensors: find and at", "[io]") {
  const StateFile file = example();
  CHECK(file.find("b") == &file.tensors[0]);
  CHECK(file.find("c") == nullptr);
  CHECK(message_of<FormatError>([&] { file.at("c"); }) ==
        "checkpoint: no tensor 'c' among the 6 in the file");
}

TEST_CASE("safetensors: a file written by the reference implementation", "[io]") {
  const StateFile file = read_safetensors(source_path("tests/golden/tiny_state_dict.safetensors"));
  CHECK(file.at("layer.weight").shape == Shape{2, 3, 3, 3});
  CHECK(file.at("view").shape == Shape{2, 3});
  CHECK(to_tensor(file.at("scalar")).item() == 2.5f);
}

TEST_CASE("safetensors: damage", "[io]") { check_damage(to_safetensors_bytes(example()), parse_safetensors); }

TEST_CASE("safetensors: headers", "[io]") {
  CHECK(parse_safetensors(file_of("{}  \n ")).tensors.empty());
  CHECK(parse_safetensors(file_of(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1))
            .tensors.size() == 1);

  std::vector<std::byte> file = file_of("{}");
  file[7] = std::byte{0xff};
  CHECK_THAT(message_of<FormatError>([&] { parse_safetensors(file); }),
             Contains("at most 100000000 are allowed"));
  file = file_of("{}");
  file[2] = std::byte{0x01};
  CHECK_THAT(message_of<FormatError>([&] { parse_safetensors(file); }),
             Contains("truncated, 65538 bytes expected"));

  check_refused("", 0, "does not start with '{'");
  check_refused(" {}", 0, "does not start with '{'");
  check_refused("\xef\xbb\xbf{}", 0, "does not start with '{'");
  check_refused("[]", 0, "does not start with '{'");
  check_refused(std::string_view("{}\0", 3), 0, "zero byte");
  check_refused("{", 0, "is not JSON");
  check_refused("{} x", 0, "is not JSON");
  check_refused("{} /**/", 0, "is not JSON");
  check_refused("{\"\xff\":{}}", 0, "is not JSON");
  check_refused(R"({"\ud800":{}})", 0, "is not JSON");
  check_refused(R"({"a":NaN})", 0, "is not JSON");
  check_refused(R"({"a":1})", 0, "'a' is number, expected an object");
  check_refused(R"({"a":{"dtype":"F32"}})", 0, "expected dtype, shape and data_offsets");
  check_refused(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", 4, "expected dtype, shape");
  check_refused(R"({"a":{"dtype":3,"shape":[],"data_offsets":[0,4]}})", 4, "expected dtype, shape");
  check_refused(R"({"a":{"dtype":"F8_E4M3","shape":[],"data_offsets":[0,1]}})", 1, "dtype F8_E4M3");
  check_refused(R"({"__metadata__":{"a":1}})", 0, "metadata 'a' is number");
  check_refused(R"({"__metadata__":[]})", 0, "'__metadata__' is array");
}

TEST_CASE("safetensors: keys occur once", "[io]") {
  check_refused(R"({"__metadata__":{},"__metadata__":{}})", 0, "the key \"__metadata__\" occurs twice");
  check_refused(R"({"__metadata__":{"a":"","a":""}})", 0, "the key \"a\" occurs twice");
  check_refused(R"({"a":{"dtype":"U8","dtype":"I8","shape":[],"data_offsets":[0,1]}})", 1,
                "\"dtype\" occurs twice");
  check_refused(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                R"("\u0061":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})",
                1, "\"a\" occurs twice");
}

TEST_CASE("safetensors: nesting", "[io]") {
  check_refused(R"({"a":)" + std::string(1'000'000, '['), 0, "nests deeper");
  std::string objects = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  check_refused(objects, 0, "nests deeper");
}

TEST_CASE("safetensors: shapes", "[io]") {
  const auto entry = [](std::string_view shape, std::string_view offsets) {
    return text(R"({"a":{"dtype":"F32","shape":)", shape, R"(,"data_offsets":)", offsets, "}}");
  };
  CHECK(parse_safetensors(file_of(entry("[0,5]", "[0,0]"))).at("a").shape == Shape{0, 5});
  CHECK(parse_safetensors(file_of(entry("[1,1,1,1,1,2]", "[0,8]"), 8)).at("a").shape.rank() == 6);
  check_refused(entry("[1,1,1,1,1,1,1]", "[0,4]"), 4, "rank 7");
  check_refused(entry("[-1]", "[0,4]"), 4, "shape of 'a' holds -1");
  check_refused(entry("[-0]", "[0,0]"), 0, "shape of 'a' holds 0");
  check_refused(entry("[1.0]", "[0,4]"), 4, "shape of 'a' holds 1.0");
  check_refused(entry("[1e2]", "[0,400]"), 400, "shape of 'a' holds 100.0");
  check_refused(entry("[\"1\"]", "[0,4]"), 4, "shape of 'a' holds \"1\"");
  check_refused(entry("[[]]", "[0,4]"), 4, "shape of 'a' holds []");
  check_refused(entry("{}", "[0,4]"), 4, "shape of 'a' is object, expected a list");
  check_refused(entry("[18446744073709551615]", "[0,4]"), 4, "dimension 18446744073709551615 is too large");
  check_refused(entry("[18446744073709551616]", "[0,4]"), 4, "shape of 'a' holds 1.84");
  check_refused(entry("[4294967296,4294967296]", "[0,0]"), 0, "overflows");
  check_refused(entry("[4611686018427387904]", "[0,0]"), 0, "has 0 bytes for F32");  // times 4 wraps to 0
  check_refused(entry("[2]", "[0,4]"), 4, "has 4 bytes for F32 [2]");
  check_refused(entry("[1]", "[0,5]"), 5, "has 5 bytes for F32 [1]");
}

TEST_CASE("safetensors: offsets", "[io]") {
  const auto two = [](std::string_view first, std::string_view second) {
    return text(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)", first,
                R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)", second, "}}");
  };
  CHECK(parse_safetensors(file_of(two("[2,4]", "[0,2]"), 4)).tensors[0].name ==
        "b");  // in the order of the data
  check_refused(two("[0,2]", "[2,4]"), 5, "the tensors end at 4, the data at 5");
  check_refused(two("[0,2]", "[2,4]"), 3, "expected begin <= end <= 3");
  check_refused(two("[0,2]", "[3,5]"), 5, "the data of 'b' begin at 3, expected 2");
  check_refused(two("[0,2]", "[1,3]"), 3, "the data of 'b' begin at 1, expected 2");
  check_refused(two("[0,2]", "[0,2]"), 2, "the data of 'b' begin at 0, expected 2");
  check_refused(two("[1,3]", "[3,5]"), 5, "the data of 'a' begin at 1, expected 0");
  check_refused(two("[2,0]", "[2,4]"), 4, "expected begin <= end");
  check_refused(two("[0,2,4]", "[2,4]"), 4, "expected begin <= end");
  check_refused(two("[-2,0]", "[0,2]"), 2, "data_offsets of 'a' holds -2");
  check_refused(two("\"\"", "[0,2]"), 2, "data_offsets of 'a' is string");
  check_refused("{}", 1, "the tensors end at 0, the data at 1");
}

TEST_CASE("safetensors: what cannot be written", "[io]") {
  const auto refused = [](const StateFile& file) {
    return message_of<FormatError>([&] { to_safetensors_bytes(file); });
  };
  const RawTensor one = from_tensor("a", Tensor<>::scalar(1));
  CHECK_THAT(refused({{one, one}, {}}), Contains("'a'") && Contains("occurs twice"));
  CHECK_THAT(refused({{from_tensor("__metadata__", Tensor<>::scalar(1))}, {}}), Contains("__metadata__"));
  CHECK_THAT(refused({{from_tensor("\xff", Tensor<>::scalar(1))}, {}}), Contains("UTF-8"));
  CHECK_THAT(refused({{{"a", DType::f32, {2}, std::vector<std::byte>(4)}}, {}}),
             Contains("4 bytes for F32 [2]"));
  CHECK_THROWS_AS(to_tensor({"a", DType::f32, {2}, std::vector<std::byte>(4)}), FormatError);
}

TEST_CASE("numbers of every dtype become floats", "[io]") {
  const auto value = [](DType dtype, auto stored) {
    const ByteSpan span = std::as_bytes(std::span(&stored, 1));
    return to_tensor<double>({"", dtype, {}, {span.begin(), span.end()}}).item();
  };
  CHECK(value(DType::f64, 0.1) == 0.1);
  CHECK(value(DType::f32, 0.1f) == double{0.1f});
  CHECK(value(DType::i64, std::int64_t{-1} << 40) == -0x1p40);
  CHECK(value(DType::i32, std::int32_t{-7}) == -7);
  CHECK(value(DType::i16, std::int16_t{-7}) == -7);
  CHECK(value(DType::i8, std::int8_t{-7}) == -7);
  CHECK(value(DType::u64, ~std::uint64_t{0}) == 0x1p64);
  CHECK(value(DType::u32, ~std::uint32_t{0}) == 0x1p32 - 1);
  CHECK(value(DType::u16, std::uint16_t{65535}) == 65535);
  CHECK(value(DType::u8, std::uint8_t{255}) == 255);
  CHECK(value(DType::boolean, std::uint8_t{2}) == 1);
  CHECK(value(DType::bf16, std::uint16_t{0xbfc0}) == -1.5);
  for (const DTypeInfo& info : dtypes) {
    CHECK(info_of(info.dtype).name == info.name);
    CHECK(dtype_named(info.name) == info.dtype);
  }
}

TEST_CASE("half precision is exact", "[io]") {
  for (int bits = 0; bits < 0x7c00; ++bits) {  // 2^(e - 15) * 1.f, or 2^-14 * 0.f
    const int exponent = bits >> 10, fraction = bits & 1023;
    const double expected = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
    if (double{float_of_half(static_cast<std::uint16_t>(bits))} != expected ||
        double{float_of_half(static_cast<std::uint16_t>(bits | 0x8000))} != -expected)
      FAIL("half " << bits);
  }
  CHECK(float_of_half(0x7c00) == std::numeric_limits<float>::infinity());
  CHECK(float_of_half(0xfc00) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(float_of_half(0x7e00)));
  CHECK(std::signbit(float_of_half(0x8000)));
}

TEST_CASE("checkpoints of either format", "[io]") {
  const TemporaryFolder folder;
  StateFile file;
  file.tensors.push_back(from_tensor("a", Tensor<>({2}, {1, 2})));
  file.metadata = {{"note", "text"}};
  for (const std::string name : {"a.pth", "a.pt", "a.safetensors"}) {
    CAPTURE(name);
    write_checkpoint(folder / name, file);
    CHECK(read_checkpoint(folder / name).at("a").bytes == file.tensors[0].bytes);
    CHECK(read_checkpoint(folder / name).metadata.size() == (name == "a.safetensors" ? 1 : 0));
  }
  CHECK_THAT(message_of<FormatError>([&] { write_checkpoint(folder / "a.bin", file); }),
             Contains("extension is '.bin'"));
  CHECK_THAT(message_of<FormatError>([&] { write_checkpoint(folder / "a", file); }),
             Contains("extension is ''"));

  // The content decides, not the name; a header of 128 bytes begins like a pickle and is none.
  write_safetensors(folder / "b.pth", file);
  CHECK(read_checkpoint(folder / "b.pth").metadata.size() == 1);
  CHECK(parse_checkpoint(file_of("{}" + std::string(126, ' '))).tensors.empty());
  write_file_atomically(folder / "c", bytes("nonsense"));
  CHECK_THAT(message_of<FormatError>([&] { read_checkpoint(folder / "c"); }),
             Contains("c: neither a PyTorch nor a safetensors checkpoint"));
}
