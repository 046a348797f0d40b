// An image in tiles that overlap, for a network whose norms have only ever seen crops.
//
// An instance norm takes its statistics over all that it is shown. A generator that was trained on crops has learned
// what a crop's statistics are, and those of a whole photograph, of sky and street together, are others: rain is
// then taken off too much here and too little there. So it is shown squares of the size that it knows. They are
// spread evenly, overlap by 16 pixels or more, and are joined by
//
//     y = sum of w_i y_i / sum of w_i        w falls linearly to the border of a tile, over 16 pixels
//
// because the border is where a tile knows least of its surroundings. The same has a use of its own: the memory for
// a photograph is that of some tiles.
#pragma once

#include <algorithm>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

class Tiling {
 public:
  static constexpr Index overlap = 16, smallest_side = 2 * overlap, largest_side = 1 << 16;

  // Squares of `side`, or as high and as wide as the image where that is less. Throws ShapeError for a side outside of
  // smallest_side to largest_side, and for an image without pixels.
  Tiling(Index height, Index width, Index side)
      : height_(height),
        width_(width),
        tile_height_(std::min(side, height)),
        tile_width_(std::min(side, width)) {
    require<ShapeError>(side >= smallest_side && side <= largest_side, "tiles: side ", side, ", expected ",
                        smallest_side, " to ", largest_side);
    require<ShapeError>(height > 0 && width > 0, "tiles: an image of ", height, " x ", width, " pixels");
    for (const Index top : begins(height, tile_height_))
      for (const Index left : begins(width, tile_width_)) places_.push_back({top, left});
  }

  Index size() const { return static_cast<Index>(places_.size()); }
  Shape shape() const { return {1, tile_height_, tile_width_, 3}; }  // of each tile

  // Tile i of an image [1,H,W,3] on the CPU.
  Tensor<float> cut(const Tensor<float>& image, Index i) const {
    const auto [top, left] = places_[static_cast<std::size_t>(i)];
    Tensor<float> tile(shape());
    for (Index y = 0; y < tile_height_; ++y)
      std::copy_n(image.data() + ((top + y) * width_ + left) * 3, tile_width_ * 3,
                  tile.mutable_data() + y * tile_width_ * 3);
    return tile;
  }

  // The image [1,H,W,3] of all tiles, in their order. On the CPU.
  Tensor<float> joined(const std::vector<Tensor<float>>& tiles) const {
    Tensor<float> image = Tensor<float>::zeros({1, height_, width_, 3});
    std::vector<float> weights(static_cast<std::size_t>(height_ * width_));
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      const auto [top, left] = places_[i];
      for (Index y = 0; y < tile_height_; ++y) {
        const float* from = tiles[i].data() + y * tile_width_ * 3;
        float* to = image.mutable_data() + ((top + y) * width_ + left) * 3;
        float* weight = weights.data() + (top + y) * width_ + left;
        const float of_row = ramp(y, tile_height_);
        for (Index x = 0; x < tile_width_; ++x) {
          const float w = of_row * ramp(x, tile_width_);
          *weight++ += w;
          for (int c = 0; c < 3; ++c) *to++ += w * *from++;
        }
      }
    }
    float* values = image.mutable_data();
    for (const float weight : weights)
      for (int c = 0; c < 3; ++c) *values++ /= weight;
    return image;
  }

 private:
  struct Place {
    Index top, left;
  };

  // As few as can overlap, the first at 0 and the last at the end.
  static std::vector<Index> begins(Index size, Index side) {
    const Index last = size - side;
    const Index steps = last == 0 ? 0 : (last + side - overlap - 1) / (side - overlap);
    std::vector<Index> result{0};
    for (Index i = 1; i <= steps; ++i) result.push_back(i * last / steps);
    return result;
  }

  static float ramp(Index at, Index size) {
    return static_cast<float>(std::min({at + 1, size - at, overlap}));
  }

  Index height_, width_, tile_height_, tile_width_;
  std::vector<Place> places_;
};

}  // namespace nlcl
