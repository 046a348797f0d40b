// How CUDA convolutions multiply, for the length of a scope.
#pragma once

#include "nlcl/core/device.hpp"

namespace nlcl::test {

class WithPrecision {
 public:
  explicit WithPrecision(Precision wanted) : before_(precision()) { set_precision(wanted); }
  ~WithPrecision() { set_precision(before_); }
  WithPrecision(const WithPrecision&) = delete;
  WithPrecision& operator=(const WithPrecision&) = delete;

 private:
  Precision before_;
};

}  // namespace nlcl::test
