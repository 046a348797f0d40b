// What an image file carries beside its pixels, in the terms of no format. jpeg_metadata.hpp and the like take it out of
// files and put it into files.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/io/bytes.hpp"
#include "nlcl/io/exif.hpp"

namespace nlcl {

// Pixels per unit of length; without a unit only the shape of a pixel, x : y.
struct Density {
  enum Unit { none, inch, centimetre, metre };
  std::uint32_t x = 1, y = 1;
  Unit unit = none;
};

namespace detail {

// Of a PNG: whether it says what the colours are.
inline bool is_png_colour_chunk(std::string_view kind) {
  static constexpr std::array<std::string_view, 6> kinds{"cHRM", "cICP", "cLLI", "gAMA", "mDCV", "sRGB"};
  return std::ranges::find(kinds, kind) != kinds.end();
}

}  // namespace detail

// A segment of a JPEG or a chunk of a PNG.
struct MetadataBlock {
  std::string kind;  // a JPEG's marker, as in "\xe1", or a PNG's four letters
  std::vector<std::byte> data;
};

// How a JPEG was written.
struct JpegQuality {
  int quality = 95;              // 1 to 100, at which encode_jpeg()'s quantisation is nearest
  bool has_fine_chroma = false;  // more than a sample for every second row and column (4:2:0)
};

struct ImageMetadata {
  std::vector<std::byte> icc{};   // the colour profile
  std::vector<std::byte> exif{};  // a TIFF structure
  std::vector<std::byte> xmp{};   // the packet, XML
  std::optional<Density> density{};
  std::optional<JpegQuality> jpeg{};
  bool is_lossless_webp = false;
  // What only files of the same format have a place for.
  std::vector<MetadataBlock> jpeg_segments{}, png_chunks{};

  // What is needed to show the colours of another picture as those of this one.
  ImageMetadata colour_space() const {
    ImageMetadata result;
    result.icc = icc;
    std::ranges::copy_if(png_chunks, std::back_inserter(result.png_chunks), &detail::is_png_colour_chunk,
                         &MetadataBlock::kind);
    return result;
  }
};

namespace detail {

// For pixels that were turned as the orientation in the EXIF data asks for. Where XMP repeats it, it is one digit.
inline void set_upright(ImageMetadata& metadata) {
  set_upright(metadata.exif);
  const std::string_view xmp = text_of(metadata.xmp), name = "tiff:Orientation";
  for (std::size_t at = 0; (at = xmp.find(name, at)) != std::string_view::npos;) {
    at += name.size();
    const std::size_t digit = xmp.find_first_not_of(" =\"'>", at);
    if (digit != std::string_view::npos && xmp[digit] >= '1' && xmp[digit] <= '8')
      metadata.xmp[digit] = std::byte{'1'};
  }
}

}  // namespace detail

}  // namespace nlcl
