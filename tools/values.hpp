// The values that an option takes, for CLI11's check(), and what is said of others.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/number.hpp"
#include "nlcl/core/printable.hpp"

namespace tools {

namespace detail {

// What CLI11 will read, if it is a number: not-a-number is none, nor is a whole number that it takes for another, as one that
// is too large, below zero where none may be, or octal.
template <class T>
std::optional<T> number_of(const std::string& given) {
  T number{};
  if (!CLI::detail::lexical_cast(given, number) || number != number) return std::nullopt;
  if constexpr (std::integral<T>) {
    const auto decimal = nlcl::number_in<T>(given);
    if (!decimal || *decimal != number) return std::nullopt;
  }
  return number;
}

template <class T>
auto numbers(std::string range, auto is_wanted) {
  return [range, is_wanted](const std::string& given) {
    const std::optional<T> number = number_of<T>(given);
    return number && is_wanted(*number) ? ""
                                        : nlcl::text("expected a ", std::integral<T> ? "whole " : "",
                                                     "number ", range, ", is ", given);
  };
}

}  // namespace detail

// Numbers with a separator between them, as in 0.8,1.2; nothing unless there are as many as this and nothing else.
template <class T, std::size_t count>
std::optional<std::array<T, count>> numbers_in(std::string_view text, char separator) {
  std::array<T, count> numbers{};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = i + 1 < count ? text.find(separator) : text.size();
    const auto number = nlcl::number_in<T>(text.substr(0, end));
    if (end == text.npos || !number) return std::nullopt;
    numbers[i] = *number;
    text.remove_prefix(i + 1 < count ? end + 1 : end);
  }
  return numbers;
}

// Both included.
template <class T>
auto within(T smallest, T largest) {
  return detail::numbers<T>(nlcl::text("from ", smallest, " to ", largest),
                            [=](T number) { return number >= smallest && number <= largest; });
}

// Infinity is no weight, rate or temperature.
template <class T>
auto above_zero() {
  return detail::numbers<T>("above 0",
                            [](T number) { return number > 0 && number <= std::numeric_limits<T>::max(); });
}
template <class T>
auto not_negative() {
  return detail::numbers<T>("of 0 or more",
                            [](T number) { return number >= 0 && number <= std::numeric_limits<T>::max(); });
}

// One of these names.
inline auto one_of(std::vector<std::string> names) {
  return [names = std::move(names)](const std::string& given) {
    return std::ranges::find(names, given) != names.end()
               ? ""
               : "expected " + nlcl::listed(names, " or ") + ", is " + given;
  };
}

// Also yes, no, on, off, 1 and 0.
inline std::string check_truth(const std::string& given) {
  bool ignored = false;
  return CLI::detail::lexical_cast(given, ignored) ? "" : "expected true or false, is " + given;
}

// Bytes, as a number with a unit: kB, MB, GB and TB count in thousands, KiB and the like in 1024. For CLI11's transform().
inline CLI::Validator size() {
  const auto to_bytes = [](std::string& given) -> std::string {
    const std::size_t end = std::min(given.find_first_not_of("0123456789."), given.size());
    std::string unit = CLI::detail::to_lower(given.substr(end));
    if (unit.ends_with('b')) unit.pop_back();
    const bool is_binary = unit.size() == 2 && unit.ends_with('i');
    if (is_binary) unit.pop_back();
    const std::size_t power = std::string_view(" kmgt").find(unit.empty() ? " " : unit);
    const auto number = nlcl::number_in<double>(given.substr(0, end));
    const double bytes = number.value_or(0) * std::pow(is_binary ? 1024 : 1000, power);
    if (unit.size() > 1 || power == std::string::npos || bytes < 1 || bytes > 1e18)
      return "expected a size, as in 500MB or 1.5GB, is " + given;
    given = nlcl::text(static_cast<std::uint64_t>(bytes));
    return "";
  };
  return {to_bytes, ""};
}

}  // namespace tools
