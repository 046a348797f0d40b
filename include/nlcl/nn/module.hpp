// Modules: structs that own parameters and can name them.
//
// A module has one member function template, `parameters(prefix, visit)`, that calls visit(name, tensor) for
// every parameter in the order of PyTorch's state dict. Everything else here is written with it.
#pragma once

#include <string>
#include <utility>

#include "nlcl/core/tensor.hpp"

namespace nlcl {

template <class Module>
void for_each_parameter(Module& module, const auto& visit) {
  module.parameters("", visit);
}

template <class Module>
Index parameter_count(Module& module) {
  Index count = 0;
  for_each_parameter(module, [&](const std::string&, const auto& value) { count += value.size(); });
  return count;
}

// Whether gradients of its parameters are wanted. Frozen modules still pass gradients on to their input.
template <class Module>
void set_trainable(Module& module, bool trainable) {
  for_each_parameter(module, [&](const std::string&, auto& value) { value.set_requires_grad(trainable); });
}

// Moves its parameters to `device`. They are other tensors then: whatever keeps handles to parameters, as an
// optimiser does, takes them afterwards.
template <class Module>
void to(Module& module, Device device) {
  for_each_parameter(module, [&](const std::string&, auto& value) {
    auto moved = value.to(device);
    moved.set_requires_grad(value.requires_grad());
    value = std::move(moved);
  });
}

// "gen", "0" -> "gen.0"
inline std::string join_name(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

}  // namespace nlcl
