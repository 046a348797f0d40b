// Image files made by hand, and what is looked for in them.
#pragma once

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"
#include "support/files.hpp"

namespace nlcl::test {

// A PNG from chunks of type and data.
inline std::vector<std::byte> png(const std::vector<std::pair<std::string, std::string>>& chunks) {
  std::vector<std::byte> file = bytes("\x89PNG\r\n\x1a\n");
  for (const auto& [type, data] : chunks) {
    append_big(file, static_cast<std::uint32_t>(data.size()));
    append(file, type + data);
    append_big(file, crc32(bytes_of(type + data)));
  }
  return file;
}
inline std::string png_header(std::uint32_t width, std::uint32_t height, int depth, int colour) {
  std::vector<std::byte> out;
  append_big(out, width);
  append_big(out, height);
  append(out, text(static_cast<char>(depth), static_cast<char>(colour), std::string(3, '\0')));
  return std::string(text_of(out));
}
// A zlib stream that stores `content`; the decoder does not look at the sum that ends it.
inline std::string stored(std::string_view content) {
  const auto size = static_cast<char>(content.size());
  return text("\x78\x01\x01", size, '\0', static_cast<char>(~size), '\xff', content, "sum?");
}

// The byte after the marker FF xx of a JPEG: its segment's length.
inline std::size_t find_marker(ByteSpan file, int marker) {
  for (std::size_t at = 0; at + 1 < file.size(); ++at)
    if (file[at] == std::byte{0xff} && file[at + 1] == static_cast<std::byte>(marker)) return at + 2;
  FAIL("no marker " << marker);
  return 0;
}

inline std::string jpeg_segment(char marker, const std::string& data) {
  std::vector<std::byte> size;
  append_big(size, static_cast<std::uint16_t>(data.size() + 2));
  return text('\xff', marker, text_of(size), data);
}

inline std::string exif_segment(const std::string& exif) {
  return jpeg_segment('\xe1', std::string("Exif\0\0", 6) + exif);
}
inline std::string xmp_segment(const std::string& xmp) {
  return jpeg_segment('\xe1', std::string("http://ns.adobe.com/xap/1.0/\0", 29) + xmp);
}
inline std::string icc_segment(int number, int count, const std::string& piece) {
  return jpeg_segment('\xe2', text(std::string("ICC_PROFILE\0", 12), static_cast<char>(number),
                                   static_cast<char>(count), piece));
}

// The JPEG with segments behind its first two bytes.
inline std::vector<std::byte> with_segments(const std::vector<std::byte>& jpeg, const std::string& segments) {
  std::vector<std::byte> file(jpeg.begin(), jpeg.begin() + 2);
  append(file, segments);
  append(file, ByteSpan(jpeg).subspan(2));
  return file;
}

// EXIF data, big- or little-endian: the width, how the camera was held, and a thumbnail in a directory of its own unless
// that is empty.
inline std::string exif_of(int orientation, bool is_little = false, const std::string& thumbnail = "") {
  std::vector<std::byte> exif = bytes(is_little ? "II" : "MM");
  const auto u16 = [&](std::uint16_t v) { is_little ? append_little(exif, v) : append_big(exif, v); };
  const auto u32 = [&](std::uint32_t v) { is_little ? append_little(exif, v) : append_big(exif, v); };
  const auto number = [&](std::uint16_t tag, std::uint32_t value) { u16(tag), u16(4), u32(1), u32(value); };
  u16(42), u32(8);  // a TIFF header
  u16(2);
  number(0x0100, 77);
  u16(0x0112), u16(3), u32(1), u16(static_cast<std::uint16_t>(orientation)), u16(0);
  u32(thumbnail.empty() ? 0 : 38);
  if (!thumbnail.empty()) {
    u16(2);
    number(0x0201, 68);
    number(0x0202, static_cast<std::uint32_t>(thumbnail.size()));
    u32(0);
    append(exif, thumbnail);
  }
  return std::string(text_of(exif));
}

}  // namespace nlcl::test
