#include "nlcl/ops/conv2d.hpp"

#include <algorithm>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Conv2dOptions options(const Attributes& a) {
  return {.stride = a.value("stride", 1), .padding = a.value("padding", 0)};
}

// The formula: every term x * weight of y, and what it gives back to x and to weight.
Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  const Tensor<double>&x = inputs[0], &weight = inputs[1], &bias = inputs[2];
  const auto [stride, padding] = options(attributes);
  const Index batch = x.shape()[0], height = x.shape()[1], width = x.shape()[2], in = x.shape()[3];
  const Index kernel_height = weight.shape()[0], kernel_width = weight.shape()[1], out = weight.shape()[3];
  const Index rows = (height + 2 * padding - kernel_height) / stride + 1;
  const Index columns = (width + 2 * padding - kernel_width) / stride + 1;

  auto y = Tensor<double>::zeros({batch, rows, columns, out});
  auto dx = Tensor<double>::zeros(x.shape()), dweight = Tensor<double>::zeros(weight.shape());
  auto dbias = bias ? Tensor<double>::zeros({out}) : Tensor<double>();
  const auto y_at = writable(y), dx_at = writable(dx), dweight_at = writable(dweight);
  double* const dbias_at = dbias.mutable_data();
  for (Index n = 0; n < batch; ++n)
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j)
        for (Index o = 0; o < out; ++o) {
          const double g = dy(n, i, j, o);
          if (bias) {
            y_at(n, i, j, o) += bias(o);
            dbias_at[o] += g;
          }
          for (Index u = 0; u < kernel_height; ++u)
            for (Index v = 0; v < kernel_width; ++v) {
              const Index row = i * stride + u - padding, column = j * stride + v - padding;
              if (row < 0 || row >= height || column < 0 || column >= width) continue;
              for (Index c = 0; c < in; ++c) {
                y_at(n, i, j, o) += x(n, row, column, c) * weight(u, v, c, o);
                dx_at(n, row, column, c) += g * weight(u, v, c, o);
                dweight_at(u, v, c, o) += g * x(n, row, column, c);
              }
            }
        }
  return {y, {dx, dweight, dbias}};
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](const std::string& name, const Shape& x, const Shape& weight, Index stride,
                       Index padding, bool bias = true) {
    const Shape bias_shape = bias ? Shape{weight[3]} : absent;
    all.push_back({.name = text(name, ' ', x, ' ', weight),
                   .shapes = {x, weight, bias_shape},
                   .attributes = {{"stride", stride}, {"padding", padding}}});
  };
  const std::pair<Index, Index> kernels[] = {{1, 1}, {3, 3}, {4, 4}, {2, 3}, {3, 2}, {4, 1}};
  for (const auto& [height, width] : kernels)
    for (Index stride : {1, 2, 3})
      for (Index padding = 0; padding < std::min(height, width); ++padding) {
        add("odd sizes", {2, 7, 9, 3}, {height, width, 3, 5}, stride, padding);
        add("even sizes", {1, 6, 4, 2}, {height, width, 2, 3}, stride, padding);
      }
  // Channels beside the width of a vector, and of two.
  for (Index in : {1, 3, 5, 7, 17, 32, 33, 64})
    for (Index out : {1, 3, 5, 7, 17, 32, 33, 64}) add("channels", {1, 3, 5, in}, {3, 3, in, out}, 1, 1);
  // Widths beside the tiles of pixels, heights beside the blocks of rows.
  for (Index width = 1; width <= 40; ++width) add("width", {1, 2, width, 3}, {3, 3, 3, 5}, 1, 1);
  for (Index height : {1, 2, 7, 8, 9, 16, 17})
    for (Index stride : {1, 2}) add("height", {2, height, 3, 3}, {3, 3, 3, 5}, stride, 1);
  add("single pixel", {2, 1, 1, 4}, {3, 3, 4, 5}, 1, 1);
  // From a multiple of a vector to an image of one or three channels.
  for (Index out : {1, 3})
    for (Index width : {1, 3, 4, 5, 8, 11})
      for (Index stride : {1, 2}) add("to an image", {2, 9, width, 32}, {4, 3, 32, out}, stride, 2);
  for (Index out : {3, 5, 32}) {
    add("no bias", {2, 5, 4, 3}, {3, 3, 3, out}, 1, 1, false);
    add("no bias", {2, 5, 4, 16}, {2, 3, 16, out}, 2, 0, false);
  }
  // Winograd's filtering: tiles of 4x4, a group of 24 or 48 pixels, blocks of 8 rows.
  for (Index width : {1, 2, 4, 7, 23, 25, 48, 53}) add("winograd", {1, 5, width, 32}, {3, 3, 32, 32}, 1, 1);
  for (Index height : {1, 2, 3, 4, 8, 13}) add("winograd", {2, height, 6, 32}, {3, 3, 32, 32}, 1, 1);
  add("winograd without bias", {1, 6, 5, 32}, {3, 3, 32, 32}, 1, 1, false);
  add("almost winograd", {1, 6, 5, 32}, {3, 3, 32, 32}, 2, 1);
  add("almost winograd", {1, 6, 5, 32}, {3, 3, 32, 32}, 1, 2);
  // The bands of the weight gradient: more blocks of rows than bands, more blocks of columns than bands.
  add("tall", {1, 300, 2, 3}, {3, 3, 3, 5}, 1, 1);
  add("many outputs", {1, 17, 2, 2}, {1, 1, 2, 1060}, 1, 0);
  add("several tasks of every kind", {2, 33, 17, 7}, {3, 3, 7, 40}, 1, 1);
  return all;
}

}  // namespace

TEST_CASE("conv2d", "[ops]") {
  check_op({
      .inputs = {"x", "weight", "bias"},
      .call = [](const auto& in, const Attributes& a) { return conv2d(in[0], in[1], in[2], options(a)); },
      .oracle = oracle,
      .golden = {"conv2d", "conv2d_generator"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{8, 8, 3}, {3, 3, 3, 5}, {5}},
               .message = "conv2d: x expects [N,H,W,C], is [8,8,3]"},
              {.shapes = {absent, {3, 3, 3, 5}, {5}}, .message = "conv2d: x expects [N,H,W,C], is [0]"},
              {.shapes = {{1, 8, 8, 3}, {3, 3, 5}, {5}},
               .message = "conv2d: weight expects [kh,kw,in,out], is [3,3,5]"},
              {.shapes = {{1, 64, 64, 32}, {3, 3, 16, 32}, {32}},
               .message =
                   "conv2d: weight expects 16 input channels, x has 32 (x [1,64,64,32], weight [3,3,16,32])"},
              {.shapes = {{0, 8, 8, 3}, {3, 3, 3, 5}, {5}},
               .message = "conv2d: x [0,8,8,3] or weight [3,3,3,5] is empty"},
              {.shapes = {{1, 8, 8, 3}, {3, 3, 3, 0}, absent},
               .message = "conv2d: x [1,8,8,3] or weight [3,3,3,0] is empty"},
              {.shapes = {{1, 8, 8, 3}, {3, 3, 3, 5}, {4}},
               .message = "conv2d: bias expects [5], is [4] (weight [3,3,3,5])"},
              {.shapes = {{1, 8, 8, 3}, {3, 3, 3, 5}, {1, 5}},
               .message = "conv2d: bias expects [5], is [1,5] (weight [3,3,3,5])"},
              {.shapes = {{1, 8, 8, 3}, {3, 3, 3, 5}, {5}},
               .attributes = {{"stride", 0}},
               .message = "conv2d: stride is 0, expected 1 or more"},
              {.shapes = {{1, 8, 8, 3}, {3, 3, 3, 5}, {5}},
               .attributes = {{"padding", -1}},
               .message =
                   "conv2d: padding is -1, expected 0 or more and less than the kernel (weight [3,3,3,5])"},
              {.shapes = {{1, 8, 8, 3}, {3, 2, 3, 5}, {5}},
               .attributes = {{"padding", 2}},
               .message =
                   "conv2d: padding is 2, expected 0 or more and less than the kernel (weight [3,2,3,5])"},
              {.shapes = {{1, 2, 8, 3}, {3, 3, 3, 5}, {5}},
               .message = "conv2d: x [1,2,8,3] with padding 0 is smaller than the kernel (weight [3,3,3,5])"},
              {.shapes = {{1, 8, 1, 3}, {4, 4, 3, 5}, {5}},
               .attributes = {{"padding", 1}},
               .message = "conv2d: x [1,8,1,3] with padding 1 is smaller than the kernel (weight [4,4,3,5])"},
          },
  });
}
