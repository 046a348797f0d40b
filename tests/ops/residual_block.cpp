#include "nlcl/ops/residual_block.hpp"

#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/sum.hpp"
#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// The block as the operations that it joins, each of which has an oracle of its own.
template <class T>
Tensor<T> composed(const Tensors<T>& in) {
  const Tensor<T> hidden = relu(instance_norm(conv2d(in[0], in[1], in[2], {.padding = 1})));
  return sum(in[0], instance_norm(conv2d(hidden, in[3], in[4], {.padding = 1})));
}

Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes&) {
  Tensors<double> leaves = inputs;
  for (auto& leaf : leaves) leaf.set_requires_grad(true);
  Tape<double> tape;
  const Tensor<double> y = composed(leaves);
  const Gradients<double> gradients = tape.backward(y, dy);
  Pass<double> pass{y, {}};
  for (const auto& leaf : leaves) pass.gradients.push_back(gradients.of(leaf));
  // What the norm takes away has no effect, but for rounding.
  for (const std::size_t bias : {std::size_t{2}, std::size_t{4}}) {
    CHECK(max_abs(pass.gradients[bias]) <= 1e-11);
    pass.gradients[bias] = Tensor<double>::zeros(pass.gradients[bias].shape());
  }
  return pass;
}

OpCase block(const std::string& name, const Shape& x) {
  const Shape weight{3, 3, x[3], x[3]}, bias{x[3]};
  return {.name = name, .shapes = {x, weight, bias, weight, bias}};
}

}  // namespace

TEST_CASE("residual_block", "[ops]") {
  const Shape weight{3, 3, 2, 2}, bias{2};
  const auto mismatch = [](const char* found) {
    return text("residual_block: expects weights [3,3,2,2] and biases [2] for x [1,4,5,2], one is ", found);
  };
  check_op({
      .inputs = {"x", "first_weight", "first_bias", "second_weight", "second_bias"},
      .call = [](const auto& in,
                 const Attributes&) { return residual_block(in[0], in[1], in[2], in[3], in[4]); },
      .oracle = oracle,
      .golden = {"residual_block"},
      .cases = {block("one channel", {1, 5, 6, 1}), block("batch", {3, 4, 5, 2}), block("odd", {1, 7, 3, 3}),
                block("a row", {1, 1, 9, 2}), block("channels of the generator", {2, 9, 14, 32})},
      .errors = {{.shapes = {{4, 5, 2}, weight, bias, weight, bias},
                  .message = "residual_block: x expects [N,H,W,C], is [4,5,2]"},
                 {.shapes = {{1, 4, 5, 2}, {3, 3, 2, 3}, bias, weight, bias},
                  .message = mismatch("[3,3,2,3]")},
                 {.shapes = {{1, 4, 5, 2}, weight, {3}, weight, bias}, .message = mismatch("[3]")},
                 {.shapes = {{1, 4, 5, 2}, weight, bias, {1, 1, 2, 2}, bias},
                  .message = mismatch("[1,1,2,2]")},
                 {.shapes = {{1, 4, 5, 2}, weight, bias, weight, {1}}, .message = mismatch("[1]")}},
      .condition = [](const auto&) { return 10.0; },  // two norms divide by small deviations
  });
}

TEST_CASE("a residual block keeps one image on the tape beside x and y", "[ops]") {
  Random random(1);
  const Index side = 64, channels = 32;
  Tensors<float> in;
  for (const OpCase& c : {block("", {1, side, side, channels})})
    for (const Shape& shape : c.shapes)
      in.push_back(random_tensor<float>(shape, random).set_requires_grad(true));
  const std::size_t image = sizeof(float) * static_cast<std::size_t>(side * side * channels);
  const auto kept = [&](const auto& call) {
    const std::size_t before = Pool::cpu().stats().in_use;
    const Tape<float> tape;
    const Tensor<float> y = call();
    return (Pool::cpu().stats().in_use - before) / image;
  };
  CHECK(kept([&] { return composed(in); }) == 4);
  CHECK(kept([&] { return residual_block(in[0], in[1], in[2], in[3], in[4]); }) == 2);  // n and y
}
