// Matrix instructions of a warp, D += A B, and the number formats they read.
//
// Which lane holds what (PTX manual, "Matrix Fragments for mma"), with group = lane / 4 and member = lane % 4:
//
//   D [16,8] float:  d[0], d[1]: row group,      columns 2 member and 2 member + 1
//                    d[2], d[3]: row group + 8,  the same columns
//
//   bf16, two in a register, the one with the smaller index in the low half:
//   A [16,16]        a[0]: row group,  columns 2 member, +1        a[1]: row group + 8,  the same columns
//                    a[2]: row group,  columns 2 member + 8, +9    a[3]: row group + 8,  the same columns
//   B [16,8]         b[0]: rows 2 member, +1, column group         b[1]: rows 2 member + 8, +9, column group
//
//   tf32:
//   A [16,8]         a[0]: row group, column member                a[1]: row group + 8, column member
//                    a[2]: row group, column member + 4            a[3]: row group + 8, column member + 4
//   B [8,8]          b[0]: row member, column group                b[1]: row member + 4, column group
//
// Devices before sm_80 have none of these: kernels that use them are not launched there (has_matrix_units).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "nlcl/core/block.cuh"

namespace nlcl::cuda {

// Rounded to nearest, ties to even; NaN stays NaN.
__device__ __forceinline__ std::uint32_t round_to_bf16(float value) {  // in the low half
  const std::uint32_t bits = __float_as_uint(value);
  if (value != value) return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
__device__ __forceinline__ std::uint32_t round_to_bf16(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t result;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
#else
  return round_to_bf16(high) << 16 | round_to_bf16(low);
#endif
}
__device__ __forceinline__ std::uint32_t round_to_tf32(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  std::uint32_t result;
  asm("cvt.rn.tf32.f32 %0, %1;" : "=r"(result) : "f"(value));
  return result;
#else
  const std::uint32_t bits = __float_as_uint(value);
  if (value != value) return bits | 0x00400000;
  return (bits + 0xfff + (bits >> 13 & 1)) & ~std::uint32_t{0x1fff};
#endif
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define NLCL_NO_MATRIX_UNITS __trap()
#else
#define NLCL_NO_MATRIX_UNITS
#endif

__device__ __forceinline__ void mma_bf16_16x8x16([[maybe_unused]] float (&d)[4],
                                                 [[maybe_unused]] const std::uint32_t (&a)[4],
                                                 [[maybe_unused]] const std::uint32_t (&b)[2]) {
#if defined(NLCL_CUDA_EMULATION)
  emulation::mma_bf16_16x8x16(d, a, b);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  NLCL_NO_MATRIX_UNITS;
#endif
}

__device__ __forceinline__ void mma_tf32_16x8x8([[maybe_unused]] float (&d)[4],
                                                [[maybe_unused]] const std::uint32_t (&a)[4],
                                                [[maybe_unused]] const std::uint32_t (&b)[2]) {
#if defined(NLCL_CUDA_EMULATION)
  emulation::mma_tf32_16x8x8(d, a, b);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  NLCL_NO_MATRIX_UNITS;
#endif
}

// Four matrices [8,8] of 16-bit numbers from shared memory, fragments of bf16 A: lane l gives row l % 8 (16 bytes)
// of matrix l / 8, and gets in result[m] the elements 2 member and 2 member + 1 of row group of matrix m.
__device__ __forceinline__ void load_matrices([[maybe_unused]] std::uint32_t (&result)[4],
                                              [[maybe_unused]] const uint4& row) {
#if defined(NLCL_CUDA_EMULATION)
  emulation::load_matrices(result, &row);
#elif defined(__CUDA_ARCH__)
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(&row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(result[0]), "=r"(result[1]), "=r"(result[2]), "=r"(result[3])
               : "r"(from)
               : "memory");
#endif
}

}  // namespace nlcl::cuda
