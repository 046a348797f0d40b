// The ops for float and double are compiled once, in instances.cpp, and not again in every test that calls them. An op that
// is missing here is compiled where it is used, which costs time and nothing else.
#pragma once

#include "nlcl/ops/blur_down.hpp"
#include "nlcl/ops/conv2d.hpp"
#include "nlcl/ops/gather_patches.hpp"
#include "nlcl/ops/instance_norm.hpp"
#include "nlcl/ops/l2_normalize.hpp"
#include "nlcl/ops/layer_contrast.hpp"
#include "nlcl/ops/leaky_relu.hpp"
#include "nlcl/ops/linear.hpp"
#include "nlcl/ops/patch_nce.hpp"
#include "nlcl/ops/patch_search.hpp"
#include "nlcl/ops/pixel_losses.hpp"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/residual_block.hpp"
#include "nlcl/ops/scale.hpp"
#include "nlcl/ops/soft_match.hpp"
#include "nlcl/ops/sum.hpp"

#ifndef NLCL_INSTANCE  // in instances.cpp it is `template`, which defines what `extern template` declares
#define NLCL_INSTANCE extern template
#endif
#define NLCL_OP(name)                              \
  NLCL_INSTANCE decltype(name<float>) name<float>; \
  NLCL_INSTANCE decltype(name<double>) name<double>;

namespace nlcl {

NLCL_OP(blur_down)
NLCL_OP(conv2d)
NLCL_OP(gather_patches)
NLCL_OP(instance_norm)
NLCL_OP(l2_normalize)
NLCL_OP(layer_contrast)
NLCL_OP(leaky_relu)
NLCL_OP(linear)
NLCL_OP(lsgan)
NLCL_OP(mean_absolute_error)
NLCL_OP(mean_squared_error)
NLCL_OP(nearest_patches)
NLCL_OP(patch_nce)
NLCL_OP(patch_search)
NLCL_OP(relu)
NLCL_OP(residual_block)
NLCL_OP(scale)
NLCL_OP(soft_match)
NLCL_OP(sum)

}  // namespace nlcl
