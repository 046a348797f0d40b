// A tape records what depends on a tensor with requires_grad(), and nothing else.
#include <iostream>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/sum.hpp"

using namespace nlcl;

int main() {
  const auto x = Tensor<double>({3}, {-1, 2, 3}).set_requires_grad(true);
  const Tensor<double> dy({3}, {10, 20, 30});
  const auto gradient = [&](const char* name, const auto& f) {
    Tape<double> tape;
    const Tensor<double> y = f(x);
    std::cout << name << ':';
    try {
      for (double value : tape.backward(y, dy).of(x).values()) std::cout << ' ' << value;
    } catch (const TapeError& error) {
      std::cout << ' ' << error.what();
    }
    std::cout << '\n';
  };
  gradient("relu(x)", [](const auto& t) { return relu(t); });
  gradient("x + relu(x)", [](const auto& t) { return sum(t, relu(t)); });
  gradient("x + relu(detached x)", [](const auto& t) { return sum(t, relu(t.detached())); });
  gradient("under NoGrad", [](const auto& t) {
    const NoGrad no_grad;
    return relu(t);
  });
}
