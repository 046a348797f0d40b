// Formats of images that are not read: one table. A file is recognised by its bytes, so that the message can name the format
// and the command that converts it.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/tiff.hpp"

namespace nlcl {

struct ForeignImageFormat {
  std::string name;
  std::vector<std::string> extensions;  // that are common, in lower case
  bool (*is_format_of)(ByteSpan file);
  std::string command;  // for a shell
};

namespace detail {

// Whether a file of boxes, as MP4 is one, is of a brand: the first is the one it was made as, the others are those that it
// can be read as.
inline bool is_of_brand(ByteSpan file, std::string_view brand, bool also_compatible = false) {
  const std::string_view text = text_of(file.first(std::min<std::size_t>(file.size(), 64)));
  if (text.size() < 12 || text.substr(4, 4) != "ftyp") return false;
  for (std::size_t at = 8; at + 4 <= text.size(); at += 4)
    if (text.substr(at, 4) == brand) return at == 8 || also_compatible;
  return false;
}

inline bool is_avif(ByteSpan file) { return is_of_brand(file, "avif", true) || is_of_brand(file, "avis"); }
inline bool is_heic(ByteSpan file) {
  static constexpr std::array<std::string_view, 8> brands{"heic", "heix", "heim", "heis",
                                                          "hevc", "hevx", "mif1", "msf1"};
  return std::ranges::any_of(brands, [&](std::string_view brand) { return is_of_brand(file, brand); });
}
inline bool is_jpeg_xl(ByteSpan file) {
  return text_of(file).starts_with("\xff\x0a") ||
         text_of(file).starts_with(std::string_view("\0\0\0\x0cJXL \r\n\x87\n", 12));
}
inline bool is_jpeg_2000(ByteSpan file) {
  return text_of(file).starts_with(std::string_view("\0\0\0\x0cjP  \r\n\x87\n", 12)) ||
         text_of(file).starts_with("\xff\x4f\xff\x51");
}
inline bool is_gif(ByteSpan file) { return text_of(file).starts_with("GIF8"); }
inline bool is_big_tiff(ByteSpan file) {
  return text_of(file).starts_with(std::string_view("II+\0", 4)) ||
         text_of(file).starts_with(std::string_view("MM\0+", 4));
}

// What cameras write before they make a picture of it: signatures of their own, or TIFF whose first directory names the
// camera and has further ones for the sensor's values.
inline bool is_raw(ByteSpan file) {
  static constexpr std::array<std::string_view, 6> signatures{
      "FUJIFILMCCD-RAW", "FOVb", "IIU", "IIRO", "IIRS", "MMOR"};
  if (std::ranges::any_of(signatures, [&](std::string_view s) { return text_of(file).starts_with(s); }))
    return true;
  if (is_of_brand(file, "crx ")) return true;
  if (!Tiff::is_tiff(file)) return false;
  if (file.size() > 10 && text_of(file).substr(8, 2) == "CR") return true;
  try {
    const TiffDirectory directory = Tiff(file).first_directory();
    constexpr int make = 0x010f, sub_directories = 0x014a, dng_version = 0xc612;
    return directory.find(dng_version) || (directory.find(make) && directory.find(sub_directories));
  } catch (const FormatError&) {
    return false;
  }
}
inline bool is_any_tiff(ByteSpan file) { return Tiff::is_tiff(file) || is_big_tiff(file); }
inline bool is_webp(ByteSpan file) {
  return text_of(file).starts_with("RIFF") && file.size() >= 12 && text_of(file).substr(8, 4) == "WEBP";
}
// MP4 and what else is made of its boxes, Matroska and WebM, AVI, and the raw frames that pipes carry.
inline bool is_video(ByteSpan file) {
  const std::string_view text = text_of(file);
  return (text.size() >= 12 && text.substr(4, 4) == "ftyp") || text.starts_with("\x1a\x45\xdf\xa3") ||
         (text.starts_with("RIFF") && text.size() >= 12 && text.substr(8, 4) == "AVI ") ||
         text.starts_with("YUV4MPEG2");
}
inline bool is_plain_pnm(ByteSpan file) {
  const std::string_view text = text_of(file);
  return text.size() > 3 && text[0] == 'P' && text[1] >= '1' && text[1] <= '4' &&
         (text[2] == '\n' || text[2] == '\r' || text[2] == ' ' || text[2] == '\t');
}

}  // namespace detail

// In the order in which files are tried: most raw formats begin as TIFF, and AVIF may call itself what HEIC does, and all of
// boxes could be video.
inline const std::vector<ForeignImageFormat>& foreign_image_formats() {
  using namespace detail;
  static const std::vector<ForeignImageFormat> formats{
      {"AVIF", {".avif"}, is_avif, "magick IN.avif OUT.png"},
      {"HEIC", {".heic", ".heif", ".hif"}, is_heic, "magick IN.heic OUT.png"},
      {"JPEG XL", {".jxl"}, is_jpeg_xl, "djxl IN.jxl OUT.png"},
      {"JPEG 2000", {".jp2", ".j2k"}, is_jpeg_2000, "magick IN.jp2 OUT.png"},
      {"WebP", {".webp"}, is_webp, "dwebp IN.webp -o OUT.png"},  // a build without libwebp
      {"GIF", {".gif"}, is_gif, "magick 'IN.gif[0]' OUT.png"},
      {"camera RAW",
       {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2"},
       is_raw,
       "darktable-cli IN OUT.png"},
      {"TIFF", {".tif", ".tiff"}, is_any_tiff, "magick IN.tif OUT.png"},
      {"video",
       {},
       is_video,
       "ffmpeg -i IN -f yuv4mpegpipe - | nlcl-derain --video - -o - | ffmpeg -i - OUT"},
      {"PNM in text or in bits", {".pbm"}, is_plain_pnm, "magick IN.pnm OUT.png"},
  };
  return formats;
}

// nullptr: it is none of these either.
inline const ForeignImageFormat* foreign_image_format_of(ByteSpan file) {
  for (const ForeignImageFormat& format : foreign_image_formats())
    if (format.is_format_of(file)) return &format;
  return nullptr;
}

// That of files with this extension, in lower case with its point. Which of them can be read all the same is image_format.hpp's
// to say.
inline const ForeignImageFormat* foreign_image_format_of_extension(const std::string& extension) {
  for (const ForeignImageFormat& format : foreign_image_formats())
    if (std::ranges::find(format.extensions, extension) != format.extensions.end()) return &format;
  return nullptr;
}

}  // namespace nlcl
