// The operations of a warp: shuffles, votes, and the matrix instructions with the fragment layouts that the PTX
// manual documents ("Warp Level Matrix Multiply-Accumulate Instructions").
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

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

struct MatrixLane {
  float* d;
  const std::uint32_t *a, *b;
};

// D [16,8] += A [16,K] B [K,8] from the fragments of 32 lanes; `a(lane, i)` and `b(lane, i)` are the i-th elements
// of a lane's fragments, and row_a, column_a, row_b say where they stand. The column of b is the lane's group.
template <int K, int A, int B>
void multiply(const std::array<MatrixLane*, 32>& lanes, auto a_value, auto b_value, auto row_a, auto column_a,
              auto row_b) {
  float a[16][K], b[K][8];
  for (int lane = 0; lane < 32; ++lane) {
    const MatrixLane& from = *lanes[static_cast<std::size_t>(lane)];
    const int group = lane >> 2, member = lane & 3;
    for (int i = 0; i < A; ++i) a[row_a(group, i)][column_a(member, i)] = a_value(from.a, i);
    for (int i = 0; i < B; ++i) b[row_b(member, i)][group] = b_value(from.b, i);
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = (lane >> 2) + (i < 2 ? 0 : 8), column = (lane & 3) * 2 + (i & 1);
      float& d = lanes[static_cast<std::size_t>(lane)]->d[i];
      double sum = static_cast<double>(d);
      for (int k = 0; k < K; ++k) sum += static_cast<double>(a[row][k]) * static_cast<double>(b[k][column]);
      d = static_cast<float>(sum);
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
