// Golden values: what PyTorch computes in float64, written by tests/reference/write_golden.py.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "nlcl/core/tensor.hpp"
#include "nlcl/io/state_file.hpp"

namespace nlcl::test {

using Attributes = nlohmann::json;  // of an op, by name: {"stride": 2, "padding": 1}

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name);  // tests/golden/NAME.safetensors

  std::vector<std::string> cases() const;
  Attributes attributes(const std::string& name) const;

  bool has(const std::string& name) const;

  // In our layout. Tensors of four dimensions are images unless they are called a weight.
  Tensor<double> tensor(const std::string& name) const;

 private:
  StateFile file_;
};

}  // namespace nlcl::test
