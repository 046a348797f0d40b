#include "nlcl/ops/relu.hpp"

#include <cmath>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes&) {
  Tensor<double> y(dy.shape()), dx(dy.shape());
  for (Index i = 0; i < y.size(); ++i) {
    const bool positive = inputs[0].data()[i] > 0;
    y.mutable_data()[i] = positive ? inputs[0].data()[i] : 0;
    dx.mutable_data()[i] = positive ? dy.data()[i] : 0;
  }
  return {y, {dx}};
}

}  // namespace

TEST_CASE("relu", "[ops]") {
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in, const Attributes&) { return relu(in[0]); },
      .oracle = oracle,
      .golden = {"relu"},
      .cases =
          {
              {.name = "scalar", .shapes = {{}}, .adjust = clear_of_kink},
              {.name = "no elements", .shapes = {{2, 0, 3}}},
              {.name = "image", .shapes = {{2, 5, 7, 3}}, .adjust = clear_of_kink},
              {.name = "zeros of both signs", .shapes = {{3, 7}}, .adjust = with_zeros, .smooth = false},
              {.name = "more than one task", .shapes = {{3, elements_per_task + 1}}},
          },
  });
}

TEST_CASE("relu keeps infinities and NaN", "[ops]") {
  const float infinity = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor<float> y = relu(Tensor<float>({4}, {infinity, -infinity, nan, -nan}));
  CHECK(y(0) == infinity);
  CHECK(y(1) == 0);
  CHECK(std::isnan(y(2)));
  CHECK(std::isnan(y(3)));
}
