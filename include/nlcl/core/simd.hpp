// One vector register of numbers, as wide as the compiler's target has (Eigen's packets underneath: AVX-512,
// AVX, SSE, NEON, ..., and a single number where there is nothing; on WebAssembly its own four lanes).
#pragma once

// GCC 12 takes the registers that its own intrinsics leave undefined on purpose for mistakes (bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

#include "nlcl/core/shape.hpp"

// The kernels keep their accumulators in registers, which only works when everything below is inlined.
#if defined(_MSC_VER)
#define NLCL_INLINE __forceinline
#define NLCL_INLINE_LAMBDA
#else
#define NLCL_INLINE inline __attribute__((always_inline))
#define NLCL_INLINE_LAMBDA __attribute__((always_inline))
#endif

namespace nlcl {

template <class T>
struct Pack {
  using Raw = typename Eigen::internal::packet_traits<T>::type;
  static constexpr Index width = Eigen::internal::unpacket_traits<Raw>::size;
#if defined(__AVX512F__) || defined(__aarch64__)
  static constexpr int registers = 32;
#else
  static constexpr int registers = 16;
#endif

  Raw raw;

  static NLCL_INLINE Pack load(const T* from) { return {Eigen::internal::ploadu<Raw>(from)}; }
  static NLCL_INLINE Pack all(T value) { return {Eigen::internal::pset1<Raw>(value)}; }
  NLCL_INLINE void store(T* to) const { Eigen::internal::pstoreu(to, raw); }

  friend NLCL_INLINE Pack operator+(Pack a, Pack b) { return {Eigen::internal::padd(a.raw, b.raw)}; }
  friend NLCL_INLINE Pack operator-(Pack a, Pack b) { return {Eigen::internal::psub(a.raw, b.raw)}; }
  friend NLCL_INLINE Pack operator*(Pack a, Pack b) { return {Eigen::internal::pmul(a.raw, b.raw)}; }
};

// a * b + c, in one rounding where the target can.
template <class T>
NLCL_INLINE Pack<T> multiply_add(Pack<T> a, Pack<T> b, Pack<T> c) {
  return {Eigen::internal::pmadd(a.raw, b.raw, c.raw)};
}

template <class T>
NLCL_INLINE Pack<T> max(Pack<T> a, Pack<T> b) {
  return {Eigen::internal::pmax(a.raw, b.raw)};
}

// The sum of all lanes.
template <class T>
NLCL_INLINE T sum_of_lanes(Pack<T> a) {
  return Eigen::internal::predux(a.raw);
}

#if defined(__wasm_simd128__)
// WebAssembly, for which Eigen has no packets. A product and a sum are rounded one after the other there.
template <>
struct Pack<float> {
  static constexpr Index width = 4;
  // A browser's compiler has 16 on x86-64, keeps one of them, and puts products and numbers that it has loaded ahead into others.
  static constexpr int registers = 12;

  v128_t raw;

  static NLCL_INLINE Pack load(const float* from) { return {wasm_v128_load(from)}; }
  static NLCL_INLINE Pack all(float value) { return {wasm_f32x4_splat(value)}; }
  NLCL_INLINE void store(float* to) const { wasm_v128_store(to, raw); }

  friend NLCL_INLINE Pack operator+(Pack a, Pack b) { return {wasm_f32x4_add(a.raw, b.raw)}; }
  friend NLCL_INLINE Pack operator-(Pack a, Pack b) { return {wasm_f32x4_sub(a.raw, b.raw)}; }
  friend NLCL_INLINE Pack operator*(Pack a, Pack b) { return {wasm_f32x4_mul(a.raw, b.raw)}; }
};

NLCL_INLINE Pack<float> multiply_add(Pack<float> a, Pack<float> b, Pack<float> c) { return a * b + c; }
NLCL_INLINE Pack<float> max(Pack<float> a, Pack<float> b) { return {wasm_f32x4_pmax(a.raw, b.raw)}; }
NLCL_INLINE float sum_of_lanes(Pack<float> a) {
  return (wasm_f32x4_extract_lane(a.raw, 0) + wasm_f32x4_extract_lane(a.raw, 2)) +
         (wasm_f32x4_extract_lane(a.raw, 1) + wasm_f32x4_extract_lane(a.raw, 3));
}
#endif

// Asks for the cache line at `address` ahead of its use. A hint: any address is allowed.
NLCL_INLINE void prefetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address, 0, 2);
#else
  (void)address;
#endif
}

// `value` in every lane, loaded once into a register of its own. A compiler may instead repeat the load inside
// each multiply-add that uses it; on processors with two of these units the loads then set the pace.
template <class T>
NLCL_INLINE Pack<T> broadcast_once(const T* value) {
  Pack<T> pack = Pack<T>::all(*value);
#if defined(__GNUC__) && defined(__x86_64__)
  if constexpr (Pack<T>::width > 1) asm("" : "+v"(pack.raw));
#endif
  return pack;
}

}  // namespace nlcl
