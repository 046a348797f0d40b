// One byte of the file of chapter 8 changed, in the length of the header, in the header, and in the data.
#include <iostream>

#include "nlcl/io/safetensors.hpp"

using namespace nlcl;

int main() {
  const Tensor<float> weight({2, 2}, {1, 2, 3, -4}), bias({1}, {0.5f});
  const StateFile file{{from_tensor("weight", weight), from_tensor("bias", bias)}, {}};
  const auto changed = [&](std::size_t at, unsigned char to) {
    std::vector<std::byte> bytes = to_safetensors_bytes(file);
    bytes[at] = std::byte{to};
    std::cout << "byte " << at << ": ";
    try {
      const StateFile read = parse_safetensors(bytes);
      std::cout << "taken; weight[0,0] = " << to_tensor(read.at("weight"))(0, 0) << '\n';
    } catch (const FormatError& error) {
      std::cout << error.what() << '\n';
    }
  };
  changed(0, 0xff);
  changed(8, ' ');
  changed(131, 0x40);
}
