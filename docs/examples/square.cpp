// An operation of one's own: y = x^2, dx = 2 x dy. Forward, backward, and a check of one against the other.
#include <iostream>

#include "nlcl/autograd/gradcheck.hpp"
#include "nlcl/core/elementwise.hpp"

using namespace nlcl;

template <class T>
struct Square {
  static constexpr std::string_view name = "square";
  Saved<T> x;

  Tensor<T> forward(const Tensor<T>& input) {
    x = input;
    return map(input, [](T value) { return value * value; });
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    return {map(x.get(), dy, [](T value, T g) { return 2 * value * g; })};
  }
};

template <class T>
Tensor<T> square(const Tensor<T>& x) {
  return apply(Square<T>{}, x);
}

int main() {
  const auto x = Tensor<double>({4}, {-2, 0, 1, 3}).set_requires_grad(true);
  Tape<double> tape;
  const Tensor<double> y = square(x);
  const Tensor<double> dx = tape.backward(y, Tensor<double>::full({4}, 1)).of(x);
  for (Index i = 0; i < 4; ++i) std::cout << "x " << x(i) << "  y " << y(i) << "  dx " << dx(i) << '\n';

  const GradcheckResult check = gradcheck([](const auto& inputs) { return square(inputs[0]); }, {x});
  std::cout << "backward agrees with differences: " << std::boolalpha << (check.worst < 1e-7) << '\n';
}
