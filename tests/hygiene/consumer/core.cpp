#include <nlcl/ops/conv2d.hpp>

int main() {
  const auto x = nlcl::Tensor<float>::full({1, 4, 4, 1}, 1),
             weight = nlcl::Tensor<float>::full({3, 3, 1, 1}, 1);
  return nlcl::conv2d(x, weight, nlcl::Tensor<float>::zeros({1}))(0, 0, 0, 0) == 9 ? 0 : 1;
}
