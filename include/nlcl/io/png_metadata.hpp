// What a PNG carries beside its pixels: chunks in front of the first IDAT or behind the last, each found and written by its
// type.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/deflate.hpp"
#include "nlcl/io/image_codec.hpp"
#include "nlcl/io/image_metadata.hpp"

namespace nlcl::detail {

inline constexpr std::size_t max_inflated_metadata = std::size_t{1} << 26;  // 64 MiB
inline constexpr std::string_view png_xmp_keyword = "XML:com.adobe.xmp";

// Bytes up to a zero, which is taken too.
inline std::string_view take_keyword(ByteReader& reader, ByteSpan data) {
  const std::size_t begin = reader.position();
  while (reader.byte() != 0) {
  }
  return text_of(data.subspan(begin, reader.position() - 1 - begin));
}

inline ByteSpan rest_of(ByteReader& reader) { return reader.take(reader.remaining()); }

// iCCP: a name, how it is compressed, the profile.
inline std::vector<std::byte> png_profile(ByteSpan data) {
  ByteReader reader(data, "iCCP");
  take_keyword(reader, data);
  require<FormatError>(reader.byte() == 0, "iCCP: unknown compression");
  return inflated(rest_of(reader), max_inflated_metadata);
}

// iTXt: a keyword, whether and how it is compressed, a language, the keyword in that language, the text. Nothing unless the
// keyword is that of XMP.
inline std::vector<std::byte> png_xmp(ByteSpan data) {
  ByteReader reader(data, "iTXt");
  if (take_keyword(reader, data) != png_xmp_keyword) return {};
  const bool is_compressed = reader.byte() != 0;
  require<FormatError>(reader.byte() == 0, "iTXt: unknown compression");
  take_keyword(reader, data);
  take_keyword(reader, data);
  return is_compressed ? inflated(rest_of(reader), max_inflated_metadata) : copy_of(rest_of(reader));
}

inline Density png_density(ByteSpan data) {
  ByteReader reader(data, "pHYs");
  const auto x = reader.big<std::uint32_t>(), y = reader.big<std::uint32_t>();
  return {x, y, reader.byte() == 1 ? Density::metre : Density::none};
}

// What of a checked PNG is carried on. A chunk that cannot be understood is left out, with a warning.
inline ImageMetadata png_metadata(const std::vector<FileBlock>& chunks, std::vector<std::string>& warnings) {
  ImageMetadata metadata;
  for (const auto& [kind, data] : chunks) {
    try {
      if (kind == "iCCP")
        metadata.icc = png_profile(data);
      else if (kind == "eXIf")
        metadata.exif = copy_of(data);
      else if (kind == "pHYs")
        metadata.density = png_density(data);
      else if (auto xmp = kind == "iTXt" ? png_xmp(data) : std::vector<std::byte>(); !xmp.empty())
        metadata.xmp = std::move(xmp);
      else if (is_png_colour_chunk(kind) || kind == "iTXt" || kind == "tEXt" || kind == "zTXt")
        metadata.png_chunks.push_back({kind, copy_of(data)});
    } catch (const FormatError&) {
      warnings.push_back("png: chunk " + kind + " makes no sense and is left out");
    }
  }
  drop_thumbnail(metadata.exif);
  return metadata;
}

// The PNG that encode_png() made, with what the photograph carries behind its header.
inline std::vector<std::byte> with_png_metadata(ByteSpan png, const ImageMetadata& metadata) {
  constexpr std::size_t header_end = 8 + 12 + 13;
  std::vector<std::byte> out = copy_of(png.first(header_end));
  for (const auto& [kind, data] : metadata.png_chunks) append_png_chunk(out, kind, data);
  if (!metadata.icc.empty()) {
    std::vector<std::byte> data;
    append(data, std::string_view("ICC profile\0\0", 13));
    append(data, deflated(metadata.icc));
    append_png_chunk(out, "iCCP", data);
  }
  if (metadata.density) {
    const double scale = metadata.density->unit == Density::inch         ? 1 / 0.0254
                         : metadata.density->unit == Density::centimetre ? 100
                                                                         : 1;
    std::vector<std::byte> data;
    for (const std::uint32_t value : {metadata.density->x, metadata.density->y})
      append_big(data, static_cast<std::uint32_t>(std::lround(std::min(value * scale, 2147483647.0))));
    data.push_back(metadata.density->unit == Density::none ? std::byte{0} : std::byte{1});
    append_png_chunk(out, "pHYs", data);
  }
  if (!metadata.exif.empty()) append_png_chunk(out, "eXIf", metadata.exif);
  if (!metadata.xmp.empty()) {
    std::vector<std::byte> data;
    append(data, png_xmp_keyword);
    data.resize(data.size() + 5);  // not compressed, no language
    append(data, metadata.xmp);
    append_png_chunk(out, "iTXt", data);
  }
  append(out, png.subspan(header_end));
  return out;
}

}  // namespace nlcl::detail
