// A tensor [N,C,H,W] from another program as [N,H,W,C].
#include <iostream>

#include "nlcl/core/tensor.hpp"

using namespace nlcl;

Tensor<float> to_channels_last(const Tensor<float>& x) {
  const Index N = x.shape()[0], C = x.shape()[1], H = x.shape()[2], W = x.shape()[3];
  Tensor<float> y({N, H, W, C});
  float* to = y.mutable_data();
  for (Index n = 0; n < N; ++n)
    for (Index i = 0; i < H; ++i)
      for (Index j = 0; j < W; ++j)
        for (Index c = 0; c < C; ++c) *to++ = x.data()[((n * C + c) * H + i) * W + j];
  return y;
}

int main() {
  // Numbers that say where they are: channel, row, column.
  const Tensor<float> x({1, 2, 2, 3}, {111, 112, 113, 121, 122, 123, 211, 212, 213, 221, 222, 223});
  const Tensor<float> y = to_channels_last(x);
  std::cout << y.shape() << ':';
  for (const float value : y.values()) std::cout << ' ' << value;
  std::cout << '\n';
}
