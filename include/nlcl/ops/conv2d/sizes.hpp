// The sizes of a convolution: what its inputs must be, and what follows from them.
#pragma once

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"

namespace nlcl {

struct Conv2dOptions {
  Index stride = 1;
  Index padding = 0;  // zeros on every side
};

// All sizes of one convolution, checked.
struct Conv2dSizes {
  Index batch, height, width, in;          // x       [batch,height,width,in]
  Index kernel_height, kernel_width, out;  // weight  [kernel_height,kernel_width,in,out]
  Index out_height, out_width;             // y       [batch,out_height,out_width,out]
  Index stride, padding;

  // The shape rule. Throws ShapeError.
  Conv2dSizes(const Shape& x, const Shape& weight, const Conv2dOptions& options)
      : stride(options.stride), padding(options.padding) {
    require<ShapeError>(x.rank() == 4, "conv2d: x expects [N,H,W,C], is ", x);
    require<ShapeError>(weight.rank() == 4, "conv2d: weight expects [kh,kw,in,out], is ", weight);
    batch = x[0], height = x[1], width = x[2], in = x[3];
    kernel_height = weight[0], kernel_width = weight[1], out = weight[3];
    require<ShapeError>(weight[2] == in, "conv2d: weight expects ", weight[2], " input channels, x has ", in,
                        " (x ", x, ", weight ", weight, ")");
    require<ShapeError>(x.size() > 0 && weight.size() > 0, "conv2d: x ", x, " or weight ", weight,
                        " is empty");
    require<ShapeError>(stride >= 1, "conv2d: stride is ", stride, ", expected 1 or more");
    require<ShapeError>(padding >= 0 && padding < kernel_height && padding < kernel_width,
                        "conv2d: padding is ", padding,
                        ", expected 0 or more and less than the kernel (weight ", weight, ")");
    require<ShapeError>(height + 2 * padding >= kernel_height && width + 2 * padding >= kernel_width,
                        "conv2d: x ", x, " with padding ", padding, " is smaller than the kernel (weight ",
                        weight, ")");
    out_height = (height + 2 * padding - kernel_height) / stride + 1;
    out_width = (width + 2 * padding - kernel_width) / stride + 1;
  }

  Shape x() const { return {batch, height, width, in}; }
  Shape weight() const { return {kernel_height, kernel_width, in, out}; }
  Shape y() const { return {batch, out_height, out_width, out}; }
  Index window() const { return kernel_width * in; }  // numbers that one output pixel sees of one input row
  double multiply_adds() const {
    return static_cast<double>(batch * out_height * out_width) *
           static_cast<double>(kernel_height * window() * out);
  }
};

}  // namespace nlcl
