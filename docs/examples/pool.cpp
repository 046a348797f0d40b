// The pool hands out again what was given back, and knows the peak.
#include <iostream>

#include "nlcl/core/storage.hpp"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/sum.hpp"

using namespace nlcl;

int main() {
  const Tensor<float> x = Tensor<float>::full({1, 256, 256, 32}, 1);  // 8 MiB
  for (int step = 1; step <= 3; ++step) {
    const Tensor<float> y = sum(x, relu(x));  // 8 MiB for y, and 8 that are given back at the semicolon
    const Pool::Stats stats = Pool::cpu().stats();
    std::cout << "step " << step << ": " << (stats.in_use >> 20) << " MiB in use, ";
    std::cout << (stats.cached >> 20) << " cached, peak " << (stats.peak >> 20) << ", ";
    std::cout << stats.allocations << " requests to the system\n";
  }
  Pool::cpu().trim();
  std::cout << "after trim(): " << (Pool::cpu().stats().cached >> 20) << " MiB cached\n";
}
