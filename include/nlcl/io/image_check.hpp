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
#include <string>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/deflate.hpp"

namespace nlcl::detail {

// Of the rest of a PNG: whether it is the last chunk cut short, or nothing at all.
inline bool is_begin_of_iend(ByteSpan rest) {
  constexpr std::string_view iend("\0\0\0\0IEND\xae\x42\x60\x82", 12);
  return rest.size() < iend.size() && iend.starts_with(text_of(rest));
}

// Of the rest of a PNG: whether it is a part of a chunk of pixels.
inline bool is_cut_idat(ByteSpan rest) {
  if (rest.size() <= 8) return false;
  ByteReader reader(rest, "png");
  return reader.big<std::uint32_t>() + std::uint64_t{12} > rest.size() && text_of(reader.take(4)) == "IDAT";
}

// The bytes that a PNG's pixels inflate to: rows, each behind a byte that names its filter; of an interlaced one, those of
// seven smaller images.
inline std::size_t png_raw_size(Index height, Index width, Index bits_per_pixel, bool is_interlaced) {
  const auto size = [&](Index rows, Index columns) {
    const bool is_empty = rows <= 0 || columns <= 0;
    return is_empty ? 0 : static_cast<std::size_t>(rows * ((columns * bits_per_pixel + 7) / 8 + 1));
  };
  if (!is_interlaced) return size(height, width);
  struct Pass {
    Index top, left, down, right;  // the first pixel, and the steps to the next ones
  };
  std::size_t sum = 0;
  for (const auto& [top, left, down, right] :
       {Pass{0, 0, 8, 8}, Pass{0, 4, 8, 8}, Pass{4, 0, 8, 4}, Pass{0, 2, 4, 4}, Pass{2, 0, 4, 2},
        Pass{0, 1, 2, 2}, Pass{1, 0, 2, 1}})
    sum += size((height - top + down - 1) / down, (width - left + right - 1) / right);
  return sum;
}

// Chunks of length, type, data and checksum, from IHDR to IEND.
inline CheckedImage check_png(ByteSpan file, const DecodeOptions& options) {
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
  bool is_interlaced = false;
  std::size_t palette_size = 0;
  std::vector<std::byte> compressed;
  bool is_cut = false;  // in the middle of its pixels
  for (bool is_first = true;; is_first = false) {
    const ByteSpan rest = file.subspan(reader.position());
    if (!compressed.empty() && is_begin_of_iend(rest)) {
      image.warnings.emplace_back("png: no chunk IEND, though all of its pixels are there");
      break;
    }
    is_cut = options.is_tolerant && is_cut_idat(rest);
    if (is_cut) {
      append(compressed, rest.subspan(8));
      break;
    }
    const auto size = reader.big<std::uint32_t>();
    const std::size_t begin = reader.position();
    const std::string_view type = text_of(reader.take(4));
    const ByteSpan data = reader.take(size);
    const bool is_critical = (type[0] & 0x20) == 0;
    require<FormatError>(is_first == (type == "IHDR"), "png: chunk ", type, " where ", is_first ? "" : "no ",
                         "IHDR is expected");
    const bool is_sound = crc32(file.subspan(begin, 4 + data.size())) == reader.big<std::uint32_t>();
    require<FormatError>(is_sound || (!is_critical && type != "tRNS"), "png: chunk ", type,
                         " has a wrong checksum, it is damaged");

    if (type == "IHDR") {
      ByteReader header(data, "png");
      image.width = header.big<std::uint32_t>();
      image.height = header.big<std::uint32_t>();
      check_dimensions("png", image.height, image.width, options.max_pixels);
      depth = header.byte();
      colour = header.byte();
      const bool is_index_or_grey = colour == 0 || colour == 3;
      require<FormatError>((colour == 0 || colour == 2 || colour == 3 || colour == 4 || colour == 6) &&
                               (depth == 8 || (depth == 16 && colour != 3) ||
                                ((depth == 1 || depth == 2 || depth == 4) && is_index_or_grey)),
                           "png: colour type ", colour, " with ", depth, " bits");
      header.skip(2);  // the only ways to compress and to filter
      is_interlaced = header.byte() != 0;
      image.bits = std::max(depth, 8);
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
      if (is_sound)
        image.blocks.push_back({std::string(type), data});
      else
        image.warnings.push_back(text("png: chunk ", type, " has a wrong checksum and is left out"));
    }
  }
  // Deflate makes at most 1032 bytes of one.
  const Index channels = colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1;
  const Index row_bytes = (image.width * channels * depth + 7) / 8 + 1;
  require<FormatError>(image.height * row_bytes / 1032 < static_cast<Index>(compressed.size()),
                       "png: ", image.height, " x ", image.width, " pixels cannot come from ",
                       compressed.size(), " bytes");
  if (is_cut) {
    const std::size_t size = png_raw_size(image.height, image.width, channels * depth, is_interlaced);
    const InflatedPart part = inflated_part(compressed, size);
    image.warnings.push_back(text("png: truncated, ", 100 - 100 * part.there / size, " % of it is lost"));
    compressed = deflated(part.bytes);
  }
  keep("IDAT", compressed);
  keep("IEND", {});
  return image;
}

// Headers, masks or palette, rows padded to four bytes. Uncompressed only, and no OS/2 header.
inline CheckedImage check_bmp(ByteSpan file, const DecodeOptions& options) {
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
  check_dimensions("bmp", image.height, image.width, options.max_pixels);
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

// The header of a TGA, 18 bytes.
struct TgaHeader {
  int name_size = 0, has_palette = 0, kind = 0;
  int palette_first = 0, palette_size = 0, palette_bits = 0;
  int width = 0, height = 0, bits = 0, descriptor = 0;

  // From at least 18 bytes.
  explicit TgaHeader(ByteReader& reader) {
    name_size = reader.byte();
    has_palette = reader.byte();
    kind = reader.byte();
    palette_first = reader.little<std::uint16_t>();
    palette_size = reader.little<std::uint16_t>();
    palette_bits = reader.byte();
    reader.skip(4);  // origin
    width = reader.little<std::uint16_t>();
    height = reader.little<std::uint16_t>();
    bits = reader.byte();
    descriptor = reader.byte();
  }

  bool has_runs() const { return kind == 9 || kind == 10 || kind == 11; }
  bool is_indexed() const { return kind == 1 || kind == 9; }
  bool is_rgb() const { return kind == 2 || kind == 10; }
  bool is_grey() const { return kind == 3 || kind == 11; }

  bool is_plausible() const {
    const auto is_colour_depth = [](int b) { return b == 15 || b == 16 || b == 24 || b == 32; };
    const bool is_byte_depth = bits == 8 || bits == 16;
    return has_palette == (is_indexed() ? 1 : 0) && width > 0 && height > 0 && (descriptor & 0xc0) == 0 &&
           (descriptor & 15) <= 8 &&
           (is_indexed() ? is_byte_depth && palette_size > 0 && is_colour_depth(palette_bits)
                         : (is_rgb() && is_colour_depth(bits)) || (is_grey() && is_byte_depth));
  }
};

// It has no signature, so every field of the header is looked at.
inline bool is_tga(ByteSpan file) {
  if (file.size() < 18) return false;
  ByteReader reader(file, "tga");
  return TgaHeader(reader).is_plausible();
}

// The header, a name, a palette, pixels or runs of pixels. `file` is_tga.
inline CheckedImage check_tga(ByteSpan file, const DecodeOptions& options) {
  ByteReader reader(file, "tga");
  const TgaHeader header(reader);
  require<FormatError>((header.descriptor & 0x10) == 0 && header.palette_first == 0,
                       "tga: rows from right to left and partial palettes are not supported");
  check_dimensions("tga", header.height, header.width, options.max_pixels);

  reader.skip(static_cast<std::size_t>(header.name_size));
  if (header.is_indexed())
    reader.skip(static_cast<std::size_t>(header.palette_size * ((header.palette_bits + 7) / 8)));
  const auto pixel_bytes = static_cast<std::size_t>((header.bits + 7) / 8);
  const CheckedImage image{header.height, header.width};
  Index left = image.height * image.width;
  if (!header.has_runs()) {
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
