// How CUDA convolutions multiply, for the length of a scope.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>

#include "nlcl/core/device.hpp"

#if __has_include("choices.hpp")  // of the emulated device
#include "choices.hpp"
#define NLCL_TEST_CHOICES
#endif

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

// One way in which a device may do what is left open: the order in which matrix instructions add, and when copies to
// shared memory arrive.
struct Way {
  std::string name;
  bool cuts_off;  // sums err towards zero, all of them, and not to either side
};

// body(way) for the first of the ways that make a difference to convolutions in `precision`, and for another one, which
// `turn` chooses: many cases take turns, so that all ways are seen. A real device has one way of its own, of which nothing
// better is known.
void in_two_ways([[maybe_unused]] Precision precision, [[maybe_unused]] std::size_t turn, const auto& body) {
#if defined(NLCL_TEST_CHOICES)
  using emulation::Sums;
  const emulation::WithChoices with;
  // Without matrix instructions there are only two.
  const std::size_t others = precision == Precision::float32 ? 1 : std::size(emulation::all_sums) - 1;
  for (const std::size_t i : {std::size_t{0}, 1 + turn % others}) {
    const Sums sums = emulation::all_sums[i];
    with->sums = sums;
    with->late_copies = sums != Sums::backward;
    body(Way{text("sums ", emulation::name_of(sums), with->late_copies ? "" : ", early copies"),
             sums >= Sums::ampere});
  }
#else
  body(Way{"as the device does", true});
#endif
}

}  // namespace nlcl::test
