#include "nlcl/ops/blur_down.hpp"

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// The formula: every term b b x of y, and what it gives back to x.
Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes&) {
  const Tensor<double>& x = inputs[0];
  const Index batch = x.shape()[0], height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
  const Index rows = (height + 1) / 2, columns = (width + 1) / 2;
  const double b[] = {0.25, 0.5, 0.25};
  const auto reflected = [](Index i, Index size) { return i < 0 ? -i : i < size ? i : 2 * (size - 1) - i; };

  auto y = Tensor<double>::zeros({batch, rows, columns, channels}), dx = Tensor<double>::zeros(x.shape());
  const auto y_at = writable(y), dx_at = writable(dx);
  for (Index n = 0; n < batch; ++n)
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j)
        for (Index c = 0; c < channels; ++c)
          for (Index u = -1; u <= 1; ++u)
            for (Index v = -1; v <= 1; ++v) {
              const double weight = b[u + 1] * b[v + 1];
              const Index row = reflected(2 * i + u, height), column = reflected(2 * j + v, width);
              y_at(n, i, j, c) += weight * x(n, row, column, c);
              dx_at(n, row, column, c) += weight * dy(n, i, j, c);
            }
  return {y, {dx}};
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](const std::string& name, const Shape& x) {
    all.push_back({.name = name, .shapes = {x}});
  };
  // Both parities, and the smallest sides, where a pixel is reflected from both borders.
  for (Index height : {2, 3, 4, 5, 8, 9})
    for (Index width : {2, 3, 4, 5, 8, 9}) add(text(height, " x ", width), {1, height, width, 2});
  for (Index channels : {1, 3, 5, 17, 32, 33, 64}) add(text("channels ", channels), {2, 4, 5, channels});
  add("more tasks than threads", {3, 33, 3, 2});
  return all;
}

}  // namespace

TEST_CASE("blur_down", "[ops]") {
  const std::string expected = "blur_down: x expects [N,H,W,C] with H and W at least 2, is ";
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in, const Attributes&) { return blur_down(in[0]); },
      .oracle = oracle,
      .golden = {"blur_down"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{4, 5, 3}}, .message = expected + "[4,5,3]"},
              {.shapes = {{1, 1, 5, 3}}, .message = expected + "[1,1,5,3]"},
              {.shapes = {{1, 5, 1, 3}}, .message = expected + "[1,5,1,3]"},
              {.shapes = {{0, 4, 5, 3}}, .message = expected + "[0,4,5,3]"},
              {.shapes = {{1, 4, 5, 0}}, .message = expected + "[1,4,5,0]"},
              {.shapes = {absent}, .message = expected + "[0]"},
          },
  });
}

TEMPLATE_TEST_CASE("blur_down keeps a constant, and removes what alternates", "[ops]", float, double) {
  const auto constant = Tensor<TestType>::full({1, 7, 6, 2}, TestType{0.625});
  CHECK(same_bits(blur_down(constant), Tensor<TestType>::full({1, 4, 3, 2}, TestType{0.625})));

  Tensor<TestType> stripes({1, 7, 6, 2});
  for (Index i = 0; i < stripes.size(); ++i)
    stripes.mutable_data()[i] = i / 2 % 6 % 2 == 0 ? TestType{1} : TestType{-1};  // column by column
  CHECK(max_abs(blur_down(stripes)) == 0);
}
