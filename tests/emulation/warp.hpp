// The operations of a warp: shuffles, votes, and the matrix instructions with the fragment layouts that the PTX
// manual documents ("Warp Level Matrix Multiply-Accumulate Instructions").
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "choices.hpp"
#include "execution.hpp"

namespace emulation {

// Every lane gives a value and the lane that it wants one from.
template <class T>
T shuffle(const char* name, unsigned mask, T value, int source) {
  struct Lane {
    T value, result;
    int source;
  } mine{value, value, source};
  in_warp(name, mask, mine, [](const std::array<Lane*, 32>& lanes) {
    for (Lane* lane : lanes) {
      if (!lane) continue;
      const Lane* const from = lanes[static_cast<std::size_t>(lane->source)];
      require(from, "shuffle: lane ", lane->source, " is asked for its value and is not in the mask");
      lane->result = from->value;
    }
  });
  return mine.result;
}

inline float bf16_value(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }
inline float tf32_value(std::uint32_t bits) {
  return std::bit_cast<float>(bits & ~0x1fffu);
}  // as the unit reads it

// ---- Sums of exact products: the factors of bf16 have 8 bits, those of tf32 11 ----

template <int K>
float sum_in_order(float start, const float (&a)[K], const float (&b)[K], bool backward) {
  for (int k = 0; k < K; ++k) {
    const int at = backward ? K - 1 - k : k;
    start += a[at] * b[at];
  }
  return start;
}

template <int K>
float sum_of_pairs(float start, const float (&a)[K], const float (&b)[K]) {
  float terms[K];
  for (int k = 0; k < K; ++k) terms[k] = a[k] * b[k];
  for (int count = K; count > 1; count /= 2)
    for (int k = 0; k < count / 2; ++k) terms[k] = terms[2 * k] + terms[2 * k + 1];
  return start + terms[0];
}

// The largest float that is no further from 0 than x.
inline float towards_zero(double x) {
  const auto nearest = static_cast<float>(x);
  return std::abs(static_cast<double>(nearest)) > std::abs(x) ? std::nextafter(nearest, 0.0f) : nearest;
}

inline int exponent(float x) { return static_cast<int>(std::bit_cast<std::uint32_t>(x) >> 23 & 0xff) - 127; }

// `count` products and the start, shifted to the largest exponent (of a product that is the sum of its factors'), with
// 24 + `more` bits of each. Numbers below 2^-126 are taken for larger than they are.
inline float sum_of_shifted(float start, const float* a, const float* b, int count, int more) {
  int largest = start == 0 ? -1000 : exponent(start);
  for (int k = 0; k < count; ++k)
    if (a[k] != 0 && b[k] != 0) largest = std::max(largest, exponent(a[k]) + exponent(b[k]));
  if (largest == -1000) return start;
  const int last_bit = largest - 23 - more;
  const double steps = std::ldexp(1.0, -last_bit);
  double sum = std::trunc(static_cast<double>(start) * steps);
  for (int k = 0; k < count; ++k)
    sum += std::trunc(static_cast<double>(a[k]) * static_cast<double>(b[k]) * steps);
  return towards_zero(std::ldexp(sum, last_bit));
}

// start + a . b, as Choices::sums says. NaN and infinity come out of every order alike.
template <int K>
float sum_of_products(float start, const float (&a)[K], const float (&b)[K]) {
  const Sums sums = choices().sums;
  switch (sums) {
    case Sums::forward:
    case Sums::backward:
      return sum_in_order(start, a, b, sums == Sums::backward);
    case Sums::pairwise:
      return sum_of_pairs(start, a, b);
    case Sums::ampere:
    case Sums::hopper:
      break;
  }
  if (const float plain = sum_in_order(start, a, b, false); !std::isfinite(plain)) return plain;
  if (sums == Sums::hopper) return sum_of_shifted(start, a, b, K, 2);
  return sum_of_shifted(sum_of_shifted(start, a, b, K / 2, 1), a + K / 2, b + K / 2, K / 2, 1);
}

struct MatrixLane {
  float* d;
  const std::uint32_t *a, *b;
};

// D [16,8] += A [16,K] B [K,8] from the fragments of 32 lanes; `a(lane, i)` and `b(lane, i)` are the i-th elements
// of a lane's fragments, and row_a, column_a, row_b say where they stand. The column of b is the lane's group.
template <int K, int A, int B>
void multiply(const std::array<MatrixLane*, 32>& lanes, auto a_value, auto b_value, auto row_a, auto column_a,
              auto row_b) {
  float a[16][K], b[8][K];  // b by columns
  for (int lane = 0; lane < 32; ++lane) {
    const MatrixLane& from = *lanes[static_cast<std::size_t>(lane)];
    const int group = lane >> 2, member = lane & 3;
    for (int i = 0; i < A; ++i) a[row_a(group, i)][column_a(member, i)] = a_value(from.a, i);
    for (int i = 0; i < B; ++i) b[group][row_b(member, i)] = b_value(from.b, i);
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = (lane >> 2) + (i < 2 ? 0 : 8), column = (lane & 3) * 2 + (i & 1);
      float& d = lanes[static_cast<std::size_t>(lane)]->d[i];
      d = sum_of_products(d, a[row], b[column]);
    }
}

// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32: a register holds two elements, the first in its low half.
inline void mma_bf16_16x8x16(float* d, const std::uint32_t* a, const std::uint32_t* b) {
  MatrixLane mine{d, a, b};
  in_warp("mma_bf16_16x8x16", ~0u, mine, [](const std::array<MatrixLane*, 32>& lanes) {
    const auto half = [](const std::uint32_t* from, int i) {
      return bf16_value(i & 1 ? from[i / 2] >> 16 : from[i / 2] & 0xffff);
    };
    multiply<16, 8, 4>(
        lanes, half, half, [](int group, int i) { return group + (i < 2 || (i >= 4 && i < 6) ? 0 : 8); },
        [](int member, int i) { return member * 2 + (i & 1) + (i < 4 ? 0 : 8); },
        [](int member, int i) { return member * 2 + (i & 1) + (i < 2 ? 0 : 8); });
  });
}

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
inline void mma_tf32_16x8x8(float* d, const std::uint32_t* a, const std::uint32_t* b) {
  MatrixLane mine{d, a, b};
  in_warp("mma_tf32_16x8x8", ~0u, mine, [](const std::array<MatrixLane*, 32>& lanes) {
    const auto whole = [](const std::uint32_t* from, int i) { return tf32_value(from[i]); };
    multiply<8, 4, 2>(
        lanes, whole, whole, [](int group, int i) { return group + (i == 0 || i == 2 ? 0 : 8); },
        [](int member, int i) { return member + (i < 2 ? 0 : 4); },
        [](int member, int i) { return member + (i == 0 ? 0 : 4); });
  });
}

// ldmatrix.sync.aligned.m8n8.x4.shared.b16: lane l brings the address of row l % 8 (16 bytes) of matrix l / 8, and
// gets of each matrix the two elements from column 2 (l % 4) of row l / 4.
inline void load_matrices(std::uint32_t* result, const void* row) {
  require(reinterpret_cast<std::uintptr_t>(row) % 16 == 0,
          "load_matrices: the address of a row is not a multiple of 16");
  struct Lane {
    std::uint32_t* result;
    const std::uint32_t* row;
  } mine{result, static_cast<const std::uint32_t*>(row)};
  in_warp("load_matrices", ~0u, mine, [](const std::array<Lane*, 32>& lanes) {
    for (std::size_t lane = 0; lane < 32; ++lane)
      for (std::size_t matrix = 0; matrix < 4; ++matrix)
        std::memcpy(lanes[lane]->result + matrix, lanes[matrix * 8 + lane / 4]->row + lane % 4, 4);
  });
}

}  // namespace emulation

inline void __syncthreads() { emulation::Execution::instance().barrier(); }

inline void __syncwarp(unsigned mask = ~0u) {
  int nothing = 0;
  emulation::in_warp("__syncwarp", mask, nothing, [](const std::array<int*, 32>&) {});
}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane) {
  return emulation::shuffle("__shfl_sync", mask, value, lane & 31);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return emulation::shuffle("__shfl_xor_sync", mask, value,
                            (emulation::Execution::instance().lane() ^ bits) & 31);
}
// Lanes beyond the end keep their own value.
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance) {
  const int self = emulation::Execution::instance().lane(), from = self + static_cast<int>(distance);
  return emulation::shuffle("__shfl_down_sync", mask, value, from < 32 ? from : self);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  struct Lane {
    bool set;
    unsigned result;
  } mine{predicate != 0, 0};
  emulation::in_warp("__ballot_sync", mask, mine, [](const std::array<Lane*, 32>& lanes) {
    unsigned result = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
      if (lanes[lane] && lanes[lane]->set) result |= 1u << lane;
    for (Lane* lane : lanes)
      if (lane) lane->result = result;
  });
  return mine.result;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
