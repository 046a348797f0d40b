// A safetensors file, byte by byte.
#include <algorithm>
#include <cstdio>

#include "nlcl/io/safetensors.hpp"

using namespace nlcl;

void print_bytes(ByteSpan bytes) {
  for (std::size_t row = 0; row < bytes.size(); row += 16) {
    const ByteSpan line = bytes.subspan(row, std::min<std::size_t>(16, bytes.size() - row));
    std::printf("%3d ", static_cast<int>(row));
    for (std::byte b : line) std::printf(" %02x", std::to_integer<unsigned>(b));
    std::printf("%*s", static_cast<int>(3 * (16 - line.size()) + 2), "");
    for (char c : text_of(line)) std::printf("%c", c >= ' ' && c <= '~' ? c : '.');
    std::printf("\n");
  }
}

int main() {
  const Tensor<float> weight({2, 2}, {1, 2, 3, -4}), bias({1}, {0.5f});
  const StateFile file{{from_tensor("weight", weight), from_tensor("bias", bias)}, {}};
  print_bytes(to_safetensors_bytes(file));
}
