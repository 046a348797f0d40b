// Lists a checkpoint of either kind: name, type, shape.
#include <iostream>

#include "nlcl/io/checkpoint.hpp"

using namespace nlcl;

void list(const StateFile& file) {
  for (const RawTensor& tensor : file.tensors)
    std::cout << "  " << tensor.name << "  " << tensor.dtype << "  " << tensor.shape << '\n';
}

int main() {
  const Tensor<float> weight({2, 2}, {1, 2, 3, -4}), bias({1}, {0.5f});
  const StateFile file{{from_tensor("weight", weight), from_tensor("bias", bias)}, {}};
  std::cout << "safetensors\n";
  list(parse_checkpoint(to_safetensors_bytes(file)));
  std::cout << "PyTorch\n";
  list(parse_checkpoint(to_torch_checkpoint_bytes(file)));
}
