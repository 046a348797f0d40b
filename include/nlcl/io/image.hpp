// Image files: read and written, in the formats of image_format.hpp. A photograph keeps its depth and what its file carries
// beside the pixels; an image is the pixels alone, in 8 bits per channel.
//
// Baseline and progressive JPEG are read, with any whole-numbered chroma subsampling; CMYK comes out as RGB, unless a profile
// says what its inks look like, which is not applied here. Only complete files are read: all pixels have to be there, not
// the mark that ends the file. A progressive JPEG with that mark is complete after any of its scans.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <variant>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/foreign_image.hpp"
#include "nlcl/io/image_format.hpp"
#include "nlcl/io/photo.hpp"
#include "nlcl/io/pixels.hpp"

namespace nlcl {

// Throws FormatError for content that is of no format of the table, for a damaged or truncated file, and, before anything
// is allocated, for more pixels than the limit.
inline Photo decode_photo(ByteSpan file, DecodeOptions options = {}) {
  require<FormatError>(!file.empty(), "image: the file is empty");
  options.max_pixels = std::min(options.max_pixels, DecodeOptions().max_pixels);
  for (const ImageFormat& format : image_formats())
    if (format.is_format_of(file)) return format.decode(file, options);
  if (const ForeignImageFormat* const foreign = foreign_image_format_of(file))
    throw FormatError("image: " + foreign->name +
                      ", which is not read; this converts it: " + foreign->command);
  throw FormatError("image: neither " + image_format_names(" nor "));
}
inline Image decode_image(ByteSpan file, DecodeOptions options = {}) {
  return to_8_bits(decode_photo(file, options));
}

// Throws IoError, or FormatError with the path.
inline Image read_image(const std::filesystem::path& path, DecodeOptions options = {}) {
  return parse_file(path, [&](ByteSpan file) { return decode_image(file, options); });
}

// The file. What the format does not know is left out: alpha, and the lower half of 16 bits. Throws as the encoders.
inline std::vector<std::byte> encode_photo(const Photo& photo, const ImageFormat& format,
                                           const EncodeOptions& options = {}) {
  if (format.has_alpha || !photo.has_alpha()) return format.encode(photo, options);
  const auto opaque = [&](const auto& image) { return Photo{without_alpha(image), photo.metadata}; };
  return format.encode(std::visit(opaque, photo.image), options);
}

// Writes atomically, in the format of the extension, in any case. Throws FormatError for one that is not written,
// IoError, and as the encoders.
inline void write_image(const std::filesystem::path& path, const Image& image, int jpeg_quality = 95) {
  const ImageFormat* const format = image_format_of(path);
  require<FormatError>(format && format->encode, "cannot write ", path.string(), ": the extension is '",
                       extension_of(path), "', expected ", written_image_extensions());
  write_file_atomically(path, format->encode({image}, {jpeg_quality}));
}

}  // namespace nlcl
