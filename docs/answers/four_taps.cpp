// blur_down with (1, 3, 3, 1) / 8: another list, and the same two functions forward and backward.
#include <iostream>

#include "nlcl/autograd/gradcheck.hpp"
#include "nlcl/nn/init.hpp"
#include "nlcl/ops/blur_down.hpp"

using namespace nlcl;

// [ceil(size / 2), size], for lines of at least 3
detail::LineFilter four_taps(Index size) {
  constexpr double weights[] = {1.0 / 8, 3.0 / 8, 3.0 / 8, 1.0 / 8};
  detail::LineFilter filter(static_cast<std::size_t>((size + 1) / 2));
  for (std::size_t i = 0; i < filter.size(); ++i)
    for (Index u = -1; u <= 2; ++u)
      filter[i].push_back({detail::blur_reflect(2 * static_cast<Index>(i) + u, size), weights[u + 1]});
  return filter;
}

template <class T>
struct FourTaps {
  static constexpr std::string_view name = "four_taps";
  Shape x;

  Tensor<T> forward(const Tensor<T>& input) {
    x = input.shape();
    return detail::filter_image(input, four_taps(x[1]), four_taps(x[2]));
  }
  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    return {detail::filter_image(dy, detail::transposed(four_taps(x[1]), x[1]),
                                 detail::transposed(four_taps(x[2]), x[2]))};
  }
};

int main() {
  std::cout << std::boolalpha;
  for (const Index side : {3, 4, 7, 8}) {
    Tensor<double> x({1, side, side + 1, 2});
    Random random(1);
    fill_uniform(x, 1, random);
    const GradcheckResult check =
        gradcheck([](const auto& in) { return apply(FourTaps<double>{}, in[0]); }, {x});
    std::cout << side << " x " << side + 1 << ": backward agrees with differences: " << (check.worst < 1e-7)
              << '\n';
  }
}
