// Errors under test.
#pragma once

#include <string>
#include <typeinfo>

#include "nlcl/core/error.hpp"

namespace nlcl::test {

// The message of the error of class E, and of no other class, that `body` is expected to throw.
template <class E>
std::string message_of(const auto& body) {
  try {
    body();
  } catch (const Error& error) {
    return typeid(error) == typeid(E) ? error.what() : text("an error of another class: ", error.what());
  }
  return "no error";
}

}  // namespace nlcl::test
