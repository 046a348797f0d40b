#include "nlcl/core/winograd.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// The strip straight from the formula: `rows` output rows of the six padded input rows.
template <class T>
Tensor<double> strip_of(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& bias, Index width,
                        Index rows) {
  const Index in = weight.shape()[2], out = weight.shape()[3], row = x.shape()[1] * in;
  Tensor<double> y({rows, width, out});
  double* to = y.mutable_data();
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < width; ++j)
      for (Index o = 0; o < out; ++o) {
        double sum = static_cast<double>(bias(o));
        for (Index u = 0; u < 3; ++u)
          for (Index k = 0; k < 3 * in; ++k)  // a pixel and a channel
            sum += static_cast<double>(x.data()[(i + u) * row + j * in + k]) *
                   static_cast<double>(weight.data()[(u * 3 * in + k) * out + o]);
        *to++ = sum;
      }
  return y;
}

template <class T, Index In, Index Out>
void check_strips() {
  using Kernel = Winograd<T, In, Out>;
  const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-5;  // the transforms magnify rounding about tenfold
  Random random(1);
  const auto weight = random_tensor<T>({3, 3, In, Out}, random);
  const auto bias = random_tensor<T>({Out}, random);
  const Kernel kernel(weight, bias);
  auto scratch = kernel.make_scratch();
  const Index group = Kernel::group * Kernel::tile;
  for (Index width : {Index{1}, Index{3}, Index{4}, Index{5}, group, group + 1})
    for (Index rows = 1; rows <= 4; ++rows) {
      CAPTURE(In, Out, width, rows);
      const auto x = random_tensor<T>({6, Kernel::padded_width(width), In}, random, 1, 3);
      std::array<const T*, 6> window;
      for (std::size_t u = 0; u < 6; ++u) window[u] = x.data() + static_cast<Index>(u) * x.size() / 6;
      const auto start = Tensor<T>::zeros({Out});
      StripSums<T> sums;
      sums.start(rows * width, start.data(), Out);
      auto y = Tensor<T>::full({rows + 1, width, Out}, -99);  // a row more than may be written
      Index ready = 0;
      bool in_order = true;
      kernel.strip(window, width, rows, y.mutable_data(), &sums, scratch, [&](Index begin, Index end) {
        in_order &= begin == ready && end > begin && y(0, begin, 0) == -99;
        ready = end;
      });
      CHECK(in_order);
      CHECK(ready == width);

      const std::size_t size = static_cast<std::size_t>(rows * width * Out);
      const Tensor<T> written({rows, width, Out}, y.values().first(size));
      CHECK(relative_difference(written, strip_of(x, weight, bias, width, rows)) <= tolerance);
      CHECK(max_abs(Tensor<T>({width, Out}, y.values().subspan(size))) == 99);

      const auto statistics = join_strips(std::vector{sums}, 1e-5);
      for (std::size_t o = 0; o < Out; ++o) {
        double mean = 0, variance = 0;
        for (std::size_t i = o; i < size; i += Out) mean += static_cast<double>(y.data()[i]);
        mean /= static_cast<double>(rows * width);
        for (std::size_t i = o; i < size; i += Out)
          variance += std::pow(static_cast<double>(y.data()[i]) - mean, 2);
        variance /= static_cast<double>(rows * width);
        const double deviation = std::sqrt(variance + 1e-5);
        REQUIRE(static_cast<double>(statistics.mean[o]) == Approx(mean).epsilon(tolerance).margin(tolerance));
        REQUIRE(static_cast<double>(statistics.inverse_deviation[o]) * deviation ==
                Approx(1).epsilon(10 * tolerance));
      }
      auto again = Tensor<T>::full(y.shape(), -99);
      kernel.strip(window, width, rows, again.mutable_data(), nullptr, scratch, [](Index, Index) {});
      CHECK(same_bits(again, y));
    }
}

}  // namespace

TEMPLATE_TEST_CASE("a strip by Winograd's filtering is the convolution", "[core]", float, double) {
  check_strips<TestType, 32, 32>();
  check_strips<TestType, 32, 64>();
}

TEST_CASE("Winograd's filtering expects the shapes that it was compiled for", "[core]") {
  using Kernel = Winograd<float, 32, 32>;
  CHECK(message_of<ShapeError>([] {
          Kernel(Tensor<>::zeros({3, 3, 16, 32}), Tensor<>::zeros({32}));
        }) == "winograd: expects weight [3,3,32,32] and bias [32], are [3,3,16,32] and [32]");
  CHECK_THROWS_AS(Kernel(Tensor<>::zeros({3, 3, 32, 32}), Tensor<>()), ShapeError);
}
