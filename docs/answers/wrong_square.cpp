// The square of chapter 3 without its 2: what gradcheck says of it.
#include <cstdio>

#include "nlcl/autograd/gradcheck.hpp"
#include "nlcl/core/elementwise.hpp"

using namespace nlcl;

template <class T>
struct WrongSquare {
  static constexpr std::string_view name = "wrong_square";
  Saved<T> x;

  Tensor<T> forward(const Tensor<T>& input) {
    x = input;
    return map(input, [](T value) { return value * value; });
  }
  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    return {map(x.get(), dy, [](T value, T g) { return value * g; })};
  }
};

int main() {
  const Tensor<double> x({4}, {-2, 0, 1, 3});
  const auto f = [](const auto& inputs) { return apply(WrongSquare<double>{}, inputs[0]); };
  const GradcheckResult check = gradcheck(f, {x});
  std::printf("worst: input %zu, element %d, analytic %.6f, numeric %.6f\n", check.input,
              static_cast<int>(check.element), check.analytic, check.numeric);
}
