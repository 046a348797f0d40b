// A convolution weight in memory, [kh,kw,in,out], and in a file, [out,in,kh,kw].
#include <iostream>
#include <numeric>

#include "nlcl/io/module_state.hpp"
#include "nlcl/nn/conv_layer.hpp"

using namespace nlcl;

int main() {
  Random random(1);
  ConvLayer<float> layer(2, 3, 1, {}, random);  // 1x1, 2 to 3 channels
  std::iota(layer.weight.mutable_data(), layer.weight.mutable_data() + layer.weight.size(), 0.0f);
  std::cout << "in memory " << layer.weight.shape() << ':';
  for (float value : layer.weight.values()) std::cout << ' ' << value;

  const StateFile file = state_of(layer);
  const Tensor<float> stored = to_tensor(file.at("weight"));
  std::cout << "\nin a file " << stored.shape() << ':';
  for (float value : stored.values()) std::cout << ' ' << value;

  ConvLayer<float> loaded(2, 3, 1, {}, random);
  load_state(loaded, file);
  std::cout << "\nloaded    " << loaded.weight.shape() << ':';
  for (float value : loaded.weight.values()) std::cout << ' ' << value;
  std::cout << '\n';
}
