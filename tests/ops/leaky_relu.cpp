#include "nlcl/ops/leaky_relu.hpp"

#include <cmath>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

double slope(const Attributes& a) { return a.value("slope", 0.2); }

// At 0 the slope is that of the negative side.
Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  Tensor<double> y(dy.shape()), dx(dy.shape());
  for (Index i = 0; i < y.size(); ++i) {
    const double factor = inputs[0].data()[i] > 0 ? 1 : slope(attributes);
    y.mutable_data()[i] = factor * inputs[0].data()[i];
    dx.mutable_data()[i] = factor * dy.data()[i];
  }
  return {y, {dx}};
}

}  // namespace

TEST_CASE("leaky_relu", "[ops]") {
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in, const Attributes& a) { return leaky_relu(in[0], slope(a)); },
      .oracle = oracle,
      .golden = {"leaky_relu"},
      .cases =
          {
              {.name = "scalar", .shapes = {{}}, .adjust = clear_of_kink},
              {.name = "no elements", .shapes = {{2, 0, 3}}},
              {.name = "image", .shapes = {{2, 5, 7, 3}}, .adjust = clear_of_kink},
              {.name = "small slope",
               .shapes = {{3, 7}},
               .attributes = {{"slope", 0.01}},
               .adjust = clear_of_kink},
              {.name = "steep", .shapes = {{3, 7}}, .attributes = {{"slope", 3}}, .adjust = clear_of_kink},
              {.name = "zeros of both signs", .shapes = {{3, 7}}, .adjust = with_zeros, .smooth = false},
              {.name = "more than one task", .shapes = {{3, elements_per_task + 1}}},
          },
      .errors =
          {
              {.shapes = {{3, 7}},
               .attributes = {{"slope", 0}},
               .message = "leaky_relu: slope is 0, expected more than 0"},
              {.shapes = {{3, 7}},
               .attributes = {{"slope", -0.5}},
               .message = "leaky_relu: slope is -0.5, expected more than 0"},
          },
  });
}

TEST_CASE("leaky_relu keeps infinities and NaN", "[ops]") {
  const float infinity = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor<float> y = leaky_relu(Tensor<float>({4}, {infinity, -infinity, nan, -nan}));
  CHECK(y(0) == infinity);
  CHECK(y(1) == -infinity);
  CHECK(std::isnan(y(2)));
  CHECK(std::isnan(y(3)));
}
