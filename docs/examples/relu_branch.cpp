// The backward pass of ReLU on 256 x 256 x 32 numbers, one thread, with less and less behind the condition.
#include <algorithm>
#include <cstdio>
#include <ctime>

#include "nlcl/core/random.hpp"
#include "nlcl/nn/init.hpp"

using namespace nlcl;

void handle_behind_condition(const float* y, const Tensor<float>& dy, float* dx, Index count) {
  for (Index i = 0; i < count; ++i) dx[i] = y[i] > 0 ? dy.data()[i] : 0;
}

void load_behind_condition(const float* y, const float* dy, float* dx, Index count) {
  for (Index i = 0; i < count; ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
}

void load_in_any_case(const float* y, const float* dy, float* dx, Index count) {
  for (Index i = 0; i < count; ++i) {
    const float g = dy[i];
    dx[i] = y[i] > 0 ? g : 0;
  }
}

// Prints the shortest of ten runs, in milliseconds of processor time.
void measure(const char* name, const auto& run) {
  double best = 1e9;
  for (int i = 0; i < 10; ++i) {
    const std::clock_t start = std::clock();
    run();
    best = std::min(best, 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  std::printf("%s %6.2f ms\n", name, best);
}

int main() {
  Tensor<float> y({256, 256, 32}), dy(y.shape()), dx(y.shape());
  Random random(1);
  fill_uniform(y, 1, random);
  fill_uniform(dy, 1, random);
  const float *const kept = y.data(), *const g = dy.data();
  float* const to = dx.mutable_data();
  const Index n = y.size();
  measure("handle behind the condition", [&] { handle_behind_condition(kept, dy, to, n); });
  measure("load behind the condition  ", [&] { load_behind_condition(kept, g, to, n); });
  measure("load in any case           ", [&] { load_in_any_case(kept, g, to, n); });
}
