// TOML (https://toml.io), as far as the options of a run need it: a line `name=value` for each, where a value is a number,
// a truth value, or a string in quotes.
//
// A string holds any bytes, as a path may: those that are no UTF-8 stand in it as they are, which TOML itself forbids.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/number.hpp"
#include "nlcl/core/printable.hpp"

namespace nlcl {

struct TomlEntry {
  std::string name, value;  // the value without its quotes
};

namespace detail {

struct TomlEscape {
  char letter, character;
};
inline constexpr TomlEscape toml_escapes[] = {{'b', '\b'}, {'t', '\t'}, {'n', '\n'}, {'f', '\f'},
                                              {'r', '\r'}, {'"', '"'},  {'\\', '\\'}};

inline std::string utf8_of(char32_t code) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xe0 | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0)};
}

// Reads one line.
class TomlLine {
 public:
  TomlLine(std::string_view line, std::size_t number) : rest_(line), number_(number) {}

  // Nothing is left but perhaps a comment.
  bool is_done() {
    skip_spaces();
    return rest_.empty() || rest_.front() == '#';
  }

  TomlEntry entry() {
    const std::string_view whole = rest_;
    const auto is_bare = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
             c == '-';
    };
    const std::string_view name =
        take(static_cast<std::size_t>(std::ranges::find_if_not(rest_, is_bare) - rest_.begin()));
    skip_spaces();
    expect(!name.empty() && rest_.starts_with('='), "name=value", whole);
    take(1);
    skip_spaces();
    TomlEntry result{std::string(name), value(name)};
    expect(is_done(), "nothing more", rest_);
    return result;
  }

 private:
  std::string value(std::string_view name) {
    if (rest_.starts_with('"')) return escaped_string();
    if (rest_.starts_with('\'')) {
      const std::size_t end = rest_.find('\'', 1);
      expect(end != rest_.npos, "a string that ends", rest_);
      const std::string_view quoted = take(end + 1);
      return std::string(quoted.substr(1, end - 1));
    }
    const std::string_view word = take(std::min(rest_.find_first_of(" \t#"), rest_.size()));
    expect(number_in<double>(word) || word == "true" || word == "false",
           text("a number, true, false, or a text in quotes for ", name), word);
    return std::string(word);
  }

  std::string escaped_string() {
    const std::string_view whole = rest_;
    take(1);
    std::string result;
    for (;;) {
      const std::size_t end = rest_.find_first_of("\"\\");
      expect(end != rest_.npos, "a string that ends", whole);
      result += take(end);
      if (take(1) == "\"") return result;
      expect(!rest_.empty(), "a string that ends", whole);
      const char letter = take(1).front();
      if (letter == 'u' || letter == 'U') {
        result += character(letter == 'u' ? 4 : 8);
        continue;
      }
      const auto escape = std::ranges::find(toml_escapes, letter, &TomlEscape::letter);
      expect(escape != std::end(toml_escapes), "an escape of TOML", text('\\', letter));
      result += escape->character;
    }
  }

  std::string character(std::size_t digits) {
    const std::string_view hex = take(std::min(digits, rest_.size()));
    const auto code = number_in<std::uint32_t>(hex, 16);
    expect(code && hex.size() == digits && *code <= 0x10ffff && (*code < 0xd800 || *code > 0xdfff),
           "a character", text("\\u", hex));
    return utf8_of(*code);
  }

  void skip_spaces() { take(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  std::string_view take(std::size_t count) {
    const std::string_view result = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return result;
  }

  void expect(bool ok, const std::string& expected, std::string_view found) const {
    constexpr std::size_t shown = 40;
    require<FormatError>(ok, "line ", number_, ": expected ", expected, ", is ", found.substr(0, shown),
                         found.size() > shown ? "..." : "");
  }

  std::string_view rest_;
  std::size_t number_;
};

}  // namespace detail

// The entries in their order. Throws FormatError, with the number of the line, for what is none, and for a name that
// occurs twice.
inline std::vector<TomlEntry> parse_toml(std::string_view content) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (content.starts_with(byte_order_mark)) content.remove_prefix(byte_order_mark.size());
  std::vector<TomlEntry> entries;
  std::set<std::string> names;
  for (std::size_t number = 1; !content.empty(); ++number) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    detail::TomlLine reader(line, number);
    if (reader.is_done()) continue;
    entries.push_back(reader.entry());
    require<FormatError>(names.insert(entries.back().name).second, "line ", number, ": a second ",
                         entries.back().name);
  }
  return entries;
}

// The entry as a line, which reads back as the same bytes: numbers and truth values bare, all else in quotes.
inline std::string toml_line(const TomlEntry& entry) {
  const std::string& value = entry.value;
  const bool is_bare =
      value == "true" || value == "false" ||
      (value.find_first_not_of("0123456789+-.eE") == value.npos && nlohmann::json::accept(value));
  if (is_bare) return entry.name + '=' + value + '\n';
  std::string quoted;
  for (const char c : value) {
    const auto escape = std::ranges::find(detail::toml_escapes, c, &detail::TomlEscape::character);
    if (escape != std::end(detail::toml_escapes))
      quoted += {'\\', escape->letter};
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      quoted += "\\u" + detail::hexadecimal(static_cast<unsigned char>(c), 4);
    else
      quoted += c;
  }
  return entry.name + "=\"" + quoted + "\"\n";
}

}  // namespace nlcl
