#include "nlcl/core/simd.hpp"

#include <array>
#include <catch2/catch.hpp>

using namespace nlcl;

namespace {

// The lanes of a register, between two guards that no store may touch.
template <class T>
std::array<T, Pack<T>::width> lanes(Pack<T> pack) {
  std::array<T, Pack<T>::width + 2> memory;
  memory.fill(-99);
  pack.store(memory.data() + 1);  // off the alignment
  CHECK(memory.front() == -99);
  CHECK(memory.back() == -99);
  std::array<T, Pack<T>::width> result;
  std::copy_n(memory.begin() + 1, result.size(), result.begin());
  return result;
}

// from, from + step, ... as a register and as numbers.
template <class T>
struct Sequence {
  std::array<T, Pack<T>::width + 1> memory{};
  Sequence(int from, int step) {
    for (std::size_t i = 1; i < memory.size(); ++i)
      memory[i] = static_cast<T>(from + step * static_cast<int>(i));
  }
  Pack<T> pack() const { return Pack<T>::load(memory.data() + 1); }
  T operator[](std::size_t lane) const { return memory[lane + 1]; }
};

}  // namespace

TEMPLATE_TEST_CASE("arithmetic in every lane", "[core]", float, double) {
  const Sequence<TestType> a(-7, 3), b(5, -2), c(100, 1);
  const auto sum = lanes(a.pack() + b.pack()), rest = lanes(a.pack() - b.pack()),
             product = lanes(a.pack() * b.pack());
  const auto larger = lanes(max(a.pack(), b.pack())),
             both = lanes(multiply_add(a.pack(), b.pack(), c.pack()));
  for (std::size_t i = 0; i < sum.size(); ++i) {
    CHECK(sum[i] == a[i] + b[i]);
    CHECK(rest[i] == a[i] - b[i]);
    CHECK(product[i] == a[i] * b[i]);
    CHECK(larger[i] == std::max(a[i], b[i]));
    CHECK(both[i] == a[i] * b[i] + c[i]);
  }
}

TEMPLATE_TEST_CASE("one value in every lane", "[core]", float, double) {
  const TestType value = 1.5;
  for (TestType lane : lanes(Pack<TestType>::all(value))) CHECK(lane == value);
  for (TestType lane : lanes(broadcast_once(&value))) CHECK(lane == value);
}

TEMPLATE_TEST_CASE("the sum of all lanes", "[core]", float, double) {
  const Sequence<TestType> a(2, 3);
  TestType expected = 0;
  for (std::size_t i = 0; i < a.memory.size() - 1; ++i) expected += a[i];
  CHECK(sum_of_lanes(a.pack()) == expected);
}

TEST_CASE("a register has as many lanes as fit", "[core]") {
  CHECK(Pack<float>::width >= 1);
  CHECK((Pack<float>::width == 1 || Pack<float>::width == 2 * Pack<double>::width));
}
