// What a JPEG carries beside its pixels: segments in front of the first scan, each found and written by its marker and the
// words that it begins with.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/printable.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/exif.hpp"
#include "nlcl/io/image_codec.hpp"
#include "nlcl/io/image_metadata.hpp"
#include "nlcl/io/jpeg_bits.hpp"

namespace nlcl::detail {

inline constexpr std::string_view jfif_prefix("JFIF\0", 5), icc_prefix("ICC_PROFILE\0", 12),
    xmp_prefix("http://ns.adobe.com/xap/1.0/\0", 29),
    xmp_extension_prefix("http://ns.adobe.com/xmp/extension/\0", 35);

// ---- quality ----

// Quantisation tables, of luminance and of chroma; all zero where there is none.
using JpegTables = std::array<std::array<int, 64>, 2>;

inline void read_jpeg_tables(ByteSpan data, JpegTables& tables) {
  ByteReader reader(data, "jpeg");
  while (reader.remaining() > 0) {
    const int kind = reader.byte();
    for (std::size_t i = 0; i < 64; ++i) {
      const int value = kind >> 4 ? reader.big<std::uint16_t>() : reader.byte();
      if ((kind & 15) < 2) tables[static_cast<std::size_t>(kind & 15)][i] = value;
    }
  }
}

// The tables that encode_jpeg() writes at a quality of 1 to 100, taken from what it writes.
inline const JpegTables& written_jpeg_tables(int quality) {
  static const std::vector<JpegTables> all = [] {
    std::vector<JpegTables> result(101);
    for (int q = 1; q <= 100; ++q) {
      const std::vector<std::byte> file = encode_jpeg({1, 1, 3, {0, 0, 0}}, q);
      const std::string_view bytes = text_of(file);
      const std::size_t at = bytes.find("\xff\xdb") + 4;
      read_jpeg_tables(ByteSpan(file).subspan(at, 130), result[static_cast<std::size_t>(q)]);
    }
    return result;
  }();
  return all[static_cast<std::size_t>(quality)];
}

// The quality whose tables differ the least, by the sum of absolute values.
inline int nearest_jpeg_quality(const JpegTables& tables) {
  int best = 95;
  long least = -1;
  for (int quality = 1; quality <= 100; ++quality) {
    long sum = 0;
    for (std::size_t t = 0; t < 2; ++t)
      for (std::size_t i = 0; i < 64; ++i)
        if (tables[t][i] > 0) sum += std::abs(tables[t][i] - written_jpeg_tables(quality)[t][i]);
    if (least < 0 || sum <= least) best = quality, least = sum;
  }
  return best;
}

// Of the data of a frame header: whether there are chroma samples for more than every second row and column.
inline bool has_fine_chroma(ByteSpan frame) {
  constexpr std::byte twice{0x22}, once{0x11};
  return frame.size() == 15 && (frame[7] != twice || frame[10] != once || frame[13] != once);
}

// ---- reading ----

// A profile is cut into numbered pieces. Nothing if one is missing.
class JpegProfile {
 public:
  void add(ByteSpan piece) {  // its number from 1, their number, bytes
    if (piece.size() < 2) return;
    pieces_.resize(std::max(pieces_.size(), std::to_integer<std::size_t>(piece[1])));
    const auto number = std::to_integer<std::size_t>(piece[0]);
    if (number >= 1 && number <= pieces_.size()) pieces_[number - 1] = piece.subspan(2);
  }
  std::vector<std::byte> joined() const {
    std::vector<std::byte> profile;
    for (const ByteSpan piece : pieces_) {
      if (piece.empty()) return {};
      append(profile, piece);
    }
    return profile;
  }
  bool has_pieces() const { return !pieces_.empty(); }

 private:
  std::vector<ByteSpan> pieces_;
};

inline std::optional<Density> jfif_density(ByteSpan data) {
  ByteReader reader(data, "jfif");
  try {
    reader.skip(7);  // its name and version
    const int unit = reader.byte();
    const auto x = reader.big<std::uint16_t>(), y = reader.big<std::uint16_t>();
    return Density{x, y, unit == 1 ? Density::inch : unit == 2 ? Density::centimetre : Density::none};
  } catch (const FormatError&) {
    return {};
  }
}

// What of a checked JPEG is carried on. Pictures that a camera appends, and the list of them, are not.
inline ImageMetadata jpeg_metadata(const std::vector<FileBlock>& segments,
                                   std::vector<std::string>& warnings) {
  ImageMetadata metadata;
  JpegProfile profile;
  JpegTables tables{};
  JpegQuality written;
  for (const auto& [kind, data] : segments) {
    const auto begins_with = [&, &bytes = data](std::string_view prefix) {
      return text_of(bytes).starts_with(prefix);
    };
    const auto behind = [&, &bytes = data](std::string_view prefix) {
      return copy_of(bytes.subspan(prefix.size()));
    };
    if (kind == "\xe0" && begins_with(jfif_prefix))
      metadata.density = jfif_density(data);
    else if (kind == "\xe1" && begins_with(exif_prefix) && metadata.exif.empty())
      metadata.exif = behind(exif_prefix);
    else if (kind == "\xe1" && begins_with(xmp_prefix) && metadata.xmp.empty())
      metadata.xmp = behind(xmp_prefix);
    else if (kind == "\xe2" && begins_with(icc_prefix))
      profile.add(data.subspan(icc_prefix.size()));
    else if ((kind == "\xe1" && begins_with(xmp_extension_prefix)) || kind == "\xed" || kind == "\xfe")
      metadata.jpeg_segments.push_back(
          {kind, copy_of(data)});  // more of XMP, Photoshop's with IPTC, comments
    else if (kind == "\xdb")
      read_jpeg_tables(data, tables);
    else if (kind == "\xc0" || kind == "\xc1" || kind == "\xc2")
      written.has_fine_chroma = has_fine_chroma(data);
  }
  metadata.icc = profile.joined();
  if (metadata.icc.empty() && profile.has_pieces())
    warnings.emplace_back("jpeg: the colour profile is incomplete and left out");
  written.quality = nearest_jpeg_quality(tables);
  metadata.jpeg = written;
  drop_thumbnail(metadata.exif);
  return metadata;
}

// ---- writing ----

// The JPEG that encode_jpeg() made, whose first segment is JFIF's, with what the photograph carries behind that. EXIF data or
// XMP larger than a segment, which only other formats hold, are left out, and so is a profile larger than 255 of them;
// `warnings` then get a line, if they are wanted.
inline std::vector<std::byte> with_jpeg_metadata(ByteSpan jpeg, const ImageMetadata& metadata,
                                                 std::vector<std::string>* warnings = nullptr) {
  constexpr std::size_t jfif_end = 2 + 18;
  std::vector<std::byte> out(jpeg.begin(), jpeg.begin() + jfif_end);
  if (metadata.density) {
    const bool is_metric = metadata.density->unit >= Density::centimetre;
    const double scale = metadata.density->unit == Density::metre ? 0.01 : 1;
    out[13] = static_cast<std::byte>(metadata.density->unit == Density::none ? 0 : is_metric ? 2 : 1);
    out.resize(14);
    for (const std::uint32_t value : {metadata.density->x, metadata.density->y})
      append_big(out, static_cast<std::uint16_t>(std::clamp(value * scale + 0.5, 1.0, 65535.0)));
    out.resize(jfif_end);  // no thumbnail
  }
  std::vector<std::string> left_out;
  const auto leave_out = [&](const char* what, ByteSpan data) {
    left_out.push_back(text(what, " of ", data.size(), " bytes"));
  };
  const auto append_whole = [&](const char* what, std::string_view prefix, ByteSpan data) {
    if (prefix.size() + data.size() > max_jpeg_segment) return leave_out(what, data);
    if (!data.empty()) append_jpeg_segment(out, "\xe1", prefix, data);
  };
  append_whole("EXIF data", exif_prefix, metadata.exif);
  append_whole("XMP", xmp_prefix, metadata.xmp);

  const std::size_t piece = max_jpeg_segment - icc_prefix.size() - 2;
  std::size_t pieces = (metadata.icc.size() + piece - 1) / piece;
  if (pieces > 255) {
    leave_out("a colour profile", metadata.icc);
    pieces = 0;
  }
  for (std::size_t i = 0; i < pieces; ++i) {
    const std::size_t begin = i * piece;
    const std::string head = std::string(icc_prefix) + static_cast<char>(i + 1) + static_cast<char>(pieces);
    append_jpeg_segment(out, "\xe2", head,
                        ByteSpan(metadata.icc).subspan(begin, std::min(piece, metadata.icc.size() - begin)));
  }
  for (const auto& [kind, data] : metadata.jpeg_segments) append_jpeg_segment(out, kind, "", data);
  append(out, jpeg.subspan(jfif_end));
  if (warnings && !left_out.empty())
    warnings->push_back("jpeg: has no room for " + listed(left_out, " and ") + ", left out");
  return out;
}

}  // namespace nlcl::detail
