// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011).
//
// The n-th block is a function of (seed, stream, n) and of nothing else. The state is these three numbers and
// a position, so it can be saved, restored and skipped, and two streams of one seed never meet.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "nlcl/core/error.hpp"

namespace nlcl {

using PhiloxBlock = std::array<std::uint32_t, 4>;

// Ten rounds: the high and low halves of two products, mixed with a key that moves on by two Weyl constants.
constexpr PhiloxBlock philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

class Random {
 public:
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t stream = 0;
    std::uint64_t position = 0;  // 32-bit words drawn so far
    friend bool operator==(const State&, const State&) = default;
  };

  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) : state_{seed, stream, 0} {}
  explicit Random(const State& state) : state_(state) {}

  const State& state() const { return state_; }

  std::uint32_t next() {
    const std::uint64_t block = state_.position / 4;
    if (!block_valid_ || block != block_index_) {
      block_ = philox({low(block), high(block), low(state_.stream), high(state_.stream)},
                      {low(state_.seed), high(state_.seed)});
      block_index_ = block;
      block_valid_ = true;
    }
    return block_[state_.position++ % 4];
  }

  // In [0, 1), a multiple of 2^-53.
  double uniform() {
    const std::uint64_t upper = next() >> 5;  // 27 bits
    const std::uint64_t lower = next() >> 6;  // 26 bits
    return static_cast<double>((upper << 26) | lower) * 0x1p-53;
  }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  // Mean 0, deviation 1 (Box and Muller 1958). One value per call: the state stays a plain counter.
  double normal() {
    const double radius = std::sqrt(-2 * std::log1p(-uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

  // In 0 .. bound-1, every value equally likely (Lemire 2019). Throws ShapeError for a bound of 0.
  std::uint32_t below(std::uint32_t bound) {
    require<ShapeError>(bound > 0, "random: below(0) has no value to return");
    const std::uint32_t rejected = (0u - bound) % bound;  // 2^32 mod bound
    for (;;) {
      const std::uint64_t product = std::uint64_t{next()} * bound;
      if (low(product) >= rejected) return high(product);
    }
  }

 private:
  static constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
  static constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

  State state_;
  PhiloxBlock block_{};
  std::uint64_t block_index_ = 0;
  bool block_valid_ = false;
};

}  // namespace nlcl
