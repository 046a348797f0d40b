#include <nlcl/ops/conv2d.hpp>

int main() {
  static_assert(nlcl::on_cuda<float>);
  if (nlcl::cuda::device_count() == 0) return 0;  // it compiles and links
  const auto on_gpu = [](const nlcl::Tensor<float>& x) { return x.to(nlcl::Device::cuda()); };
  const auto x = on_gpu(nlcl::Tensor<float>::full({1, 4, 4, 1}, 1)),
             weight = on_gpu(nlcl::Tensor<float>::full({3, 3, 1, 1}, 1));
  const auto y = nlcl::conv2d(x, weight, on_gpu(nlcl::Tensor<float>::zeros({1}))).to(nlcl::Device::cpu());
  return y(0, 0, 0, 0) == 9 ? 0 : 1;
}
