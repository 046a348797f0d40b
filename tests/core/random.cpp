#include "nlcl/core/random.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

constexpr int draws = 100'000;

// Of so many draws. The bounds below are five deviations of such a mean.
double mean_of(int n, const auto& draw) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += draw();
  return sum / n;
}

}  // namespace

// The vectors that the authors publish with their Random123 library.
TEST_CASE("Philox gives the published values", "[core]") {
  STATIC_REQUIRE(philox({0, 0, 0, 0}, {0, 0}) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  STATIC_REQUIRE(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
                 PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  STATIC_REQUIRE(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
                 PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the words are the blocks of seed, stream and position", "[core]") {
  const std::uint64_t seed = 0x299f31d0a4093822, stream = 0x0370734413198a2e;
  Random random(seed, stream);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const PhiloxBlock expected = philox({block, 0, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
    for (std::uint32_t word : expected) CHECK(random.next() == word);
  }
  // The block number has 64 bits, too.
  Random far(Random::State{seed, stream, 4 * 0x05a308d3243f6a88u + 2});
  CHECK(far.next() == philox({0x243f6a88, 0x05a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0})[2]);
}

TEST_CASE("a saved state goes on where it was", "[core]") {
  for (int drawn = 0; drawn < 9; ++drawn) {
    Random random(5, 6);
    for (int i = 0; i < drawn; ++i) random.next();
    Random restored(random.state());
    CHECK(restored.state() == Random::State{5, 6, static_cast<std::uint64_t>(drawn)});
    for (int i = 0; i < 9; ++i) CHECK(restored.next() == random.next());
  }
}

TEST_CASE("a copy repeats", "[core]") {
  Random random(1);
  random.next();
  Random copy = random;
  for (int i = 0; i < 9; ++i) CHECK(copy.next() == random.next());
}

TEST_CASE("streams and seeds share nothing", "[core]") {
  std::vector<std::uint32_t> words;
  for (Random random :
       {Random(1), Random(2), Random(1, 1), Random(1, 2), Random(1, 1ull << 32), Random(1ull << 32)})
    for (int i = 0; i < 100; ++i) words.push_back(random.next());
  std::sort(words.begin(), words.end());
  const auto repeated = std::adjacent_find(words.begin(), words.end());
  CHECK(repeated == words.end());  // by chance in one of 24,000 choices of seeds; these are fixed
}

TEST_CASE("uniform numbers", "[core]") {
  Random random(2);
  std::vector<int> bins(100);
  double sum = 0, square_sum = 0;
  for (int i = 0; i < draws; ++i) {
    const double u = random.uniform();
    REQUIRE((u >= 0 && u < 1));
    REQUIRE(std::ldexp(u, 53) == std::floor(std::ldexp(u, 53)));
    ++bins[static_cast<std::size_t>(u * 100)];
    sum += u, square_sum += (u - 0.5) * (u - 0.5);
  }
  CHECK(sum / draws == Approx(0.5).margin(5 * std::sqrt(1.0 / 12 / draws)));
  CHECK(square_sum / draws == Approx(1.0 / 12).margin(5 * std::sqrt(1.0 / 180 / draws)));

  double chi_square = 0;  // 99 degrees of freedom: mean 99, deviation sqrt(198)
  for (int count : bins) chi_square += std::pow(count - draws / 100, 2) / (draws / 100);
  CHECK(chi_square == Approx(99).margin(5 * std::sqrt(198.0)));
}

TEST_CASE("uniform numbers of an interval", "[core]") {
  Random random(3), same(3);
  for (int i = 0; i < 1000; ++i) {
    const double x = random.uniform(-2, 6);
    REQUIRE(x == -2 + 8 * same.uniform());
    REQUIRE((x >= -2 && x < 6));
  }
}

TEST_CASE("normal numbers", "[core]") {
  const auto moment = [](double power) {
    Random random(4);
    return mean_of(draws, [&] { return std::pow(random.normal(), power); });
  };
  // Deviations of the mean of x^k: sqrt(E x^2k - (E x^k)^2) = 1, sqrt 2, sqrt 15, sqrt 96.
  const double error = 5 / std::sqrt(draws);
  CHECK(moment(1) == Approx(0).margin(error));
  CHECK(moment(2) == Approx(1).margin(error * std::sqrt(2)));
  CHECK(moment(3) == Approx(0).margin(error * std::sqrt(15)));
  CHECK(moment(4) == Approx(3).margin(error * std::sqrt(96)));

  Random random(5);
  const double beyond_two = mean_of(draws, [&] { return std::abs(random.normal()) > 2; });
  CHECK(beyond_two == Approx(0.0455).margin(error * 0.21));
}

TEST_CASE("successive normal numbers are independent", "[core]") {
  Random random(6);
  double last = random.normal();
  const double correlation = mean_of(draws, [&] {
    const double before = last;
    return before * (last = random.normal());
  });
  CHECK(correlation == Approx(0).margin(5 / std::sqrt(draws)));
}

TEST_CASE("numbers below a bound are equally likely", "[core]") {
  for (std::uint32_t bound : {1u, 2u, 3u, 7u, 10u, 64u}) {
    Random random(7, bound);
    std::vector<int> counts(bound);
    for (int i = 0; i < draws; ++i) ++counts.at(random.below(bound));
    const double expected = double{draws} / bound;
    for (int count : counts) CHECK(count == Approx(expected).margin(5 * std::sqrt(expected)));
  }
}

// With this bound a quarter of the words must be rejected, or every third value would be twice as likely as
// the others.
TEST_CASE("numbers below a bound near 2^32", "[core]") {
  Random random(8);
  const double multiples_of_three = mean_of(draws, [&] { return random.below(0xC0000000) % 3 == 0; });
  CHECK(multiples_of_three == Approx(1.0 / 3).margin(5 * std::sqrt(2.0 / 9 / draws)));
  const double words = static_cast<double>(random.state().position) / draws;
  CHECK(words == Approx(4.0 / 3).margin(5 * std::sqrt(4.0 / 9 / draws)));
}

TEST_CASE("no number is below zero", "[core]") {
  CHECK(message_of<ShapeError>([] { Random(1).below(0); }) == "random: below(0) has no value to return");
}
