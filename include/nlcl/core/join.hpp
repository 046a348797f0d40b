// Tensors as one tensor, end to end, and back.
#pragma once

#include <algorithm>
#include <vector>

#include "nlcl/core/cuda.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace detail {

// Between tensors of one device.
template <class T>
void copy_values(const T* from, T* to, Index count, Device device) {
  if constexpr (has_cuda)
    if (device.is_cuda())
      return cuda::copy(to, device, from, device, static_cast<std::size_t>(count) * sizeof(T));
  std::copy_n(from, count, to);
}

}  // namespace detail

// All values of `parts`, one after the other, in a tensor of one axis; they are on one device, as is the result.
template <class T>
Tensor<T> join(const std::vector<Tensor<T>>& parts) {
  Index size = 0;
  for (const Tensor<T>& part : parts) size += part.size();
  const Device device = parts.empty() ? Device::cpu() : parts[0].device();
  Tensor<T> joined({size}, device);
  T* to = joined.mutable_data();
  for (const Tensor<T>& part : parts) {
    detail::copy_values(part.data(), to, part.size(), device);
    to += part.size();
  }
  return joined;
}

// The opposite: new tensors of these shapes, whose sizes add up to that of `joined`.
template <class T>
std::vector<Tensor<T>> split(const Tensor<T>& joined, const std::vector<Shape>& shapes) {
  Index size = 0;
  for (const Shape& shape : shapes) size += shape.size();
  require<ShapeError>(size == joined.size(), "split: ", joined.size(), " values, expected ", size);
  std::vector<Tensor<T>> parts;
  const T* from = joined.data();
  for (const Shape& shape : shapes) {
    parts.emplace_back(shape, joined.device());
    detail::copy_values(from, parts.back().mutable_data(), shape.size(), joined.device());
    from += shape.size();
  }
  return parts;
}

}  // namespace nlcl
