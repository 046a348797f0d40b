#include "nlcl/ops/l2_normalize.hpp"

#include <algorithm>
#include <cmath>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

double eps(const Attributes& a) { return a.value("eps", 1e-7); }

// The gradient comes from the whole Jacobian: dy_i/dx_j = (i = j) / (|x| + eps) - x_i x_j / (|x| (|x| + eps)^2).
Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  const Tensor<double>& x = inputs[0];
  const Index rows = x.shape()[0], columns = x.shape()[1];
  auto y = Tensor<double>::zeros(x.shape()), dx = Tensor<double>::zeros(x.shape());
  for (Index row = 0; row < rows; ++row) {
    double square = 0;
    for (Index i = 0; i < columns; ++i) square += x(row, i) * x(row, i);
    const double norm = std::sqrt(square), length = norm + eps(attributes);
    for (Index i = 0; i < columns; ++i) {
      y.mutable_data()[row * columns + i] = x(row, i) / length;
      for (Index j = 0; j < columns; ++j) {
        const double bend = norm > 0 ? x(row, i) * x(row, j) / (norm * length * length) : 0;
        dx.mutable_data()[row * columns + j] += ((i == j) / length - bend) * dy(row, i);
      }
    }
  }
  return {y, {dx}};
}

// Of the gradient of a row of one value the subtraction leaves no more than a part eps / |x|, most where |x| is
// least. A rounding is a hundredth of the tolerance.
double condition(const Tensors<double>& inputs) {
  const Tensor<double>& x = inputs[0];
  if (x.shape()[1] != 1) return 1;
  double least = std::abs(x(0, 0));
  for (double value : x.values()) least = std::min(least, std::abs(value));
  return std::max(1.0, least / 1e-7 / 100);
}

auto scaled(double factor) {
  return [=](Tensors<double>& inputs) {
    double* const x = inputs[0].mutable_data();
    for (Index i = 0; i < inputs[0].size(); ++i) x[i] *= factor;
  };
}

void with_zero_row(Tensors<double>& inputs) {
  std::fill_n(inputs[0].mutable_data() + inputs[0].shape()[1], inputs[0].shape()[1], 0.0);
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](OpCase c) { all.push_back(std::move(c)); };
  for (Index columns : {1, 2, 3, 8, 17, 32, 256})
    add({.name = text("columns ", columns), .shapes = {{3, columns}}});
  add({.name = "one column, large eps", .shapes = {{4, 1}}, .attributes = {{"eps", 0.5}}});
  add({.name = "one row", .shapes = {{1, 5}}});
  add({.name = "large eps", .shapes = {{4, 5}}, .attributes = {{"eps", 0.5}}});
  add({.name = "large values", .shapes = {{4, 5}}, .adjust = scaled(1e6), .smooth = false});
  add({.name = "as small as eps", .shapes = {{4, 5}}, .adjust = scaled(1e-7), .smooth = false});
  add({.name = "much smaller than eps", .shapes = {{4, 5}}, .adjust = scaled(1e-15), .smooth = false});
  add({.name = "zero row", .shapes = {{3, 5}}, .adjust = with_zero_row, .smooth = false});
  return all;
}

}  // namespace

TEST_CASE("l2_normalize", "[ops]") {
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in, const Attributes& a) { return l2_normalize(in[0], eps(a)); },
      .oracle = oracle,
      .golden = {"l2_normalize"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{5}}, .message = "l2_normalize: x expects [M,C], is [5]"},
              {.shapes = {{1, 4, 5, 3}}, .message = "l2_normalize: x expects [M,C], is [1,4,5,3]"},
              {.shapes = {absent}, .message = "l2_normalize: x expects [M,C], is [0]"},
          },
      .condition = condition,
  });
}

TEMPLATE_TEST_CASE("a row of zeros stays zero", "[ops]", float, double) {
  CHECK(max_abs(l2_normalize(Tensor<TestType>::zeros({2, 7}))) == 0);
}

TEMPLATE_TEST_CASE("every other row has length 1", "[ops]", float, double) {
  Random random(1);
  const auto y = l2_normalize(random_tensor<TestType>({20, 256}, random));
  for (Index row = 0; row < 20; ++row) {
    double square = 0;
    for (Index i = 0; i < 256; ++i) square += std::pow(static_cast<double>(y(row, i)), 2);
    CHECK(std::sqrt(square) == Approx(1).epsilon(1e-6));
  }
}

TEST_CASE("l2_normalize of no rows", "[ops]") {
  CHECK(l2_normalize(Tensor<float>({0, 7})).shape() == Shape{0, 7});
  if (cuda_is_there()) CHECK(l2_normalize(Tensor<float>({0, 7}, cuda_device)).shape() == Shape{0, 7});
}
