// gather_patches: the feature vectors under given patch centres.
//
//     y[m,:] = x[n, floor(r h / H), floor(c w / W), :]      for the m-th centre (n, r, c) in an image [H,W], x [N,h,w,C]
//
// The centres belong to an image; x is a feature map of it, of another size where the network has halved it.
// dx[n,i,j,:] is the sum of dy[m,:] over all centres that fall on (i, j), in the order of the centres.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/ops/patch_search.hpp"

namespace nlcl {

template <class T>
struct GatherPatches {
  static constexpr std::string_view name = "gather_patches";
  std::vector<PatchCenter> centers;
  Index height, width;  // of the image that the centres belong to
  Shape x;

  Tensor<T> forward(const Tensor<T>& input) {
    x = input.shape();
    require<ShapeError>(x.rank() == 4 && x.size() > 0, "gather_patches: x expects [N,H,W,C], is ", x);
    for (const PatchCenter& c : centers)
      require<ShapeError>(
          c.image >= 0 && c.image < x[0] && c.row >= 0 && c.row < height && c.column >= 0 && c.column < width,
          "gather_patches: centre (", c.row, ", ", c.column, ") of image ", c.image, " is outside of ", x[0],
          " images of ", height, " x ", width);
    Tensor<T> y({static_cast<Index>(centers.size()), x[3]});
    T* to = y.mutable_data();
    for (const PatchCenter& center : centers) to = std::copy_n(input.data() + offset(center), x[3], to);
    return y;
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    Tensor<T> dx = Tensor<T>::zeros(x);
    const T* from = dy.data();
    for (const PatchCenter& center : centers) {
      T* const to = dx.mutable_data() + offset(center);
      for (Index c = 0; c < x[3]; ++c) to[c] += *from++;
    }
    return {dx};
  }

 private:
  Index offset(const PatchCenter& c) const {
    return ((c.image * x[1] + c.row * x[1] / height) * x[2] + c.column * x[2] / width) * x[3];
  }
};

// x [N,h,w,C], M centres in images [height,width] -> y [M,C]. Throws ShapeError for a centre outside.
template <class T>
Tensor<T> gather_patches(const Tensor<T>& x, const std::vector<PatchCenter>& centers, Index height,
                         Index width) {
  return apply(GatherPatches<T>{centers, height, width, {}}, x);
}

}  // namespace nlcl
