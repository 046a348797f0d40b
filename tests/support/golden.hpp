// Golden values: what PyTorch computes in float64, written by tests/reference/write_golden.py.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "nlcl/io/safetensors.hpp"
#include "support/tensors.hpp"

namespace nlcl::test {

using Attributes = nlohmann::json;  // of an op, by name: {"stride": 2, "padding": 1}

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name)
      : file_(read_safetensors(NLCL_TEST_DIR "/golden/" + name + ".safetensors")) {}

  std::vector<std::string> cases() const {
    std::vector<std::string> names;
    for (const auto& [name, attributes] : file_.metadata) names.push_back(name);
    return names;
  }
  Attributes attributes(const std::string& name) const { return Attributes::parse(file_.metadata.at(name)); }

  bool has(const std::string& name) const { return file_.find(name); }

  // In our layout. Tensors of four dimensions are images unless they are called a weight.
  Tensor<double> tensor(const std::string& name) const {
    const auto values = to_tensor<double>(file_.at(name));
    if (values.shape().rank() != 4) return values;
    return permuted(values, name.ends_with("weight") ? oihw_to_hwio : nchw_to_nhwc);
  }

 private:
  StateFile file_;
};

}  // namespace nlcl::test
