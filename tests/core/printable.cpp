#include "nlcl/core/printable.hpp"

#include <catch2/catch.hpp>

using namespace nlcl;
using namespace std::string_literals;

TEST_CASE("printable leaves text alone", "[core]") {
  for (const std::string text : {"", "a file.png", "größe 雨 дождь \xf0\x9f\x8c\xa7", "C:\\new\\table",
                                 "{\"a\": \"\\n\"}", "\xc2\xa0\xf4\x8f\xbf\xbf\xe2\x80\x8d"})
    CHECK(printable(text) == text);
}

TEST_CASE("printable escapes what a terminal obeys", "[core]") {
  CHECK(printable("two\nlines\r\tand") == "two\\nlines\\r\\tand");
  CHECK(printable("\x1b[31mred\a\b\x7f") == "\\u001b[31mred\\u0007\\u0008\\u007f");
  CHECK(printable("a\0b"s) == "a\\u0000b");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\u009b31m");  // one character for ESC [
  CHECK(printable("gpj.\xe2\x80\xae"
                  "exe \xe2\x81\xa6") == "gpj.\\u202eexe \\u2066");  // turns the direction of writing
  CHECK(printable("a\xe2\x80\xa8"
                  "b") == "a\\u2028b");
}

TEST_CASE("printable escapes bytes that are not UTF-8, one by one", "[core]") {
  CHECK(printable("\xff") == "\\xff");
  CHECK(printable("\x9b") == "\\x9b");
  CHECK(printable("gr\xf6\xdf"
                  "e") == "gr\\xf6\\xdfe");      // Latin 1
  CHECK(printable("\xe9\x9b") == "\\xe9\\x9b");  // cut off
  CHECK(printable("\xe9\x9b(") == "\\xe9\\x9b(");
  CHECK(printable("\xc0\x8a\xe0\x80\x8a") ==
        "\\xc0\\x8a\\xe0\\x80\\x8a");                     // a newline in more bytes than it needs
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // half of a pair of UTF-16
  CHECK(printable("\xf4\x90\x80\x80\xf8\x88\x80\x80\x80") == "\\xf4\\x90\\x80\\x80\\xf8\\x88\\x80\\x80\\x80");
}

TEST_CASE("printable is one line, whatever comes, and needed once", "[core]") {
  std::string all;
  for (int high = 0; high < 256; ++high)
    for (int low = 0; low < 256; ++low) all += {static_cast<char>(high), static_cast<char>(low)};
  const std::string once = printable(all);
  CHECK(printable(once) == once);
  for (const char c : once) REQUIRE(static_cast<unsigned char>(c) >= 0x20);
}

TEST_CASE("a text is filled up to columns of the terminal, not to bytes", "[core]") {
  CHECK(padded("a", 3) == "a  ");
  CHECK(padded("\xc3\xa9", 3) == "\xc3\xa9  ");                 // é
  CHECK(padded("e\xcc\x81", 3) == "e\xcc\x81  ");               // the same of two characters
  CHECK(padded("\xe9\x9b\xa8", 3) == "\xe9\x9b\xa8 ");          // 雨 is wide
  CHECK(padded("\xf0\x9f\x8c\xa7", 3) == "\xf0\x9f\x8c\xa7 ");  // a cloud with rain
  CHECK(padded("\n", 3) == "\\n ");
  CHECK(padded("longer", 3) == "longer");
}

TEST_CASE("what is UTF-8", "[core]") {
  for (const char* text : {"", "a", "\xc3\xa9", "\xf0\x9f\x8c\xa7"}) CHECK(is_utf8(text));
  for (const char* text : {"\xff", "a\xe9\x9b", "\xc0\x8a"}) CHECK_FALSE(is_utf8(text));
}

TEST_CASE("words in a list", "[core]") {
  CHECK(listed({}) == "");
  CHECK(listed({"a"}, " or ") == "a");
  CHECK(listed({"a", "b", "c"}, " or ") == "a, b or c");
}
