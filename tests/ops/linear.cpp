#include "nlcl/ops/linear.hpp"

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// The formula: every term x * weight of y, and what it gives back to x and to weight.
Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes&) {
  const Tensor<double>&x = inputs[0], &weight = inputs[1], &bias = inputs[2];
  const Index rows = x.shape()[0], in = x.shape()[1], out = weight.shape()[0];
  auto y = Tensor<double>::zeros({rows, out}), dx = Tensor<double>::zeros(x.shape());
  auto dweight = Tensor<double>::zeros(weight.shape()), dbias = Tensor<double>::zeros({out});
  for (Index m = 0; m < rows; ++m)
    for (Index o = 0; o < out; ++o) {
      const double g = dy(m, o);
      y.mutable_data()[m * out + o] += bias(o);
      dbias.mutable_data()[o] += g;
      for (Index i = 0; i < in; ++i) {
        y.mutable_data()[m * out + o] += x(m, i) * weight(o, i);
        dx.mutable_data()[m * in + i] += g * weight(o, i);
        dweight.mutable_data()[o * in + i] += g * x(m, i);
      }
    }
  return {y, {dx, dweight, dbias}};
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](const std::string& name, Index rows, Index in, Index out) {
    all.push_back({.name = text(name, ' ', rows, " rows, ", in, " to ", out),
                   .shapes = {{rows, in}, {out, in}, {out}}});
  };
  for (Index in : {1, 3, 8, 17, 32})
    for (Index out : {1, 5, 16, 33}) add("sizes", 4, in, out);
  for (Index rows : {1, 2, 7, 16, 40}) add("rows", rows, 5, 3);
  add("a head", 8, 64, 256);
  add("a head", 136, 256, 32);
  return all;
}

}  // namespace

TEST_CASE("linear", "[ops]") {
  check_op({
      .inputs = {"x", "weight", "bias"},
      .call = [](const auto& in, const Attributes&) { return linear(in[0], in[1], in[2]); },
      .oracle = oracle,
      .golden = {"linear"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{3}, {5, 3}, {5}}, .message = "linear: x expects [M,in], is [3]"},
              {.shapes = {{1, 1, 7, 3}, {5, 3}, {5}}, .message = "linear: x expects [M,in], is [1,1,7,3]"},
              {.shapes = {{7, 3}, {5, 4}, {5}},
               .message = "linear: weight expects [out,3], is [5,4] (x [7,3])"},
              {.shapes = {{7, 3}, {3, 5}, {5}},
               .message = "linear: weight expects [out,3], is [3,5] (x [7,3])"},
              {.shapes = {{7, 3}, {15}, {5}}, .message = "linear: weight expects [out,3], is [15] (x [7,3])"},
              {.shapes = {{7, 3}, {5, 3}, {3}}, .message = "linear: bias expects [5], is [3]"},
              {.shapes = {{7, 3}, {5, 3}, absent}, .message = "linear: bias expects [5], is [0]"},
          },
  });
}

TEST_CASE("linear of no rows", "[ops]") {
  Random random(1);
  auto x = Tensor<float>({0, 3}), weight = random_tensor<float>({5, 3}, random);
  auto bias = random_tensor<float>({5}, random);
  for (auto* leaf : {&x, &weight, &bias}) leaf->set_requires_grad(true);
  Tape<float> tape;
  const Tensor<float> y = linear(x, weight, bias);
  CHECK(y.shape() == Shape{0, 5});
  const auto gradients = tape.backward(y, Tensor<float>({0, 5}));
  CHECK(gradients.of(x).shape() == Shape{0, 3});
  CHECK(same_bits(gradients.of(weight), Tensor<float>::zeros({5, 3})));
  CHECK(same_bits(gradients.of(bias), Tensor<float>::zeros({5})));
}
