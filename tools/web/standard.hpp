// What the standard library of Emscripten 3.1.6 (Debian 12) lacks of C++20, and the engine uses. tools/web.sh includes it
// before all else; with a newer library it is empty.
#pragma once

#include <version>

#if defined(__EMSCRIPTEN__) && !defined(__cpp_lib_ranges)
#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>
#include <utility>

// Adding to std is not allowed to programs: here it stands in for the library itself.
namespace std {

template <class To, class From>
To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}

namespace ranges {

template <class Range, class Value, class Projection = identity>
auto find(Range&& range, const Value& value, Projection projection = {}) {
  return std::find_if(std::begin(range), std::end(range),
                      [&](const auto& element) { return std::invoke(projection, element) == value; });
}

template <class Range, class Predicate>
bool all_of(Range&& range, Predicate predicate) {
  return std::all_of(std::begin(range), std::end(range), std::ref(predicate));
}
template <class Range, class Predicate>
bool any_of(Range&& range, Predicate predicate) {
  return std::any_of(std::begin(range), std::end(range), std::ref(predicate));
}

template <class Range, class Out>
void copy(Range&& range, Out out) {
  std::copy(std::begin(range), std::end(range), out);
}
template <class Range, class Out, class Predicate, class Projection>
void copy_if(Range&& range, Out out, Predicate predicate, Projection projection) {
  std::copy_if(std::begin(range), std::end(range), out,
               [&](const auto& element) { return std::invoke(predicate, std::invoke(projection, element)); });
}

template <class Range, class Out, class Function>
void transform(Range&& range, Out out, Function function) {
  std::transform(std::begin(range), std::end(range), out, function);
}

template <class Range>
void sort(Range&& range) {
  std::sort(std::begin(range), std::end(range));
}
template <class Range, class Less = std::less<>, class Projection = identity>
void stable_sort(Range&& range, Less less, Projection projection = {}) {
  std::stable_sort(std::begin(range), std::end(range), [&](const auto& a, const auto& b) {
    return std::invoke(less, std::invoke(projection, a), std::invoke(projection, b));
  });
}

}  // namespace ranges
}  // namespace std
#endif
