#include "nlcl/ops/slice.hpp"

#include <array>

#include "nlcl/ops/sum.hpp"
#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Index first(const Attributes& a) { return a.at("first"); }
Index count(const Attributes& a) { return a.at("count"); }

Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& a) {
  Tensor<double> y(dy.shape()), dx = Tensor<double>::zeros(inputs[0].shape());
  const Index row = y.size() / count(a);
  for (Index i = 0; i < count(a); ++i)
    for (Index k = 0; k < row; ++k) {
      y.mutable_data()[i * row + k] = inputs[0].data()[(first(a) + i) * row + k];
      dx.mutable_data()[(first(a) + i) * row + k] = dy.data()[i * row + k];
    }
  return {y, {dx}};
}

}  // namespace

TEST_CASE("slice", "[ops]") {
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in, const Attributes& a) { return slice(in[0], first(a), count(a)); },
      .oracle = oracle,
      .golden = {"slice"},
      .cases =
          {
              {.name = "all", .shapes = {{3, 4}}, .attributes = {{"first", 0}, {"count", 3}}},
              {.name = "numbers", .shapes = {{7}}, .attributes = {{"first", 5}, {"count", 2}}},
              {.name = "first image", .shapes = {{2, 5, 7, 3}}, .attributes = {{"first", 0}, {"count", 1}}},
              {.name = "last image", .shapes = {{2, 5, 7, 3}}, .attributes = {{"first", 1}, {"count", 1}}},
              {.name = "rows that are aligned",
               .shapes = {{4, 2, 2, 8}},
               .attributes = {{"first", 1}, {"count", 2}}},
              {.name = "more than one block",
               .shapes = {{5, 3, 97, 3}},
               .attributes = {{"first", 2}, {"count", 2}}},
          },
      .errors =
          {
              {.shapes = {{}},
               .attributes = {{"first", 0}, {"count", 0}},
               .message = "slice: 0 rows from 0 on of x []"},
              {.shapes = {{3, 4}},
               .attributes = {{"first", -1}, {"count", 1}},
               .message = "slice: 1 rows from -1 on of x [3,4]"},
              {.shapes = {{3, 4}},
               .attributes = {{"first", 2}, {"count", 2}},
               .message = "slice: 2 rows from 2 on of x [3,4]"},
          },
      .first_read = [](const Tensors<double>& in,
                       const Attributes& a) { return first(a) * in[0].size() / in[0].shape()[0]; },
  });
}

TEST_CASE("slices of one tensor share its values where these are aligned, and their gradients come together",
          "[ops]") {
  auto x = Tensor<double>::zeros({4, 8}).set_requires_grad(true);
  Tape<double> tape;
  const Tensor<double> upper = slice(x, 0, 3), lower = slice(x, 1, 3);
  CHECK(upper.shares_storage(x));
  CHECK(lower.shares_storage(x));
  CHECK(slice(Tensor<double>({4, 7}), 1, 3).is_sole_owner());
  auto dy = Tensor<double>::zeros({3, 8}), expected = Tensor<double>::zeros({4, 8});
  for (Index row = 0; row < 3; ++row) dy.mutable_data()[row * 8] = static_cast<double>(row + 1);
  for (Index row = 0; row < 4; ++row)
    expected.mutable_data()[row * 8] = std::array{1.0, 3.0, 5.0, 3.0}[static_cast<std::size_t>(row)];
  CHECK(same_bits(tape.backward(sum(upper, lower), dy).of(x), expected));
}
