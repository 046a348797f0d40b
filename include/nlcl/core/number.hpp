// Numbers in text that people and other programs write.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace nlcl {

// The number that a text is from its first character to its last; nothing if it is none, or one that T cannot hold.
// A whole number may have a `base`.
template <class T>
std::optional<T> number_in(std::string_view text, std::same_as<int> auto... base) {
  T number{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, base...);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

}  // namespace nlcl
