// The fused plan computes what the operations compute, and its bits depend neither on threads nor on chunks.
#include <algorithm>
#include <cmath>
#include <iostream>

#include "nlcl/model/generator_plan.hpp"

using namespace nlcl;

int main() {
  const Generator<float> generator;
  Tensor<float> x({1, 45, 22, 3});
  Random random(1);
  fill_uniform(x, 1, random);

  const Tensor<float> by_operations = generator(x), expected = GeneratorPlan(generator)(x);
  float largest = 0, apart = 0;
  for (Index i = 0; i < x.size(); ++i) {
    largest = std::max(largest, std::abs(by_operations.data()[i]));
    apart = std::max(apart, std::abs(by_operations.data()[i] - expected.data()[i]));
  }
  const bool agree = apart < 1e-4f * largest;
  std::cout << std::boolalpha << "plan and operations agree to 4 digits: " << agree << '\n';

  for (Index chunk_rows : {4, 32, 128}) {
    const GeneratorPlan plan(generator, chunk_rows);
    for (int count : {1, 2, 3}) {
      set_threads(count);
      const Tensor<float> y = plan(x);
      const bool same = std::equal(y.data(), y.data() + y.size(), expected.data());
      std::cout << "chunks of " << chunk_rows << " rows, " << count << " threads: same bits " << same << '\n';
    }
  }
}
