// Between a module and a file: parameters by name, convolution weights turned between [kh,kw,in,out] and
// PyTorch's [out,in,kh,kw]. Each number of the form is a tensor [1] behind the parameters of its module, absent if it
// is 0, so that a file says by itself what it is for. The module may be on any device.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

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

inline const RawTensor& checked_shape(const RawTensor& tensor, const Shape& expected) {
  require<FormatError>(tensor.shape == expected, "checkpoint: '", tensor.name, "' has shape ", tensor.shape,
                       ", expected ", expected);
  return tensor;
}

// Adds a number of a form [1], behind the last tensor of the innermost module that its name lies in.
inline void add_beside(StateFile& file, const std::string& name, Index value) {
  auto place = file.tensors.end();
  for (std::string module = name; place == file.tensors.end() && module.find('.') != std::string::npos;) {
    module.erase(module.rfind('.'));
    const auto last = std::find_if(
        file.tensors.rbegin(), file.tensors.rend(),
        [inside = module + "."](const RawTensor& tensor) { return tensor.name.starts_with(inside); });
    if (last != file.tensors.rend()) place = last.base();
  }
  file.tensors.insert(place, from_tensor(name, Tensor<float>::full({1}, static_cast<float>(value))));
}

// The number of that name, 0 if the file has none; a fraction, as the mean of several files may have, is cut off.
// Throws FormatError unless it is [1] and within smallest to largest.
inline Index number_of_form(const StateFile& file, const std::string& name, Index smallest, Index largest) {
  const RawTensor* const tensor = file.find(name);
  if (!tensor) return 0;
  const double value = to_tensor<double>(checked_shape(*tensor, {1})).item();
  require<FormatError>(value >= static_cast<double>(smallest) && value <= static_cast<double>(largest),
                       "checkpoint: '", name, "' is ", value, ", expected ", smallest,
                       smallest == largest ? "" : text(" to ", largest));
  return static_cast<Index>(value);
}

}  // namespace detail

// All parameters of a module and its form, as a file holds them.
template <class Module>
StateFile state_of(Module& module, std::map<std::string, std::string> metadata = {}) {
  StateFile file{{}, std::move(metadata)};
  for_each_parameter(module, [&](const std::string& name, const auto& value) {
    file.tensors.push_back(from_tensor(name, detail::to_file_layout(value.to(Device::cpu()))));
  });
  for_each_form(module, [&](const std::string& name, Index value, Index, Index) {
    if (value != 0) detail::add_beside(file, name, value);
  });
  return file;
}

// Sets all parameters of a module, and its form, from a file. The tensors stay the same, and with them the handles that
// others keep. Tensors of the file for which is_ignored(name) holds are passed over. Throws FormatError, before anything
// is changed: for a parameter that is missing, of another shape or of too few bytes; for a number of the form that is out
// of range, or that is not the module's own where that is a constant; for a tensor that the module has no place for.
template <class Module>
void load_state(Module& module, const StateFile& file, const auto& is_ignored) {
  std::vector<std::function<void()>> changes;  // made when everything has been read
  std::set<std::string_view> known;
  std::size_t parameters = 0;
  for_each_parameter(module, [&]<class T>(const std::string& name, Tensor<T>& value) {
    const RawTensor& tensor = detail::checked_shape(file.at(name), detail::file_layout(value.shape()));
    known.insert(tensor.name);
    ++parameters;
    changes.push_back([place = value, found = detail::from_file_layout(to_tensor<T>(tensor))]() mutable {
      place.assign(found);
    });
  });
  for_each_form(module, [&]<class T>(const std::string& name, T& value, Index smallest, Index largest) {
    const Index found = detail::number_of_form(file, name, smallest, largest);
    if (found != 0) known.insert(file.at(name).name);
    if constexpr (std::is_const_v<T>) {
      const auto as_text = [](Index number) { return number == 0 ? "absent" : std::to_string(number); };
      require<FormatError>(found == static_cast<Index>(value), "checkpoint: '", name, "' is ", as_text(found),
                           ", expected ", as_text(value));
    } else {
      changes.push_back([&value, found] { value = static_cast<T>(found); });
    }
  });
  for (const RawTensor& tensor : file.tensors)
    require<FormatError>(known.contains(tensor.name) || is_ignored(tensor.name),
                         "checkpoint: unexpected tensor '", tensor.name, "', the module has ", parameters,
                         " parameters and the file ", file.tensors.size(), " tensors");
  for (const auto& change : changes) change();
}

template <class Module>
void load_state(Module& module, const StateFile& file) {
  load_state(module, file, [](std::string_view) { return false; });
}

}  // namespace nlcl
