// Tensors for tests: random ones, ones in another layout, and how far two are apart.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/random.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl::test {

template <class T>
using Tensors = std::vector<Tensor<T>>;

// Uniform in [low, high), rounded to float, so that a test in float and one in double see the same numbers.
template <class T>
Tensor<T> random_tensor(const Shape& shape, Random& random, double low = -1, double high = 1) {
  Tensor<T> x(shape);
  std::generate_n(x.mutable_data(), x.size(), [&] { return static_cast<float>(random.uniform(low, high)); });
  return x;
}

// The same values as another number type; an absent tensor stays absent.
template <class To, class From>
Tensor<To> converted(const Tensor<From>& x) {
  if (!x) return {};
  Tensor<To> result(x.shape());
  std::transform(x.data(), x.data() + x.size(), result.mutable_data(),
                 [](From v) { return static_cast<To>(v); });
  return result;
}

template <class To, class From>
Tensors<To> converted(const Tensors<From>& tensors) {
  Tensors<To> result;
  for (const auto& x : tensors) result.push_back(converted<To>(x));
  return result;
}

// PyTorch's layouts and ours.
using AxisOrder = std::array<std::size_t, 4>;
inline constexpr AxisOrder nchw_to_nhwc{0, 2, 3, 1}, nhwc_to_nchw{0, 3, 1, 2};
inline constexpr AxisOrder oihw_to_hwio{2, 3, 1, 0}, hwio_to_oihw{3, 2, 0, 1};

// Axis i of the result is axis order[i] of x.
template <class T>
Tensor<T> permuted(const Tensor<T>& x, const AxisOrder& order) {
  const auto size = [&](std::size_t axis) { return x.shape()[static_cast<int>(order[axis])]; };
  Tensor<T> result({size(0), size(1), size(2), size(3)});
  T* to = result.mutable_data();
  for (Index i = 0; i < size(0); ++i)
    for (Index j = 0; j < size(1); ++j)
      for (Index k = 0; k < size(2); ++k)
        for (Index l = 0; l < size(3); ++l) {
          std::array<Index, 4> at{};  // the position in x
          at[order[0]] = i, at[order[1]] = j, at[order[2]] = k, at[order[3]] = l;
          *to++ = x(at[0], at[1], at[2], at[3]);
        }
  return result;
}

// x(i,j,k,l) as a place to write to.
template <class T>
auto writable(Tensor<T>& x) {
  return [shape = x.shape(), data = x.mutable_data()](Index i, Index j, Index k, Index l) -> T& {
    return data[((i * shape[1] + j) * shape[2] + k) * shape[3] + l];
  };
}

template <class T>
double max_abs(const Tensor<T>& x) {
  double largest = 0;
  for (T value : x.values()) largest = std::max(largest, std::abs(static_cast<double>(value)));
  return largest;
}

// The element where two tensors are furthest apart. CHECK(difference(x, y) <= tolerance) prints it.
struct Difference {
  double worst = 0;
  Index element = 0;
  double found = 0, expected = 0;
  Shape shape;

  friend bool operator<=(const Difference& difference, double tolerance) {
    return difference.worst <= tolerance;
  }
  friend std::ostream& operator<<(std::ostream& out, const Difference& d) {
    return out << d.worst << " (element " << d.element << " of " << d.shape << ": " << d.found
               << ", expected " << d.expected << ")";
  }
};

// The largest |found - expected|; infinite where one of them is NaN.
template <class A, class B>
Difference difference(const Tensor<A>& found, const Tensor<B>& expected) {
  require<ShapeError>(found.shape() == expected.shape(), "difference: found ", found.shape(), ", expected ",
                      expected.shape());
  Difference result{.shape = found.shape()};
  for (Index i = 0; i < found.size(); ++i) {
    const double a = static_cast<double>(found.data()[i]), b = static_cast<double>(expected.data()[i]);
    const double distance = std::isnan(a - b) ? std::numeric_limits<double>::infinity() : std::abs(a - b);
    if (distance > result.worst) result = {distance, i, a, b, found.shape()};
  }
  return result;
}

// The same in units of the largest |expected|: what rounding does to a sum goes with its terms, not with its
// result.
template <class A, class B>
Difference relative_difference(const Tensor<A>& found, const Tensor<B>& expected) {
  Difference result = difference(found, expected);
  if (const double scale = max_abs(expected); scale > 0) result.worst /= scale;
  return result;
}

// |found - expected| / |expected| as vectors: for values of which a few are rightly far off.
template <class A, class B>
double relative_l2(const Tensor<A>& found, const Tensor<B>& expected) {
  require<ShapeError>(found.shape() == expected.shape(), "relative_l2: found ", found.shape(), ", expected ",
                      expected.shape());
  double error = 0, size = 0;
  for (Index i = 0; i < found.size(); ++i) {
    const double value = static_cast<double>(expected.data()[i]);
    error += std::pow(static_cast<double>(found.data()[i]) - value, 2);
    size += std::pow(value, 2);
  }
  return error == 0 ? 0 : std::sqrt(error / size);  // also where all are 0
}

template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && static_cast<bool>(a) == static_cast<bool>(b) &&
         (a.size() == 0 ||
          std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0);
}

template <class T>
bool has_nan(const Tensor<T>& x) {
  return std::any_of(x.data(), x.data() + x.size(), [](T value) { return std::isnan(value); });
}

}  // namespace nlcl::test
