#include "nlcl/io/toml.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

std::string value_in(const std::string& line) {
  const auto entries = parse_toml(line);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].name == "x");
  return entries[0].value;
}

std::string toml_error(const std::string& content) {
  return message_of<FormatError>([&] { parse_toml(content); });
}

}  // namespace

TEST_CASE("toml: whatever bytes a value holds, they come back", "[io]") {
  std::string all;
  for (int byte = 1; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    all += one;
    CHECK(value_in(toml_line({"x", one})) == one);
  }
  for (const std::string& value :
       {all, std::string("a\0b", 3), std::string(), std::string("/a #b"), std::string("[1, 2]"),
        std::string("'\"'"), std::string(" 5 "), std::string("\\u0041"), std::string("true"),
        std::string("0.5"), std::string("nan"), std::string("1e999"), std::string("0x10"),
        std::string("0,8")}) {
    const std::string line = toml_line({"x", value});
    INFO(line);
    CHECK(value_in(line) == value);
    CHECK(line.find('\n') == line.size() - 1);
  }
}

TEST_CASE("toml: numbers and truth values are bare, all else is in quotes", "[io]") {
  CHECK(toml_line({"x", "5"}) == "x=5\n");
  CHECK(toml_line({"x", "1e-4"}) == "x=1e-4\n");
  CHECK(toml_line({"x", "false"}) == "x=false\n");
  CHECK(toml_line({"x", "05"}) == "x=\"05\"\n");
  CHECK(toml_line({"x", "+5"}) == "x=\"+5\"\n");
  CHECK(toml_line({"x", "null"}) == "x=\"null\"\n");
  CHECK(toml_line({"x", "a\tb\x1b\\"}) == "x=\"a\\tb\\u001b\\\\\"\n");
}

TEST_CASE("toml: as people write it", "[io]") {
  const auto entries = parse_toml(
      "\xef\xbb\xbf# a comment\r\n\r\n  crop = 256 # pixels\r\n"
      "rainy = \"C:\\\\rain #1\"# here\r\nclean='a \"b\" \\c'\nskip\t=\ttrue\nname=\"\\u96e8\\U0001F327\"");
  std::string all;
  for (const TomlEntry& entry : entries) all += entry.name + ':' + entry.value + '\n';
  CHECK(all ==
        "crop:256\nrainy:C:\\rain #1\nclean:a \"b\" \\c\nskip:true\nname:\xe9\x9b\xa8\xf0\x9f\x8c\xa7\n");
  CHECK(parse_toml("").empty());
}

TEST_CASE("toml: what is none is refused, with its line", "[io]") {
  CHECK(toml_error("\n\x7f"
                   "ELF") ==
        "line 2: expected name=value, is \x7f"
        "ELF");
  CHECK(toml_error("a=1\n[section]") == "line 2: expected name=value, is [section]");
  CHECK(toml_error("=1") == "line 1: expected name=value, is =1");
  CHECK(toml_error("name") == "line 1: expected name=value, is name");
  CHECK(toml_error(std::string(100, '<')) ==
        "line 1: expected name=value, is " + std::string(40, '<') + "...");
  CHECK(toml_error("a=") == "line 1: expected a number, true, false, or a text in quotes for a, is ");
  CHECK_THAT(toml_error("a=best"), Contains("a text in quotes for a, is best"));
  CHECK_THAT(toml_error("a=1 2"), Contains("expected nothing more, is 2"));
  CHECK_THAT(toml_error("a=\"b"), Contains("expected a string that ends, is \"b"));
  CHECK_THAT(toml_error("a=\"b\\"), Contains("expected a string that ends, is \"b\\"));
  CHECK_THAT(toml_error("a='b"), Contains("expected a string that ends, is 'b"));
  CHECK_THAT(toml_error("a=\"\\q\""), Contains("expected an escape of TOML, is \\q"));
  CHECK_THAT(toml_error("a=\"\\ud800\""), Contains("expected a character, is \\ud800"));
  CHECK_THAT(toml_error("a=\"\\u12"), Contains("expected a character"));
  CHECK(toml_error("a=1\nb=2\na=3") == "line 3: a second a");
}
