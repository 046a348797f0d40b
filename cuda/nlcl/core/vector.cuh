// Neighbouring numbers that a thread reads or writes at once: four floats are one access of 16 bytes.
#pragma once

#include "nlcl/core/shape.hpp"

namespace nlcl::cuda {

template <int Width>
struct alignas(Width * sizeof(float)) Vector {
  float values[Width];

  __device__ float& operator[](int i) { return values[i]; }
  __device__ const float& operator[](int i) const { return values[i]; }
};

// `from` and `to` are aligned to the vector.
template <int Width>
__device__ Vector<Width> load(const float* from) {
  return *reinterpret_cast<const Vector<Width>*>(from);
}

// What is read in memory's own format, and the numbers in it: a thread can hold several reads before it needs the first.
template <int Width>
__device__ __forceinline__ Vector<Width> fetch(const float* from) {
  return load<Width>(from);
}
template <int Width>
__device__ __forceinline__ const Vector<Width>& numbers(const Vector<Width>& fetched) {
  return fetched;
}

// What is read of two tensors at one place.
template <class A, class B>
struct Both {
  A first;
  B second;
};
template <class A, class B>
Both(A, B) -> Both<A, B>;

template <int Width>
__device__ void store(float* to, const Vector<Width>& value) {
  *reinterpret_cast<Vector<Width>*>(to) = value;
}

// Calls body<Width>() for the number of channels that a thread can read at once.
void with_vector_width(Index channels, const auto& body) {
  if (channels % 4 == 0)
    body.template operator()<4>();
  else
    body.template operator()<1>();
}

}  // namespace nlcl::cuda
