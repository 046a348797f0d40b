#include "support/golden.hpp"

#include "nlcl/io/safetensors.hpp"
#include "support/paths.hpp"
#include "support/tensors.hpp"

namespace nlcl::test {

GoldenFile::GoldenFile(const std::string& name)
    : file_(read_safetensors(source_path("tests/golden/" + name + ".safetensors"))) {}

std::vector<std::string> GoldenFile::cases() const {
  std::vector<std::string> names;
  for (const auto& [name, attributes] : file_.metadata) names.push_back(name);
  return names;
}

Attributes GoldenFile::attributes(const std::string& name) const {
  return Attributes::parse(file_.metadata.at(name));
}

bool GoldenFile::has(const std::string& name) const { return file_.find(name); }

Tensor<double> GoldenFile::tensor(const std::string& name) const {
  const auto values = to_tensor<double>(file_.at(name));
  if (values.shape().rank() != 4) return values;
  return permuted(values, name.ends_with("weight") ? oihw_to_hwio : nchw_to_nhwc);
}

}  // namespace nlcl::test
