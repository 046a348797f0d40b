// The formats of image files: one table. Whatever reads, writes, looks for or names image files loops over it.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/printable.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/foreign_image.hpp"
#include "nlcl/io/image_check.hpp"
#include "nlcl/io/image_codec.hpp"
#include "nlcl/io/image_metadata.hpp"
#include "nlcl/io/jpeg_check.hpp"
#include "nlcl/io/jpeg_metadata.hpp"
#include "nlcl/io/photo.hpp"
#include "nlcl/io/pixels.hpp"
#include "nlcl/io/png_metadata.hpp"
#include "nlcl/io/pnm.hpp"
#include "nlcl/io/webp.hpp"

namespace nlcl {

struct ImageFormat {
  std::string name;
  std::vector<std::string> extensions;  // in lower case; files are written under the first
  bool (*is_format_of)(ByteSpan file);  // by its first bytes
  Photo (*decode)(ByteSpan file, const DecodeOptions& options);
  std::vector<std::byte> (*encode)(const Photo& photo,
                                   const EncodeOptions& options);  // nullptr: it is read only
  bool has_alpha;                                                  // whether the format knows it
};

namespace detail {

inline std::string lowercase(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

inline bool is_png(ByteSpan file) { return text_of(file).starts_with("\x89PNG\r\n\x1a\n"); }
inline bool is_jpeg(ByteSpan file) { return text_of(file).starts_with("\xff\xd8"); }
inline bool is_ppm(ByteSpan file) {
  return text_of(file).starts_with("P5") || text_of(file).starts_with("P6");
}
inline bool is_pam(ByteSpan file) { return text_of(file).starts_with("P7\n"); }
inline bool is_bmp(ByteSpan file) { return text_of(file).starts_with("BM"); }

inline Photo decode_png(ByteSpan file, const DecodeOptions& options) {
  CheckedImage checked = check_png(file, options);
  Photo photo{decode_by_stb(file, checked), {}, std::move(checked.warnings)};
  photo.metadata = png_metadata(checked.blocks, photo.warnings);
  return photo;
}

// Upright, as its EXIF data say how the camera was held.
inline Photo decode_jpeg(ByteSpan file, const DecodeOptions& options) {
  CheckedImage checked = check_jpeg(file, options);
  ImageMetadata metadata = jpeg_metadata(checked.blocks, checked.warnings);
  if (checked.is_cmyk) {
    require<FormatError>(
        metadata.icc.empty(),
        "jpeg: CMYK, whose colour profile is not applied here; this converts it: magick IN.jpg "
        "-profile sRGB.icc OUT.png");
    checked.warnings.emplace_back("jpeg: CMYK without a colour profile, its inks are taken to be perfect");
  }
  Photo photo{decode_by_stb(file, checked), std::move(metadata), std::move(checked.warnings)};
  if (const int orientation = exif_orientation(photo.metadata.exif); orientation > 1) {
    photo.image = turned_upright(std::get<Image>(std::move(photo.image)), orientation);
    set_upright(photo.metadata);
  }
  return photo;
}

template <CheckedImage check(ByteSpan, const DecodeOptions&)>
Photo decode_pixels(ByteSpan file, const DecodeOptions& options) {
  return {decode_by_stb(file, check(file, options))};
}

inline std::vector<std::byte> encode_png_photo(const Photo& photo, const EncodeOptions&) {
  const auto png = std::visit([](const auto& image) { return encode_png(image); }, photo.image);
  return with_png_metadata(png, photo.metadata);
}

// encode_jpeg() samples chroma for every second row and column up to a quality of 90, which is then too little for a
// photograph that had more.
inline std::vector<std::byte> encode_jpeg_photo(const Photo& photo, const EncodeOptions& options) {
  const JpegQuality written = photo.metadata.jpeg.value_or(JpegQuality());
  const int quality = options.quality.value_or(std::max(written.quality, written.has_fine_chroma ? 91 : 1));
  return with_jpeg_metadata(encode_jpeg(to_8_bits(photo), quality), photo.metadata, options.warnings);
}

}  // namespace detail

// In the order in which files are tried: TGA has no signature and comes last.
inline const std::vector<ImageFormat>& image_formats() {
  using namespace detail;
  static const std::vector<ImageFormat> formats{
      {"PNG", {".png"}, is_png, decode_png, encode_png_photo, true},
      {"JPEG", {".jpg", ".jpeg"}, is_jpeg, decode_jpeg, encode_jpeg_photo, false},
#ifdef NLCL_WEBP
      {"WebP", {".webp"}, is_webp, decode_webp, encode_webp, true},
#endif
      {"PPM", {".ppm", ".pgm", ".pnm"}, is_ppm, decode_pnm, encode_ppm, false},
      {"PAM", {".pam"}, is_pam, decode_pnm, encode_pam, true},
      {"BMP", {".bmp"}, is_bmp, decode_pixels<check_bmp>, nullptr, true},
      {"TGA", {".tga"}, is_tga, decode_pixels<check_tga>, nullptr, true},
  };
  return formats;
}

// The extension with its point, in lower case.
inline std::string extension_of(const std::filesystem::path& path) {
  return detail::lowercase(path.extension().string());
}

// The format of files with this extension, in lower case with its point; nullptr if that is no image's.
inline const ImageFormat* image_format_of_extension(const std::string& extension) {
  for (const ImageFormat& format : image_formats())
    if (std::ranges::find(format.extensions, extension) != format.extensions.end()) return &format;
  return nullptr;
}
inline const ImageFormat* image_format_of(const std::filesystem::path& path) {
  return image_format_of_extension(extension_of(path));
}

// ---- As messages name them: "a, b or c" ----

inline std::string image_format_names(const std::string& last_separator) {
  std::vector<std::string> names;
  names.reserve(image_formats().size());
  for (const ImageFormat& format : image_formats()) names.push_back(format.name);
  return listed(names, last_separator);
}

inline std::string image_extensions(const std::string& last_separator = ", ") {
  std::vector<std::string> extensions;
  for (const ImageFormat& format : image_formats())
    extensions.insert(extensions.end(), format.extensions.begin(), format.extensions.end());
  return listed(extensions, last_separator);
}

// Of the formats that can be written.
inline std::string written_image_extensions() {
  std::vector<std::string> extensions;
  for (const ImageFormat& format : image_formats())
    if (format.encode)
      extensions.insert(extensions.end(), format.extensions.begin(), format.extensions.end());
  return listed(extensions, " or ");
}

}  // namespace nlcl
