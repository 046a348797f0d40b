#include "nlcl/ops/scale.hpp"

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

double factor(const Attributes& a) { return a.value("factor", 0.3); }

Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  Tensor<double> y(dy.shape()), dx(dy.shape());
  for (Index i = 0; i < y.size(); ++i) {
    y.mutable_data()[i] = factor(attributes) * inputs[0].data()[i];
    dx.mutable_data()[i] = factor(attributes) * dy.data()[i];
  }
  return {y, {dx}};
}

}  // namespace

TEST_CASE("scale", "[ops]") {
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in, const Attributes& a) { return scale(in[0], factor(a)); },
      .oracle = oracle,
      .golden = {"scale"},
      .cases =
          {
              {.name = "scalar", .shapes = {{}}},
              {.name = "no elements", .shapes = {{2, 0, 3}}},
              {.name = "image", .shapes = {{2, 5, 7, 3}}},
              {.name = "negative", .shapes = {{3, 7}}, .attributes = {{"factor", -2.5}}},
              {.name = "zero", .shapes = {{3, 7}}, .attributes = {{"factor", 0}}},
              {.name = "more than one task", .shapes = {{3, elements_per_task + 1}}},
          },
  });
}
