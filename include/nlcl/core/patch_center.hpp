// Where patches are: the centres that a search finds, and that features are gathered at. A Tensor<PatchCenter> stays on
// the device that has them.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "nlcl/core/device.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// The pixel (row, column) of an image. A patch of an even side has as many rows above it as it has from it on, and so for
// columns.
struct PatchCenter {
  Index image = 0, row = 0, column = 0;
  friend bool operator==(const PatchCenter&, const PatchCenter&) = default;
};

// Centres [M] on the CPU.
inline Tensor<PatchCenter> patch_centers(std::span<const PatchCenter> centers) {
  return Tensor<PatchCenter>({static_cast<Index>(centers.size())}, centers);
}
inline Tensor<PatchCenter> patch_centers(std::initializer_list<PatchCenter> centers) {
  return patch_centers(std::span(centers.begin(), centers.size()));
}

namespace cuda {
Tensor<PatchCenter> joined(const Tensor<PatchCenter>& a, const Tensor<PatchCenter>& b, Index images);
}  // namespace cuda

// Centres in two batches as centres in the batch of both: those of `b`, whose images stand behind `images` others, after
// those of `a`. Throws DeviceError for centres on two devices.
inline Tensor<PatchCenter> joined(const Tensor<PatchCenter>& a, const Tensor<PatchCenter>& b, Index images) {
  require<DeviceError>(a.device() == b.device(), "joined: centres on ", a.device(), " and ", b.device());
  if constexpr (has_cuda)
    if (a.device().is_cuda()) return cuda::joined(a, b, images);
  Tensor<PatchCenter> both = concatenate(a, b);
  PatchCenter* const behind = both.mutable_data() + a.size();
  for (Index i = 0; i < b.size(); ++i) behind[i].image += images;
  return both;
}

namespace detail {

// The sizes of x [N,H,W,C].
struct MapSize {
  Index images, height, width, channels;
  MapSize(const Shape& x) : images(x[0]), height(x[1]), width(x[2]), channels(x[3]) {}  // NOLINT: a view
};

// The index in begin .. end - 1 that is nearest to i.
NLCL_BOTH constexpr Index clamped(Index i, Index begin, Index end) {
  return i < begin ? begin : i < end ? i : end - 1;
}

// The centres where x is: a copy, if they are on the CPU. Throws DeviceError for those of another device.
inline Tensor<PatchCenter> centers_on(Device device, std::string_view op,
                                      const Tensor<PatchCenter>& centers) {
  require<DeviceError>(centers.device() == device || !centers.device().is_cuda(), op, ": x is on ", device,
                       ", the centres on ", centers.device());
  return centers.to(device);
}

}  // namespace detail

}  // namespace nlcl
