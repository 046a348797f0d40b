// PatchNCE where all vectors are one, and a layer of a single vector.
#include <cmath>
#include <iostream>

#include "nlcl/ops/layer_contrast.hpp"
#include "nlcl/ops/patch_nce.hpp"

using namespace nlcl;

int main() {
  auto vectors = Tensor<double>::zeros({256, 4});
  for (Index i = 0; i < 256; ++i) vectors.mutable_data()[4 * i] = 1;
  std::cout.precision(4);
  std::cout << "patch_nce of 256 equal vectors: " << patch_nce(vectors, vectors, 0.07).item()
            << ", log 256 = " << std::log(256.0) << '\n';
  try {
    layer_contrast(Tensor<double>({1, 2}, {1, 0}), Tensor<double>({2, 2}, {0, 1, 0, 1}));
  } catch (const ShapeError& error) {
    std::cout << error.what() << '\n';
  }
}
