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

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/patch_center.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace cuda {

Tensor<float> gather_patches(const Tensor<float>& x, const Tensor<PatchCenter>& centers, Index height,
                             Index width);
Tensor<float> gather_patches_gradient(const Shape& x, const Tensor<PatchCenter>& centers, Index height,
                                      Index width, const Tensor<float>& dy);

}  // namespace cuda

namespace detail {

// The first number of the vector of x [N,h,w,C] under a centre of an image [height,width].
NLCL_BOTH constexpr Index vector_offset(const MapSize& x, const PatchCenter& c, Index height, Index width) {
  return ((c.image * x.height + c.row * x.height / height) * x.width + c.column * x.width / width) *
         x.channels;
}

// Throws ShapeError for a centre outside of images [height,width]. Those on a CUDA device are not looked at.
inline void check_centers(const Tensor<PatchCenter>& centers, Index images, Index height, Index width) {
  require<ShapeError>(centers.shape().rank() == 1, "gather_patches: centres expect [M], are ",
                      centers.shape());
  if (centers.device().is_cuda()) return;
  for (const PatchCenter& c : centers.values())
    require<ShapeError>(
        c.image >= 0 && c.image < images && c.row >= 0 && c.row < height && c.column >= 0 && c.column < width,
        "gather_patches: centre (", c.row, ", ", c.column, ") of image ", c.image, " is outside of ", images,
        " images of ", height, " x ", width);
}

}  // namespace detail

template <class T>
struct GatherPatches {
  static constexpr std::string_view name = "gather_patches";
  Saved<PatchCenter> centers;  // [M]
  Index height, width;         // of the image that the centres belong to
  Shape x;

  Tensor<T> forward(const Tensor<T>& input) {
    x = input.shape();
    require<ShapeError>(x.rank() == 4 && x.size() > 0, "gather_patches: x expects [N,H,W,C], is ", x);
    require<ShapeError>(height > 0 && width > 0, "gather_patches: images of ", height, " x ", width);
    detail::check_centers(centers.get(), x[0], height, width);
    const Tensor<PatchCenter> at = detail::centers_on(input.device(), name, centers.get());
    centers = at;
    if constexpr (on_cuda<T>)
      if (input.device().is_cuda()) return cuda::gather_patches(input, at, height, width);
    const detail::MapSize size = x;
    Tensor<T> y({at.size(), size.channels});
    T* to = y.mutable_data();
    for (const PatchCenter& center : at.values())
      to = std::copy_n(input.data() + detail::vector_offset(size, center, height, width), size.channels, to);
    return y;
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dy, const Wanted<1>&) const {
    if constexpr (on_cuda<T>)
      if (dy.device().is_cuda()) return {cuda::gather_patches_gradient(x, centers.get(), height, width, dy)};
    const detail::MapSize size = x;
    Tensor<T> dx = Tensor<T>::zeros(x);
    T* const to = dx.mutable_data();
    const T* from = dy.data();
    for (const PatchCenter& center : centers.get().values()) {
      const Index first = detail::vector_offset(size, center, height, width);
      for (Index c = first; c < first + size.channels; ++c) to[c] += *from++;
    }
    return {dx};
  }
};

// x [N,h,w,C], centres [M] in images [height,width], on the CPU or where x is -> y [M,C]. Throws ShapeError for a
// centre outside; on a CUDA device, one that is there already is moved to the border instead.
template <class T>
Tensor<T> gather_patches(const Tensor<T>& x, const Tensor<PatchCenter>& centers, Index height, Index width) {
  return apply(GatherPatches<T>{centers, height, width, {}}, x);
}

}  // namespace nlcl
