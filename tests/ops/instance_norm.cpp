#include "nlcl/ops/instance_norm.hpp"

#include <cmath>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Mean and deviation of one channel of one image: first the mean, then the squares of what is left.
struct Moments {
  double mean = 0, deviation = 0;

  Moments(const Tensor<double>& x, Index n, Index c, double eps) {
    const Index height = x.shape()[1], width = x.shape()[2];
    const double pixels = static_cast<double>(height * width);
    for (Index i = 0; i < height; ++i)
      for (Index j = 0; j < width; ++j) mean += x(n, i, j, c) / pixels;
    double variance = 0;
    for (Index i = 0; i < height; ++i)
      for (Index j = 0; j < width; ++j) variance += std::pow(x(n, i, j, c) - mean, 2) / pixels;
    deviation = std::sqrt(variance + eps);
  }
};

// The gradient comes from the whole Jacobian: for m pixels, dy_q/dx_p = ((q = p) - 1/m - y_q y_p / m) /
// deviation.
Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  const Tensor<double>& x = inputs[0];
  const Index batch = x.shape()[0], height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
  const Index pixels = height * width;
  Tensor<double> y(x.shape()), dx = Tensor<double>::zeros(x.shape());
  const auto y_at = writable(y), dx_at = writable(dx);
  for (Index n = 0; n < batch; ++n)
    for (Index c = 0; c < channels; ++c) {
      const Moments m(x, n, c, attributes.value("eps", 1e-5));
      for (Index p = 0; p < pixels; ++p)
        y_at(n, p / width, p % width, c) = (x(n, p / width, p % width, c) - m.mean) / m.deviation;
      for (Index p = 0; p < pixels; ++p)
        for (Index q = 0; q < pixels; ++q) {
          const double product = y_at(n, p / width, p % width, c) * y_at(n, q / width, q % width, c);
          const double slope = ((p == q) - (1 + product) / static_cast<double>(pixels)) / m.deviation;
          dx_at(n, p / width, p % width, c) += slope * dy(n, q / width, q % width, c);
        }
    }
  return {y, {dx}};
}

// The norm with a leaky ReLU behind it.
Pass<double> leaky_oracle(const Tensors<double>& inputs, const Tensor<double>& dy,
                          const Attributes& attributes) {
  const double slope = attributes.at("slope");
  Pass<double> pass = oracle(inputs, dy, attributes);
  Tensor<double> through = dy.clone();
  for (Index i = 0; i < dy.size(); ++i)
    if (pass.y.data()[i] <= 0) through.mutable_data()[i] *= slope;
  pass.gradients = oracle(inputs, through, attributes).gradients;
  for (Index i = 0; i < dy.size(); ++i)
    if (pass.y.data()[i] <= 0) pass.y.mutable_data()[i] *= slope;
  return pass;
}

// The mean is rounded before it is subtracted, and dividing by the deviation magnifies what that cost. Of two
// pixels, the subtractions of the gradient leave no more than a part eps / deviation^2. A rounding is a
// hundredth of the tolerance.
double condition(const Tensors<double>& inputs) {
  const Tensor<double>& x = inputs[0];
  const double eps = 1e-5;
  double largest = 100;
  for (Index n = 0; n < x.shape()[0]; ++n)
    for (Index c = 0; c < x.shape()[3]; ++c) {
      const Moments m(x, n, c, eps);
      largest = std::max(largest, std::abs(m.mean) / m.deviation);
      if (x.shape()[1] * x.shape()[2] == 2) largest = std::max(largest, m.deviation * m.deviation / eps);
    }
  return largest / 100;
}

auto scaled(double mean, double deviation) {
  return [=](Tensors<double>& inputs) {
    double* const x = inputs[0].mutable_data();
    for (Index i = 0; i < inputs[0].size(); ++i) x[i] = mean + deviation * x[i];
  };
}

void constant_channel(Tensors<double>& inputs) {
  const auto x = writable(inputs[0]);
  for (Index i = 0; i < inputs[0].shape()[1]; ++i)
    for (Index j = 0; j < inputs[0].shape()[2]; ++j) x(0, i, j, 1) = 0.7;
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](OpCase c) { all.push_back(std::move(c)); };
  for (Index channels : {1, 3, 5, 7, 17, 32, 33, 64})
    add({.name = text("channels ", channels), .shapes = {{1, 4, 5, channels}}});
  for (Index height : {1, 3, 4, 5, 8, 13})
    add({.name = text("height ", height), .shapes = {{2, height, 3, 2}}});
  for (Index width : {1, 2, 9, 40}) add({.name = text("width ", width), .shapes = {{2, 5, width, 2}}});
  add({.name = "another eps", .shapes = {{1, 4, 5, 2}}, .attributes = {{"eps", 0.1}}});
  add({.name = "single pixel", .shapes = {{2, 1, 1, 3}}, .smooth = false});  // 0 at every x
  add({.name = "constant channel", .shapes = {{1, 6, 9, 3}}, .adjust = constant_channel, .smooth = false});
  add({.name = "large", .shapes = {{1, 6, 9, 2}}, .adjust = scaled(0, 1e4)});
  add({.name = "small", .shapes = {{1, 6, 9, 2}}, .adjust = scaled(0, 1e-4), .smooth = false});
  add({.name = "mean 100, deviation 0.1",
       .shapes = {{2, 9, 9, 3}},
       .adjust = scaled(100, 0.2),
       .smooth = false});
  add({.name = "mean 1e4, deviation 1", .shapes = {{2, 9, 9, 3}}, .adjust = scaled(1e4, 2), .smooth = false});
  // On a GPU: two blocks below each other in an image, and two beside each other.
  add({.name = "two strips", .shapes = {{2, 9, 16, 128}}, .adjust = scaled(1e4, 2), .smooth = false});
  add({.name = "two columns", .shapes = {{2, 5, 7, 132}}, .smooth = false});
  return all;
}

}  // namespace

TEST_CASE("instance_norm", "[ops]") {
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in, const Attributes& a) { return instance_norm(in[0], a.value("eps", 1e-5)); },
      .oracle = oracle,
      .golden = {"instance_norm"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{4, 5, 3}}, .message = "instance_norm: x expects [N,H,W,C], is [4,5,3]"},
              {.shapes = {{1, 0, 5, 3}}, .message = "instance_norm: x expects [N,H,W,C], is [1,0,5,3]"},
              {.shapes = {absent}, .message = "instance_norm: x expects [N,H,W,C], is [0]"},
          },
      .condition = condition,
  });
}

TEST_CASE("instance_norm with a leaky ReLU", "[ops]") {
  const auto with_slope = [](const Shape& x, double slope) {
    return OpCase{.name = text("slope ", slope), .shapes = {x}, .attributes = {{"slope", slope}}};
  };
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in,
                 const Attributes& a) { return instance_norm(in[0], instance_norm_eps, a.at("slope")); },
      .oracle = leaky_oracle,
      .golden = {},
      .cases = {with_slope({2, 5, 4, 3}, 0.2), with_slope({1, 4, 6, 32}, 0.2), with_slope({2, 3, 3, 5}, 2.5),
                with_slope({1, 7, 3, 8}, 1)},
      .errors = {{.shapes = {{1, 4, 5, 3}},
                  .attributes = {{"slope", 0}},
                  .message = "instance_norm: slope is 0, expected more than 0"}},
      .condition = condition,
  });
}

TEMPLATE_TEST_CASE("instance_norm of a constant is zero", "[ops]", float, double) {
  Random random(1);
  for (Index height : {1, 4, 13})
    for (Index width : {1, 3, 7}) {
      const auto value = static_cast<TestType>(random.uniform(-1e6, 1e6));
      CAPTURE(value, height, width);
      CHECK(max_abs(instance_norm(Tensor<TestType>::full({1, height, width, 2}, value))) == 0);
    }
}
