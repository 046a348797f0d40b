// WebP through libwebp, where there was one when the program was built: then NLCL_WEBP is defined, which nlcl::io sees to. The
// container, with what it carries beside the pixels, is read and written here.
#pragma once

#ifdef NLCL_WEBP

#include <webp/decode.h>
#include <webp/encode.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/exif.hpp"
#include "nlcl/io/image_metadata.hpp"
#include "nlcl/io/photo.hpp"
#include "nlcl/io/pixels.hpp"

namespace nlcl::detail {

// "RIFF", a size, "WEBP", then chunks of a name, a size, data, and a byte of padding where the size is odd.
inline std::vector<FileBlock> webp_chunks(ByteSpan file) {
  ByteReader reader(file, "webp");
  reader.skip(4);
  const auto size = reader.little<std::uint32_t>();
  require<FormatError>(size <= reader.remaining(), "webp: truncated, ", size, " bytes expected, there are ",
                       reader.remaining());
  reader.skip(4);
  std::vector<FileBlock> chunks;
  while (reader.position() + 8 <= size + 8) {
    const std::string name(text_of(reader.take(4)));
    chunks.push_back({name, reader.take(reader.little<std::uint32_t>())});
    if (chunks.back().data.size() % 2 == 1 && reader.remaining() > 0) reader.skip(1);
  }
  return chunks;
}

inline void append_webp_chunk(std::vector<std::byte>& out, std::string_view name, ByteSpan data) {
  append(out, name);
  append_little(out, static_cast<std::uint32_t>(data.size()));
  append(out, data);
  if (data.size() % 2 == 1) out.push_back(std::byte{0});
}

inline ImageMetadata webp_metadata(const std::vector<FileBlock>& chunks) {
  ImageMetadata metadata;
  for (const auto& [kind, data] : chunks) {
    const bool is_as_in_jpeg = text_of(data).starts_with(exif_prefix);
    if (kind == "ICCP") metadata.icc = copy_of(data);
    if (kind == "EXIF") metadata.exif = copy_of(is_as_in_jpeg ? data.subspan(exif_prefix.size()) : data);
    if (kind == "XMP ") metadata.xmp = copy_of(data);
  }
  drop_thumbnail(metadata.exif);
  return metadata;
}

inline Photo decode_webp(ByteSpan file, const DecodeOptions& options) {
  const std::vector<FileBlock> chunks = webp_chunks(file);
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(file.data());
  WebPBitstreamFeatures features{};
  require<FormatError>(WebPGetFeatures(bytes, file.size(), &features) == VP8_STATUS_OK,
                       "webp: a damaged header");
  require<FormatError>(
      !features.has_animation,
      "webp: an animation; `webpmux -get frame 1 IN.webp -o OUT.webp` takes its first picture");
  check_dimensions("webp", features.height, features.width, options.max_pixels);

  Image image{features.height, features.width, features.has_alpha ? 4 : 3, {}};
  const Index row = image.width * image.channels;
  image.pixels.resize(static_cast<std::size_t>(image.height * row));
  const auto* const decoded = (features.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto)(
      bytes, file.size(), image.pixels.data(), image.pixels.size(), static_cast<int>(row));
  require<FormatError>(decoded != nullptr, "webp: cannot be decoded, it is damaged or truncated");
  Photo photo{std::move(image), webp_metadata(chunks)};
  photo.metadata.is_lossless_webp = features.format == 2;
  return photo;
}

// The chunks of the file that libwebp made, with what the photograph carries.
inline std::vector<std::byte> with_webp_metadata(ByteSpan file, const Photo& photo) {
  const ImageMetadata& metadata = photo.metadata;
  enum Flag { xmp = 0x04, exif = 0x08, alpha = 0x10, icc = 0x20 };
  std::vector<std::byte> extended(4);
  extended[0] = static_cast<std::byte>((metadata.xmp.empty() ? 0 : xmp) | (metadata.exif.empty() ? 0 : exif) |
                                       (photo.has_alpha() ? alpha : 0) | (metadata.icc.empty() ? 0 : icc));
  for (const Index side : {photo.width(), photo.height()}) {
    append_little(extended, static_cast<std::uint16_t>(side - 1));
    extended.push_back(std::byte{0});
  }
  std::vector<std::byte> out(8);
  append(out, "WEBP");
  append_webp_chunk(out, "VP8X", extended);
  if (!metadata.icc.empty()) append_webp_chunk(out, "ICCP", metadata.icc);
  for (const auto& [kind, data] : webp_chunks(file))
    if (kind != "VP8X") append_webp_chunk(out, kind, data);
  if (!metadata.exif.empty()) append_webp_chunk(out, "EXIF", metadata.exif);
  if (!metadata.xmp.empty()) append_webp_chunk(out, "XMP ", metadata.xmp);

  std::vector<std::byte> head;
  append(head, "RIFF");
  append_little(head, static_cast<std::uint32_t>(out.size() - 8));
  std::ranges::copy(head, out.begin());
  return out;
}

// Without loss if the photograph was a WebP without, and no quality is asked for. Otherwise chroma has one sample for every
// second row and column, as WebP knows it.
inline std::vector<std::byte> encode_webp(const Photo& photo, const EncodeOptions& options) {
  Image image = to_8_bits(photo);
  require<FormatError>(image.height <= WEBP_MAX_DIMENSION && image.width <= WEBP_MAX_DIMENSION,
                       "webp: ", image.height, " x ", image.width, " pixels, at most ", WEBP_MAX_DIMENSION,
                       " x ", WEBP_MAX_DIMENSION, " can be encoded");
  if (image.channels < 3) image = with_alpha_of(to_rgb(image), image);
  const auto* const pixels = image.pixels.data();
  const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  const int row = width * static_cast<int>(image.channels);
  const auto quality =
      static_cast<float>(options.quality.value_or(photo.metadata.jpeg.value_or(JpegQuality()).quality));
  std::uint8_t* out = nullptr;
  std::size_t size = 0;
  if (!options.quality && photo.metadata.is_lossless_webp)
    size = (image.has_alpha() ? WebPEncodeLosslessRGBA : WebPEncodeLosslessRGB)(pixels, width, height, row,
                                                                                &out);
  else
    size = (image.has_alpha() ? WebPEncodeRGBA : WebPEncodeRGB)(pixels, width, height, row, quality, &out);
  const std::unique_ptr<std::uint8_t, decltype(&WebPFree)> owner(out, &WebPFree);
  require<MemoryError>(size > 0, "webp: ", image.height, " x ", image.width, " pixels cannot be encoded");
  return with_webp_metadata(ByteSpan(reinterpret_cast<const std::byte*>(out), size), photo);
}

}  // namespace nlcl::detail

#endif
