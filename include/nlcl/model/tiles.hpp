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
// a photograph is that of some tiles, as it is cut and joined row of tiles by row of tiles.
//
// All tiles of an image have one shape, so any number of them make a batch [count,h,w,C]. They lie row by row, the
// tiles of the second image of a batch after those of the first. A pixel's sum is taken in this order, on the CPU as on a
// GPU, where a thread asks which tiles cover its number (a gather): both find the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "nlcl/core/device.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/region.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// Along one side of an image: as few tiles as can overlap, the first at 0 and the last at the end.
class TileAxis {
 public:
  static constexpr Index overlap = 16;

  // `side` > overlap.
  TileAxis(Index size, Index side)
      : size_(size),
        side_(std::min(side, size)),
        last_(size - side_),
        steps_(last_ == 0 ? 0 : (last_ + side_ - overlap - 1) / (side_ - overlap)) {}

  NLCL_BOTH Index size() const { return size_; }        // pixels of the image
  NLCL_BOTH Index side() const { return side_; }        // and of a tile
  NLCL_BOTH Index count() const { return steps_ + 1; }  // tiles

  NLCL_BOTH Index begin(Index i) const { return steps_ == 0 ? 0 : i * last_ / steps_; }

  // The first tile that covers pixel `at`. Those after it cover it too, as long as covers(i, at).
  NLCL_BOTH Index first_over(Index at) const {
    const Index least = at - side_ + 1;  // where it may begin
    return least <= 0 ? 0 : (least * steps_ + last_ - 1) / last_;
  }
  // Whether tile i, not before first_over(at), covers it.
  NLCL_BOTH bool covers(Index i, Index at) const { return i <= steps_ && begin(i) <= at; }

  // What pixel `at` of a tile counts: 1 at the border, and one more with each pixel up to `overlap`.
  NLCL_BOTH float weight(Index at) const {
    const Index from_border = at + 1 < side_ - at ? at + 1 : side_ - at;
    return static_cast<float>(from_border < overlap ? from_border : overlap);
  }

 private:
  Index size_, side_, last_, steps_;
};

class Tiling;

namespace cuda {
Tensor<float> cut_tiles(const Tiling& tiling, const Tensor<float>& x, Index first, Index count);
Tensor<float> blend_tiles(const Tiling& tiling, const Tensor<float>& tiles);
}  // namespace cuda

class Tiling {
 public:
  static constexpr Index overlap = TileAxis::overlap, smallest_side = 2 * overlap, largest_side = 1 << 16;

  // Squares of `side`, or as high and as wide as the image where that is less. Throws ShapeError for a side outside of
  // smallest_side to largest_side, and for an image without pixels.
  Tiling(Index height, Index width, Index side) : rows_(height, checked_side(side)), columns_(width, side) {
    require<ShapeError>(height > 0 && width > 0, "tiles: an image of ", height, " x ", width, " pixels");
  }

  NLCL_BOTH const TileAxis& rows() const { return rows_; }
  NLCL_BOTH const TileAxis& columns() const { return columns_; }

  // Tiles of an image.
  NLCL_BOTH Index size() const { return rows_.count() * columns_.count(); }

  // `count` of them.
  Shape shape(Index count, Index channels) const { return {count, rows_.side(), columns_.side(), channels}; }

  // Images x [N,H,W,C] -> [count,h,w,C], the tiles first to first + count - 1 of the N * size() that there are. Throws
  // ShapeError for images of another size and for tiles that are not there.
  Tensor<float> cut(const Tensor<float>& x, Index first, Index count) const {
    require<ShapeError>(
        x.shape().rank() == 4 && x.shape()[1] == rows_.size() && x.shape()[2] == columns_.size(),
        "tiles: x expects [N,", rows_.size(), ",", columns_.size(), ",C], is ", x.shape());
    require<ShapeError>(first >= 0 && count > 0 && count <= x.shape()[0] * size() - first, "tiles: ", count,
                        " from ", first, " on, there are ", x.shape()[0] * size());
    if constexpr (has_cuda)
      if (x.device().is_cuda()) return cuda::cut_tiles(*this, x, first, count);
    Tensor<float> tiles(shape(count, x.shape()[3]));
    const Index image = rows_.size() * columns_.size() * x.shape()[3];
    for (Index k = first; k < first + count; ++k)
      cut_one(x.data() + k / size() * image, 0, k % size(), x.shape()[3],
              tiles.mutable_data() + (k - first) * (tiles.size() / count));
    return tiles;
  }

  // Tile k [h,w,C] of an image, of which `rows` [rows,W,C] are those from row `top` on.
  void cut_one(const float* rows, Index top, Index k, Index channels, float* tile) const {
    const Index first = rows_.begin(k / columns_.count()) - top, left = columns_.begin(k % columns_.count());
    const Index row = columns_.side() * channels;
    for (Index y = first; y < first + rows_.side(); ++y, tile += row)
      std::copy_n(rows + (y * columns_.size() + left) * channels, row, tile);
  }

  // Whether tile k has pixels of a region.
  bool meets(Index k, const Region& region) const {
    const Index top = rows_.begin(k / columns_.count()), left = columns_.begin(k % columns_.count());
    return top < region.top + region.height && region.top < top + rows_.side() &&
           left < region.left + region.width && region.left < left + columns_.side();
  }

  // All tiles [N * size(),h,w,C] of N images, in their order -> [N,H,W,C]. Throws ShapeError for another shape.
  Tensor<float> blend(const Tensor<float>& tiles) const;

  // One more term of a pixel's sum, in one rounding wherever it is computed.
  NLCL_BOTH static float add(float sum, float weight, float value) { return std::fma(weight, value, sum); }

 private:
  static Index checked_side(Index side) {
    require<ShapeError>(side >= smallest_side && side <= largest_side, "tiles: side ", side, ", expected ",
                        smallest_side, " to ", largest_side);
    return side;
  }

  TileAxis rows_, columns_;
};

// Joins the tiles of one image row of tiles by row of tiles, so that there are never more rows of the image at hand than a
// tile has.
class TileBlend {
 public:
  // The first row of tiles that will come is number `first`.
  TileBlend(const Tiling& tiling, Index channels, Index first = 0)
      : tiling_(tiling),
        channels_(channels),
        next_(first),
        begun_(tiling.rows().begin(first)),
        sums_({tiling.rows().side(), tiling.columns().size(), channels}) {
    for (Index x = 0; x < tiling.columns().size(); ++x)
      of_columns_.push_back(total_weight(tiling.columns(), x));
  }

  // The next row of tiles [columns,h,w,C]. write(y, row) gets each row y [W,C] of the image that no later tile covers, in any
  // order and from several threads.
  template <class Write>
  void add(const float* tiles, const Write& write) {
    const TileAxis& rows = tiling_.rows();
    const Index i = next_++, top = rows.begin(i), size = tiling_.columns().size() * channels_;
    const Index done = next_ < rows.count() ? rows.begin(next_) : rows.size();
    float* const sums = sums_.mutable_data();
    parallel_for(rows.side(), [&](Index r) {
      const Index y = top + r;
      float* const sum = sums + y % rows.side() * size;
      if (y >= begun_) std::fill_n(sum, size, 0.0f);
      add_row(tiles, r, sum);
      if (y >= done) return;
      const float of_row = total_weight(rows, y);
      for (Index x = 0; x < tiling_.columns().size(); ++x) {
        const float total = of_row * of_columns_[static_cast<std::size_t>(x)];
        for (Index c = 0; c < channels_; ++c) sum[x * channels_ + c] /= total;
      }
      write(y, static_cast<const float*>(sum));
    });
    begun_ = top + rows.side();
  }

 private:
  // The weights of all tiles that cover a pixel. They are small integers, of which sums and products are exact.
  static float total_weight(const TileAxis& axis, Index at) {
    float total = 0;
    for (Index i = axis.first_over(at); axis.covers(i, at); ++i) total += axis.weight(at - axis.begin(i));
    return total;
  }

  // sum [W,C] += the weighted rows r of a row of tiles.
  void add_row(const float* tiles, Index r, float* sum) const {
    const TileAxis& columns = tiling_.columns();
    const float of_row = tiling_.rows().weight(r);
    for (Index j = 0; j < columns.count(); ++j) {
      const float* from = tiles + (j * tiling_.rows().side() + r) * columns.side() * channels_;
      float* to = sum + columns.begin(j) * channels_;
      for (Index x = 0; x < columns.side(); ++x) {
        const float w = of_row * columns.weight(x);
        for (Index c = 0; c < channels_; ++c, ++to) *to = Tiling::add(*to, w, *from++);
      }
    }
  }

  Tiling tiling_;
  Index channels_, next_, begun_;  // rows of the image up to begun_ have a sum
  Tensor<float> sums_;             // row y of the image in row y % h
  std::vector<float> of_columns_;
};

inline Tensor<float> Tiling::blend(const Tensor<float>& tiles) const {
  const Shape& s = tiles.shape();
  require<ShapeError>(s.rank() == 4 && s[0] % size() == 0 && s == shape(s[0], s[3]), "tiles: expected [N * ",
                      size(), ",", rows_.side(), ",", columns_.side(), ",C], is ", s);
  if constexpr (has_cuda)
    if (tiles.device().is_cuda()) return cuda::blend_tiles(*this, tiles);
  Tensor<float> images({s[0] / size(), rows_.size(), columns_.size(), s[3]});
  const Index row = columns_.size() * s[3],
              row_of_tiles = columns_.count() * rows_.side() * columns_.side() * s[3];
  const float* from = tiles.data();
  for (Index n = 0; n < images.shape()[0]; ++n) {
    float* const to = images.mutable_data() + n * rows_.size() * row;
    TileBlend blend(*this, s[3]);
    for (Index i = 0; i < rows_.count(); ++i, from += row_of_tiles)
      blend.add(from, [&](Index y, const float* values) { std::copy_n(values, row, to + y * row); });
  }
  return images;
}

}  // namespace nlcl
