// What a device leaves open, and a test may choose.
#pragma once

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace emulation {

// How a matrix instruction adds the products of a row and a column, which are exact in every format. NVIDIA documents
// neither order nor rounding: the sums have "at least single precision". What others have found on the hardware (Fasi,
// Higham, Mikaitis and Pranesh 2021, doi.org/10.7717/peerj-cs.330; Khattak and Mikaitis 2025, arXiv:2512.07004) is no
// chain of additions at all: the terms are shifted to the exponent of the largest of them, what then lies below the last
// bit is cut off, and so is the result.
enum class Sums {
  forward,   // in float, from the first product to the last
  backward,  // in float, from the last to the first
  pairwise,  // in float, as a tree
  ampere,  // in halves (8 products of bf16, 4 of tf32); 24 bits and one more are kept, all rounding is towards zero
  hopper,  // all products at once; 24 bits and two more
};
inline constexpr std::array all_sums{Sums::forward, Sums::backward, Sums::pairwise, Sums::ampere,
                                     Sums::hopper};

inline std::string_view name_of(Sums sums) {
  constexpr std::string_view names[] = {"forward", "backward", "pairwise", "ampere", "hopper"};
  return names[static_cast<int>(sums)];
}

struct Choices {
  Sums sums = Sums::forward;  // or what NLCL_EMULATED_SUMS in the environment names
  // 16 bytes on their way to shared memory arrive when something waits for them. A device may also copy them at once.
  bool late_copies = true;
  // The blocks of a grid run from the first to the last, or from the last to the first.
  bool blocks_backward = false;
  // A kernel's fault is found by whatever the device is asked for after it, as on a real device. Otherwise the launch
  // itself reports it.
  bool late_faults = false;
  // What the device is asked for is counted (counters.hpp) and not done: all that comes back from it is 0. So a size is
  // counted in a moment that would take the emulation hours.
  bool only_counts = false;
};

inline Choices& choices() {
  static Choices choices = [] {
    Choices result;
    if (const char* const wanted = std::getenv("NLCL_EMULATED_SUMS")) {
      bool known = false;
      for (Sums sums : all_sums)
        if (name_of(sums) == wanted) result.sums = sums, known = true;
      if (!known)
        throw std::runtime_error(std::string("NLCL_EMULATED_SUMS: '") + wanted +
                                 "', expected forward, backward, pairwise, ampere or hopper");
    }
    return result;
  }();
  return choices;
}

// Other choices for the length of a scope: WithChoices with; with->late_copies = false;
class WithChoices {
 public:
  WithChoices() : before_(choices()) {}
  ~WithChoices() { choices() = before_; }
  WithChoices(const WithChoices&) = delete;
  WithChoices& operator=(const WithChoices&) = delete;

  Choices* operator->() const { return &choices(); }

 private:
  Choices before_;
};

}  // namespace emulation
