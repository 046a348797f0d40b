// What must hold before an image goes to the decoder: PNG, BMP and TGA here, JPEG in jpeg_check.hpp.
//
// stb_image checks no checksum, reads past the end of a file as zeros, and leaves colours that a palette does
// not have to whatever lies on the stack. Here the file is read as far as its structure goes, so that the
// decoder gets complete files of a known size only. PNG and BMP are handed on as a copy of the parts that
// matter, with a full palette.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl::detail {

struct CheckedImage {
  Index height = 0, width = 0;
  std::vector<std::byte> file{};  // for the decoder; empty: the file as it is
};

inline void check_dimensions(const char* format, Index height, Index width, Index max_pixels) {
  require<FormatError>(height > 0 && width > 0, format, ": ", height, " x ", width, " pixels");
  require<FormatError>(height <= max_pixels / width, format, ": ", height, " x ", width, " pixels, at most ",
                       max_pixels, " are allowed");
}

// Chunks of length, type, data and checksum, from IHDR to IEND.
inline CheckedImage check_png(ByteSpan file, Index max_pixels) {
  ByteReader reader(file, "png");
  CheckedImage image;
  append(image.file, reader.take(8));
  const auto keep = [&](std::string_view type, ByteSpan data) {
    append_big(image.file, static_cast<std::uint32_t>(data.size()));
    append(image.file, type);
    append(image.file, data);
    append_big<std::uint32_t>(image.file, 0);  // the decoder skips the checksum
  };

  int depth = 0, colour = 0;
  std::size_t palette_size = 0;
  std::vector<std::byte> compressed;
  for (bool is_first = true;; is_first = false) {
    const auto size = reader.big<std::uint32_t>();
    const std::size_t begin = reader.position();
    const std::string_view type = text_of(reader.take(4));
    const ByteSpan data = reader.take(size);
    const bool is_critical = (type[0] & 0x20) == 0;
    require<FormatError>(is_first == (type == "IHDR"), "png: chunk ", type, " where ", is_first ? "" : "no ",
                         "IHDR is expected");
    if (is_critical || type == "tRNS")
      require<FormatError>(crc32(file.subspan(begin, 4 + data.size())) == reader.big<std::uint32_t>(),
                           "png: chunk ", type, " has a wrong checksum, it is damaged");
    else
      reader.skip(4);

    if (type == "IHDR") {
      ByteReader header(data, "png");
      image.width = header.big<std::uint32_t>();
      image.height = header.big<std::uint32_t>();
      check_dimensions("png", image.height, image.width, max_pixels);
      depth = header.byte();
      colour = header.byte();
      const bool is_index_or_grey = colour == 0 || colour == 3;
      require<FormatError>((colour == 0 || colour == 2 || colour == 3 || colour == 4 || colour == 6) &&
                               (depth == 8 || (depth == 16 && colour != 3) ||
                                ((depth == 1 || depth == 2 || depth == 4) && is_index_or_grey)),
                           "png: colour type ", colour, " with ", depth, " bits");
      keep(type, data);
    } else if (type == "PLTE") {
      require<FormatError>(data.size() % 3 == 0 && !data.empty() && data.size() <= 768, "png: a palette of ",
                           data.size(), " bytes");
      palette_size = data.size() / 3;
      std::vector<std::byte> full(data.begin(), data.end());
      full.resize(768);  // black where the palette ends
      keep(type, full);
    } else if (type == "tRNS") {
      require<FormatError>(compressed.empty() && (colour != 3 || data.size() <= palette_size),
                           "png: transparency of ", data.size(),
                           " bytes after the data or beyond the palette");
      keep(type, data);
    } else if (type == "IDAT") {
      append(compressed, data);
    } else if (type == "IEND") {
      break;
    } else {
      require<FormatError>(!is_critical, "png: chunk ", type, " is not supported");
    }
  }
  // Deflate makes at most 1032 bytes of one.
  const Index channels = colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1;
  const Index row_bytes = (image.width * channels * depth + 7) / 8 + 1;
  require<FormatError>(image.height * row_bytes / 1032 < static_cast<Index>(compressed.size()),
                       "png: ", image.height, " x ", image.width, " pixels cannot come from ",
                       compressed.size(), " bytes");
  keep("IDAT", compressed);
  keep("IEND", {});
  return image;
}

// Headers, masks or palette, rows padded to four bytes. Uncompressed only, and no OS/2 header.
inline CheckedImage check_bmp(ByteSpan file, Index max_pixels) {
  ByteReader reader(file, "bmp");
  reader.skip(10);
  const std::size_t offset = reader.little<std::uint32_t>();
  const auto header_size = reader.little<std::uint32_t>();
  require<FormatError>(header_size == 40 || header_size == 108 || header_size == 124, "bmp: a header of ",
                       header_size, " bytes, expected 40, 108 or 124");
  CheckedImage image;
  image.width = static_cast<std::int32_t>(reader.little<std::uint32_t>());
  image.height =
      std::abs(Index{static_cast<std::int32_t>(reader.little<std::uint32_t>())});  // negative: top row first
  check_dimensions("bmp", image.height, image.width, max_pixels);
  reader.skip(2);
  const int bits = reader.little<std::uint16_t>();
  const auto compression = reader.little<std::uint32_t>();
  const bool is_indexed = bits == 1 || bits == 4 || bits == 8;
  require<FormatError>(is_indexed || bits == 16 || bits == 24 || bits == 32, "bmp: ", bits,
                       " bits per pixel");
  require<FormatError>(compression == 0 || (compression == 3 && (bits == 16 || bits == 32)),
                       "bmp: compression ", compression, " with ", bits, " bits is not supported");

  const std::size_t header_end = 14 + header_size + (header_size == 40 && compression == 3 ? 12u : 0u);
  require<FormatError>(offset >= header_end && offset <= file.size(), "bmp: pixels at offset ", offset,
                       ", expected from ", header_end, " to ", file.size());
  std::vector<std::byte> palette;
  if (is_indexed) {
    palette.resize(std::size_t{4} << bits);  // black where the palette of the file ends
    const ByteSpan stored = file.subspan(header_end, std::min(offset - header_end, palette.size()));
    std::ranges::copy(stored, palette.begin());
  }
  const auto row_bytes = static_cast<std::size_t>((image.width * bits + 31) / 32 * 4);
  reader.seek(offset);
  const ByteSpan pixels = reader.take(row_bytes * static_cast<std::size_t>(image.height));

  append(image.file, file.first(10));
  append_little(image.file, static_cast<std::uint32_t>(header_end + palette.size()));
  append(image.file, file.subspan(14, header_end - 14));
  append(image.file, palette);
  append(image.file, pixels);
  return image;
}

// A header of 18 bytes without a signature, so every field is looked at; a name, a palette, pixels or runs of
// pixels.
inline CheckedImage check_tga(ByteSpan file, Index max_pixels) {
  require<FormatError>(file.size() >= 18, "image: neither PNG, JPEG, BMP nor TGA");
  ByteReader reader(file, "tga");
  const int name_size = reader.byte();
  const int has_palette = reader.byte();
  const int kind = reader.byte();
  const bool has_runs = kind == 9 || kind == 10 || kind == 11;
  const bool is_indexed = kind == 1 || kind == 9, is_rgb = kind == 2 || kind == 10,
             is_grey = kind == 3 || kind == 11;
  const int palette_first = reader.little<std::uint16_t>();
  const int palette_size = reader.little<std::uint16_t>();
  const int palette_bits = reader.byte();
  reader.skip(4);  // origin
  CheckedImage image;
  image.width = reader.little<std::uint16_t>();
  image.height = reader.little<std::uint16_t>();
  const int bits = reader.byte();
  const int descriptor = reader.byte();
  const auto is_colour_depth = [](int b) { return b == 15 || b == 16 || b == 24 || b == 32; };
  const bool is_byte_depth = bits == 8 || bits == 16;
  bool is_plausible = has_palette == (is_indexed ? 1 : 0) && image.width > 0 && image.height > 0 &&
                      (descriptor & 0xc0) == 0 && (descriptor & 15) <= 8;
  if (is_indexed)
    is_plausible = is_plausible && is_byte_depth && palette_size > 0 && is_colour_depth(palette_bits);
  else
    is_plausible = is_plausible && ((is_rgb && is_colour_depth(bits)) || (is_grey && is_byte_depth));
  require<FormatError>(is_plausible, "image: neither PNG, JPEG, BMP nor TGA");
  require<FormatError>((descriptor & 0x10) == 0 && palette_first == 0,
                       "tga: rows from right to left and partial palettes are not supported");
  check_dimensions("tga", image.height, image.width, max_pixels);

  reader.skip(static_cast<std::size_t>(name_size));
  if (is_indexed) reader.skip(static_cast<std::size_t>(palette_size * ((palette_bits + 7) / 8)));
  const auto pixel_bytes = static_cast<std::size_t>((bits + 7) / 8);
  Index left = image.height * image.width;
  if (!has_runs) {
    reader.skip(static_cast<std::size_t>(left) * pixel_bytes);
    return image;
  }
  while (left > 0) {
    const int run = reader.byte();
    const int length = (run & 127) + 1;
    reader.skip(run & 128 ? pixel_bytes : static_cast<std::size_t>(length) * pixel_bytes);
    left -= length;
  }
  return image;
}

}  // namespace nlcl::detail
