// Text that may be shown: names out of files can hold what a terminal would obey, or break a line in two.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace nlcl {

namespace detail {

struct Utf8Character {
  char32_t code = 0;
  std::size_t size = 0;  // in bytes; 0: there is none
};

// That at the beginning of `text`, which is not empty. None is a byte out of place, a form longer than it need be, a
// surrogate, and what is beyond U+10FFFF.
inline Utf8Character first_character(std::string_view text) {
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};  // of each size
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc0 || lead >= 0xf8 || text.size() < size) return {};
  char32_t code = lead & (0x7fu >> size);
  for (const char next : text.substr(1, size - 1)) {
    const auto byte = static_cast<unsigned char>(next);
    if ((byte & 0xc0) != 0x80) return {};
    code = code << 6 | (byte & 0x3fu);
  }
  const bool is_surrogate = code >= 0xd800 && code < 0xe000;
  return code < least[size] || code > 0x10ffff || is_surrogate ? Utf8Character{} : Utf8Character{code, size};
}

// Control characters, the ends of lines and paragraphs, and what turns the direction of writing.
constexpr bool is_obeyed(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

// Accents that stand over the letter before, and the wide characters of East Asia and of pictures (Unicode, East Asian
// Width, by blocks).
constexpr std::size_t columns_of_character(char32_t code) {
  const auto is_within = [code](char32_t first, char32_t last) { return code >= first && code <= last; };
  if (is_within(0x300, 0x36f) || is_within(0x200b, 0x200d) || is_within(0xfe00, 0xfe0f)) return 0;
  const bool is_wide = is_within(0x1100, 0x115f) || is_within(0x2e80, 0xa4cf) || is_within(0xac00, 0xd7a3) ||
                       is_within(0xf900, 0xfaff) || is_within(0xfe30, 0xfe6f) || is_within(0xff01, 0xff60) ||
                       is_within(0xffe0, 0xffe6) || is_within(0x1f300, 0x1faff) ||
                       is_within(0x20000, 0x3fffd);
  return is_wide ? 2 : 1;
}

inline std::string hexadecimal(char32_t value, int digits) {
  std::string result;
  while (digits-- > 0) result += "0123456789abcdef"[value >> 4 * digits & 15];
  return result;
}

}  // namespace detail

// The text as one line of UTF-8 that a terminal shows as it is: what it would obey becomes an escape of JSON (\n, \t, \r,
// \u001b), and a byte that belongs to no character \xff. All else stays, backslashes too, so that a text may pass here twice,
// and JSON stays JSON.
inline std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto [code, size] = detail::first_character(text);
    if (size == 0)
      result += "\\x" + detail::hexadecimal(static_cast<unsigned char>(text.front()), 2);
    else if (!detail::is_obeyed(code))
      result += text.substr(0, size);
    else if (code == '\n' || code == '\r' || code == '\t')
      result += code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
    else
      result += "\\u" + detail::hexadecimal(code, 4);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return result;
}

inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = detail::first_character(text).size;
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

// How many columns of a terminal a printable text fills.
inline std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const auto [code, size] = detail::first_character(text);
    columns += detail::columns_of_character(code);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return columns;
}

// The text, printable, filled up with spaces to this many columns.
inline std::string padded(std::string_view text, std::size_t columns) {
  std::string result = printable(text);
  const std::size_t filled = columns_of(result);
  return result.append(filled < columns ? columns - filled : 0, ' ');
}

// As messages name them: "a, b or c" with " or " as the last separator.
inline std::string listed(const std::vector<std::string>& words, const std::string& last_separator = ", ") {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i)
    list += (i == 0 ? "" : i + 1 < words.size() ? ", " : last_separator) + words[i];
  return list;
}

}  // namespace nlcl
