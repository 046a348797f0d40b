// A number of threads for the length of a scope.
#pragma once

#include "nlcl/core/parallel.hpp"

namespace nlcl::test {

class WithThreads {
 public:
  explicit WithThreads(int count) : before_(threads()) { set_threads(count); }
  ~WithThreads() { set_threads(before_); }
  WithThreads(const WithThreads&) = delete;
  WithThreads& operator=(const WithThreads&) = delete;

 private:
  int before_;
};

}  // namespace nlcl::test
