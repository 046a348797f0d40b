// What is done with the EXIF data of a photograph: how the camera was held, and what is no longer true of the result.
// Data that make no sense are ignored, as every viewer does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/tiff.hpp"

namespace nlcl::detail {

// In front of the TIFF structure in a JPEG, and by habit of some programs in a WebP.
inline constexpr std::string_view exif_prefix("Exif\0\0", 6);

inline constexpr int exif_orientation_tag = 0x0112;

// 1 to 8, as turned_upright() takes it; 1: not to be turned. `exif` is the TIFF structure alone.
inline int exif_orientation(ByteSpan exif) {
  try {
    const Tiff tiff(exif);
    const TiffDirectory directory = tiff.first_directory();
    const TiffField* const field = directory.find(exif_orientation_tag);
    if (!field || field->type != 3 || field->count != 1) return 1;
    const int value = tiff.number<std::uint16_t>(field->at);
    return value >= 1 && value <= 8 ? value : 1;
  } catch (const FormatError&) {
    return 1;
  }
}

// Says that the pixels are upright. Only for data that have an orientation: exif_orientation() is more than 1.
inline void set_upright(std::vector<std::byte>& exif) {
  const Tiff tiff(exif);
  tiff.set(exif, tiff.first_directory().find(exif_orientation_tag)->at, 1);
}

// Takes out the second directory, which is that of the embedded thumbnail, and the thumbnail. Nothing else moves: the notes
// of a camera's maker count from the beginning.
inline void drop_thumbnail(std::vector<std::byte>& exif) {
  try {
    const Tiff tiff(exif);
    const std::size_t next_at = tiff.first_directory().next_at;
    const std::size_t offset = tiff.number<std::uint32_t>(next_at);
    if (offset == 0) return;
    const auto clear = [&](std::size_t at, std::size_t size) {
      ByteReader reader(exif, "exif");
      reader.seek(at);
      reader.skip(size);
      std::fill_n(exif.begin() + static_cast<std::ptrdiff_t>(at), size, std::byte{0});
    };
    std::size_t begin = 0, size = 0;
    if (offset > next_at) {  // a directory in front of the first one could be anything
      const TiffDirectory directory = tiff.directory(offset);
      const TiffField* const at = directory.find(0x0201);
      const TiffField* const length = directory.find(0x0202);
      if (at && length) {
        begin = tiff.number<std::uint32_t>(at->at);
        size = tiff.number<std::uint32_t>(length->at);
      }
      if (begin > next_at) clear(begin, size);
      clear(offset, directory.next_at + 4 - offset);
    }
    clear(next_at, 4);
    // It usually comes last, up to a byte of padding.
    if (begin > next_at && begin > offset && exif.size() - (begin + size) < 4) exif.resize(begin);
  } catch (const FormatError&) {
  }
}

}  // namespace nlcl::detail
