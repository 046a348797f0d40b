// A part of an image.
#pragma once

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"

namespace nlcl {

// In pixels, from the upper left corner of the image.
struct Region {
  Index left = 0, top = 0, width = 0, height = 0;
};

inline Region whole_image(Index height, Index width) { return {0, 0, width, height}; }

// Throws ShapeError for a region without pixels and for one that does not lie within the image.
inline void require_within(const Region& r, Index height, Index width) {
  require<ShapeError>(r.left >= 0 && r.top >= 0 && r.width > 0 && r.height > 0 && r.width <= width - r.left &&
                          r.height <= height - r.top,
                      "region: ", r.left, ",", r.top, ",", r.width, ",", r.height,
                      " (left,top,width,height), the image is ", width, " wide and ", height, " high");
}

}  // namespace nlcl
