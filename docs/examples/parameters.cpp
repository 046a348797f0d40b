// The parameters of the generator by the names of the published checkpoint.
#include <iostream>

#include "nlcl/model/generator.hpp"

using namespace nlcl;

int main() {
  Generator<float> generator;
  int tensors = 0;
  for_each_parameter(generator, [&](const std::string& name, const Tensor<float>& value) {
    for (const char* layer : {"gen.0.", "gen.1.", "gen.17.", "gen.18."})
      if (name.starts_with(layer)) std::cout << name << ' ' << value.shape() << '\n';
    ++tensors;
  });
  std::cout << tensors << " tensors, " << parameter_count(generator) << " parameters\n";
}
