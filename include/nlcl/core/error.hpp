// Errors: one class per kind of mistake, every message with the value found and what was expected.
#pragma once

#include <cmath>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace nlcl {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ShapeError : Error {  // shapes or attributes that do not fit each other
  using Error::Error;
};
struct DeviceError : Error {  // a device that is absent, or tensors on different ones
  using Error::Error;
};
struct FormatError : Error {  // a file whose content is not what its format says
  using Error::Error;
};
struct IoError : Error {  // a file that cannot be opened, read or written
  using Error::Error;
};
struct MemoryError : Error {  // an allocation that cannot be had
  using Error::Error;
};
struct TapeError : Error {  // a gradient that cannot be computed correctly
  using Error::Error;
};

namespace detail {

// Not-a-number has a sign, which says nothing and would be printed.
template <class T>
decltype(auto) without_sign_of_nan(const T& part) {
  if constexpr (std::is_floating_point_v<T>)
    return std::isnan(part) ? std::abs(part) : part;
  else
    return (part);
}

}  // namespace detail

// The parts one after the other, as `<<` prints them.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << detail::without_sign_of_nan(parts));
  return out.str();
}

// Throws `E` with the parts as its message unless `ok`. The message is only built when it is needed.
template <class E, class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw E(text(parts...));
}

}  // namespace nlcl
