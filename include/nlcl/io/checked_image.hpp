// What is known of an image file before a decoder sees it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl {

struct DecodeOptions {
  Index max_pixels = Index{1} << 28;  // 16384 x 16384; a larger value than this one has no effect
  bool is_tolerant = false;           // takes what is there of a truncated file
};

namespace detail {

// A part of a file that is not about pixels, where it lies: a segment of a JPEG, by its marker, or a chunk of a PNG.
struct FileBlock {
  std::string kind;
  ByteSpan data;
};

struct CheckedImage {
  Index height = 0, width = 0;  // as stored
  int bits = 8;                 // per channel, 8 or 16
  bool is_cmyk = false;
  std::vector<std::byte> file{};  // for the decoder; empty: the file as it is
  std::vector<FileBlock> blocks{};
  std::vector<std::string> warnings{};
};

// Throws FormatError for no pixels, and for more than max_pixels.
inline void check_dimensions(const char* format, Index height, Index width, Index max_pixels) {
  require<FormatError>(height > 0 && width > 0, format, ": ", height, " x ", width, " pixels");
  require<FormatError>(height <= max_pixels / width, format, ": ", height, " x ", width, " pixels, at most ",
                       max_pixels, " are allowed");
}

}  // namespace detail

}  // namespace nlcl
