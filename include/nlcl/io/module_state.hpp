// Between a module and a file: parameters by name, convolution weights turned between [kh,kw,in,out] and
// PyTorch's [out,in,kh,kw]. The module may be on any device.
#pragma once

#include <array>
#include <map>
#include <string>
#include <utility>

#include "nlcl/io/state_file.hpp"
#include "nlcl/nn/module.hpp"

namespace nlcl {

namespace detail {

// Dimension i of the result is dimension order[i] of x.
template <class T>
Tensor<T> permuted(const Tensor<T>& x, const std::array<int, 4>& order) {
  std::array<Index, 4> stride{};
  for (Index step = 1, axis = 3; axis >= 0; --axis) {
    stride[static_cast<std::size_t>(axis)] = step;
    step *= x.shape()[static_cast<int>(axis)];
  }
  const auto dim = [&](std::size_t i) { return x.shape()[order[i]]; };
  const auto step = [&](std::size_t i) { return stride[static_cast<std::size_t>(order[i])]; };
  Tensor<T> result({dim(0), dim(1), dim(2), dim(3)});
  T* to = result.mutable_data();
  for (Index a = 0; a < dim(0); ++a)
    for (Index b = 0; b < dim(1); ++b)
      for (Index c = 0; c < dim(2); ++c)
        for (Index d = 0; d < dim(3); ++d)
          *to++ = x.data()[a * step(0) + b * step(1) + c * step(2) + d * step(3)];
  return result;
}

template <class T>
Tensor<T> from_file_layout(const Tensor<T>& x) {
  return x.shape().rank() == 4 ? permuted(x, {2, 3, 1, 0}) : x;
}

template <class T>
Tensor<T> to_file_layout(const Tensor<T>& x) {
  return x.shape().rank() == 4 ? permuted(x, {3, 2, 0, 1}) : x;
}
inline Shape file_layout(const Shape& x) { return x.rank() == 4 ? Shape{x[3], x[2], x[0], x[1]} : x; }

}  // namespace detail

// All parameters of a module, as a file holds them.
template <class Module>
StateFile state_of(Module& module, std::map<std::string, std::string> metadata = {}) {
  StateFile file{{}, std::move(metadata)};
  for_each_parameter(module, [&](const std::string& name, const auto& value) {
    file.tensors.push_back(from_tensor(name, detail::to_file_layout(value.to(Device::cpu()))));
  });
  return file;
}

// Sets all parameters of a module from a file. A module of several forms takes the one that the file has:
// module.take_form(has) asks has(name) for its tensors. Throws FormatError, before any parameter is changed, if one
// is missing or of another shape, or if the file holds a tensor that the module has no parameter for.
template <class Module>
void load_state(Module& module, const StateFile& file) {
  const auto has_tensor = [&](std::string_view name) { return file.find(name) != nullptr; };
  if constexpr (requires { module.take_form(has_tensor); }) module.take_form(has_tensor);
  std::size_t matched = 0;
  for_each_parameter(module, [&](const std::string& name, auto& value) {
    const Shape expected = detail::file_layout(value.shape()), found = file.at(name).shape;
    require<FormatError>(found == expected, "checkpoint: '", name, "' has shape ", found, ", expected ",
                         expected);
    ++matched;
  });
  if (matched != file.tensors.size()) {
    std::map<std::string_view, bool> known;
    for_each_parameter(module, [&](const std::string& name, auto&) { known[file.find(name)->name] = true; });
    for (const RawTensor& tensor : file.tensors)
      require<FormatError>(known[tensor.name], "checkpoint: unexpected tensor '", tensor.name,
                           "', the module has ", matched, " parameters and the file ", file.tensors.size(),
                           " tensors");
  }
  for_each_parameter(module, [&]<class T>(const std::string& name, Tensor<T>& value) {
    value.assign(detail::from_file_layout(to_tensor<T>(file.at(name))));
  });
}

}  // namespace nlcl
