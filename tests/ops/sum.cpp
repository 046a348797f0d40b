#include "nlcl/ops/sum.hpp"

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes&) {
  Tensor<double> y(dy.shape());
  for (Index i = 0; i < y.size(); ++i) y.mutable_data()[i] = inputs[0].data()[i] + inputs[1].data()[i];
  return {y, {dy, dy}};
}

}  // namespace

TEST_CASE("sum", "[ops]") {
  check_op({
      .inputs = {"a", "b"},
      .call = [](const auto& in, const Attributes&) { return sum(in[0], in[1]); },
      .oracle = oracle,
      .golden = {"sum"},
      .cases =
          {
              {.name = "scalar", .shapes = {{}, {}}},
              {.name = "no elements", .shapes = {{2, 0, 3}, {2, 0, 3}}},
              {.name = "image", .shapes = {{2, 5, 7, 3}, {2, 5, 7, 3}}},
              {.name = "more than one task",
               .shapes = {{3, elements_per_task + 1}, {3, elements_per_task + 1}}},
          },
      .errors =
          {
              {.shapes = {{1, 2, 3, 4}, {1, 2, 4, 3}},
               .message = "sum: a has shape [1,2,3,4], b has [1,2,4,3]"},
              {.shapes = {{6}, {1, 6}}, .message = "sum: a has shape [6], b has [1,6]"},
          },
  });
}

TEST_CASE("sum of a tensor with itself", "[ops]") {
  auto x = Tensor<double>({2}, {1, 2}).set_requires_grad(true);
  Tape<double> tape;
  const Tensor<double> y = sum(x, x);
  const Tensor<double> dy({2}, {3, 5});
  const auto gradients = tape.backward(y, dy);
  CHECK(same_bits(y, Tensor<double>({2}, {2, 4})));
  CHECK(same_bits(gradients.of(x), Tensor<double>({2}, {6, 10})));
  CHECK(same_bits(dy, Tensor<double>({2}, {3, 5})));
}
