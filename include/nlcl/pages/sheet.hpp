// Pictures put together to one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/pixels.hpp"

namespace nlcl {

// RGB images in rows, from the top and from the left, on white. A column is as wide as the widest of its images, a row
// as high as its highest; `gap` pixels lie between them and around them all. Throws ShapeError for images of other than
// 3 channels, and if there are none.
inline Image sheet_of(const std::vector<std::vector<Image>>& rows, Index gap = 0) {
  std::vector<Index> heights, widths;
  for (const std::vector<Image>& row : rows) {
    heights.push_back(0);
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t column = 0; column < row.size(); ++column) {
      const Image& image = row[column];
      detail::check_image(image);
      require<ShapeError>(image.channels == 3, "sheet: an image of ", image.channels,
                          " channels, expected 3");
      heights.back() = std::max(heights.back(), image.height);
      widths[column] = std::max(widths[column], image.width);
    }
  }
  require<ShapeError>(!widths.empty(), "sheet: no images, expected at least one");
  const auto length = [gap](const std::vector<Index>& parts) {
    Index sum = gap;
    for (const Index part : parts) sum += part + gap;
    return sum;
  };
  Image sheet{length(heights), length(widths), 3, {}};
  sheet.pixels.assign(static_cast<std::size_t>(sheet.height * sheet.width * 3), 255);
  Index top = gap;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    Index left = gap;
    for (std::size_t column = 0; column < rows[r].size(); ++column) {
      const Image& image = rows[r][column];
      for (Index y = 0; y < image.height; ++y)
        std::copy_n(image.pixels.begin() + y * image.width * 3, image.width * 3,
                    sheet.pixels.begin() + ((top + y) * sheet.width + left) * 3);
      left += widths[column] + gap;
    }
    top += heights[r] + gap;
  }
  return sheet;
}

}  // namespace nlcl
