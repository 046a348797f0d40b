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
  for (const Device device : {Device::cpu(), cuda_device}) {
    if (device.is_cuda() && !cuda_is_there()) continue;
    Random random(1);
    auto x = Tensor<float>({0, 3}, device), weight = random_tensor<float>({5, 3}, random).to(device);
    auto bias = random_tensor<float>({5}, random).to(device);
    for (auto* leaf : {&x, &weight, &bias}) leaf->set_requires_grad(true);
    Tape<float> tape;
    const Tensor<float> y = linear(x, weight, bias);
    CHECK(y.shape() == Shape{0, 5});
    const auto gradients = tape.backward(y, Tensor<float>({0, 5}, device));
    CHECK(gradients.of(x).shape() == Shape{0, 3});
    CHECK(same_bits(gradients.of(weight).to(Device::cpu()), Tensor<float>::zeros({5, 3})));
    CHECK(same_bits(gradients.of(bias).to(Device::cpu()), Tensor<float>::zeros({5})));
  }
}

// Of a batch every image is computed as if it were alone.
TEST_CASE("on a CUDA device a row of linear does not depend on the others", "[ops]") {
  if (!cuda_is_there()) return;
  Random random(1);
  const auto x = random_tensor<float>({70, 40}, random), weight = random_tensor<float>({33, 40}, random);
  const auto bias = random_tensor<float>({33}, random);
  const auto rows = [&](Index first, Index count) {
    const auto part =
        x.values().subspan(static_cast<std::size_t>(first * 40), static_cast<std::size_t>(count * 40));
    return linear(Tensor<float>({count, 40}, part).to(cuda_device), weight.to(cuda_device),
                  bias.to(cuda_device))
        .to(Device::cpu());
  };
  const auto all = rows(0, 70);
  for (const Index first : {0, 31, 64, 69})
    CHECK(same_bits(rows(first, 1),
                    Tensor<float>({1, 33}, all.values().subspan(static_cast<std::size_t>(first * 33), 33))));
}
