// Leaky ReLU whose backward keeps y, with a positive slope and with a negative one.
#include <iostream>

#include "nlcl/autograd/gradcheck.hpp"
#include "nlcl/core/elementwise.hpp"

using namespace nlcl;

template <class T>
struct Leaky {
  static constexpr std::string_view name = "leaky";
  T slope;
  Saved<T> y{};

  Tensor<T> forward(const Tensor<T>& x) {
    const Tensor<T> result = map(x, [s = slope](T value) { return value > 0 ? value : s * value; });
    y = result;
    return result;
  }
  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    return {map(y.get(), dy, [s = slope](T value, T g) { return value > 0 ? g : s * g; })};
  }
};

int main() {
  const Tensor<double> x({4}, {-2, -0.5, 1, 3});
  for (const double slope : {0.2, -0.2}) {
    const GradcheckResult check =
        gradcheck([&](const auto& in) { return apply(Leaky<double>{slope}, in[0]); }, {x});
    std::cout << "slope " << slope << ": backward agrees with differences: " << std::boolalpha
              << (check.worst < 1e-7) << '\n';
  }
}
