// What a checkpoint holds, whatever its format: named tensors in the order of the file, and text about them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/dtype.hpp"

namespace nlcl {

// A tensor as it lies in the file: row-major, little-endian, in the file's own layout ([out,in,kh,kw] for
// PyTorch).
struct RawTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::byte> bytes;  // shape.size() * size_of(dtype)
};

struct StateFile {
  std::vector<RawTensor> tensors;
  std::map<std::string, std::string> metadata;  // safetensors only

  // The tensor of that name, or nullptr.
  const RawTensor* find(std::string_view name) const {
    const auto found = std::ranges::find(tensors, name, &RawTensor::name);
    return found == tensors.end() ? nullptr : &*found;
  }

  // The tensor of that name. Throws FormatError when the file has none.
  const RawTensor& at(std::string_view name) const {
    const RawTensor* tensor = find(name);
    require<FormatError>(tensor, "checkpoint: no tensor '", name, "' among the ", tensors.size(),
                         " in the file");
    return *tensor;
  }
};

// What DataParallel of PyTorch puts before all names.
inline constexpr std::string_view data_parallel_prefix = "module.";

// The tensors whose names all begin so, without that; the file as it is if some do not.
inline StateFile without_prefix(StateFile file, std::string_view prefix) {
  const auto begins = [&](const RawTensor& tensor) { return tensor.name.starts_with(prefix); };
  if (std::ranges::all_of(file.tensors, begins))
    for (RawTensor& tensor : file.tensors) tensor.name.erase(0, prefix.size());
  return file;
}

// One network of many: the tensors whose names begin with the key and a dot, without that; all if the key is empty. Throws
// FormatError if there are none.
inline StateFile part_of(StateFile file, std::string_view key) {
  if (key.empty()) return file;
  const std::string prefix = text(key, '.');
  std::erase_if(file.tensors, [&](const RawTensor& tensor) { return !tensor.name.starts_with(prefix); });
  require<FormatError>(!file.tensors.empty(), "no tensor has a name that begins with '", prefix, "'");
  return without_prefix(std::move(file), prefix);
}

namespace detail {

inline void check_size(const RawTensor& raw) {
  require<FormatError>(raw.bytes.size() == static_cast<std::size_t>(raw.shape.size()) * size_of(raw.dtype),
                       "tensor '", raw.name, "': ", raw.bytes.size(), " bytes for ", raw.dtype, ' ',
                       raw.shape);
}

}  // namespace detail

// The values as T, in the file's own layout. Throws FormatError when bytes and shape do not agree.
template <class T = float>
Tensor<T> to_tensor(const RawTensor& raw) {
  detail::check_size(raw);
  Tensor<T> tensor(raw.shape);
  convert(raw.dtype, raw.bytes, tensor.mutable_data());
  return tensor;
}

// The values of `tensor` as F32, without a permutation.
inline RawTensor from_tensor(std::string name, const Tensor<float>& tensor) {
  const ByteSpan bytes = std::as_bytes(tensor.values());
  return {std::move(name), DType::f32, tensor.shape(), {bytes.begin(), bytes.end()}};
}

namespace detail {

// The shape that a file claims for a tensor. Throws FormatError for a rank or a size that no tensor can have.
inline Shape shape_of_file(std::string_view name, const std::vector<std::uint64_t>& dims) {
  std::vector<Index> signed_dims;
  for (const std::uint64_t dim : dims) {
    require<FormatError>(dim <= std::numeric_limits<Index>::max(), "tensor '", name, "': dimension ", dim,
                         " is too large");
    signed_dims.push_back(static_cast<Index>(dim));
  }
  try {
    return Shape(std::span<const Index>(signed_dims));
  } catch (const ShapeError& error) {
    throw FormatError(text("tensor '", name, "': ", error.what()));
  }
}

// Throws FormatError unless names are unique and every tensor has as many bytes as its shape says.
inline void check_for_writing(const StateFile& file) {
  std::set<std::string_view> names;
  for (const RawTensor& tensor : file.tensors) {
    require<FormatError>(names.insert(tensor.name).second, "tensor '", tensor.name,
                         "': the name occurs twice");
    check_size(tensor);
  }
}

}  // namespace detail

}  // namespace nlcl
