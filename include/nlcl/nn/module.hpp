// Modules: structs that own parameters, which are learned, may have a form, which is chosen, and can name both.
//
//     parameters(prefix, visit)   visit(name, tensor) for every parameter, in the order of PyTorch's state dict
//     form(prefix, visit)         visit(name, number, smallest, largest) for all that the form is made of, if a module
//                                 has one; the number is a bool or an Index, 0 where it is not wanted, else within
//                                 smallest to largest
//
// Both are member function templates. Optimisers, averages, counts and devices know parameters only; a file holds the
// form too (see io/module_state.hpp). A module that contains others may pass their numbers on as constants: its form is
// then chosen once, and loading asks the file for the same.
#pragma once

#include <string>
#include <utility>

#include "nlcl/core/tensor.hpp"

namespace nlcl {

template <class Module>
void for_each_parameter(Module& module, const auto& visit) {
  module.parameters("", visit);
}

// Nothing for a module without a form.
template <class Module>
void for_each_form(Module& module, const auto& visit) {
  if constexpr (requires { module.form("", visit); }) module.form("", visit);
}

// Numbers in all parameters.
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
