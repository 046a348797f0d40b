// The decoder of PNG, JPEG, BMP and TGA, and the encoders of PNG and JPEG: pixels alone, by stb.
#pragma once

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/deflate.hpp"
#include "nlcl/io/grey_jpeg.hpp"
#include "nlcl/io/pixels.hpp"
#include "nlcl/io/stb.hpp"

namespace nlcl {

namespace detail {

// The pixels of a file that was checked, as they are stored. Throws FormatError if it is damaged all the same.
inline std::variant<Image, DeepImage> decode_by_stb(ByteSpan file, const CheckedImage& checked) {
  const ByteSpan input = checked.file.empty() ? file : ByteSpan(checked.file);
  require<FormatError>(input.size() <= std::numeric_limits<int>::max(), "image: a file of ", input.size(),
                       " bytes");

  // Enough for 4 channels of 16 bits, twice, since the inflated data of a PNG grow by doubling.
  const Index padded = (checked.height + 64) * (checked.width + 64);
  decoder_limit = 16 * static_cast<std::size_t>(padded) + 2 * input.size() + (std::size_t{1} << 20);
  const auto decode = [&]<class Level>(auto load) {
    int width = 0, height = 0, channels = 0;
    const std::unique_ptr<Level, decltype(&std::free)> pixels(
        load(reinterpret_cast<const stbi_uc*>(input.data()), static_cast<int>(input.size()), &width, &height,
             &channels, 0),
        &std::free);
    const char* reason = stbi_failure_reason();
    require<FormatError>(pixels != nullptr, "image: cannot be decoded, ",
                         reason ? reason : "for an unknown reason");
    require<FormatError>(width == checked.width && height == checked.height, "image: decoded to ", height,
                         " x ", width, " pixels, expected ", checked.height, " x ", checked.width);
    BasicImage<Level> image{height, width, channels, {}};
    image.pixels.assign(pixels.get(), pixels.get() + image.height * image.width * image.channels);
    return image;
  };
  if (checked.bits == 16) return decode.operator()<std::uint16_t>(stbi_load_16_from_memory);
  return decode.operator()<std::uint8_t>(stbi_load_from_memory);
}

inline void append_encoded(void* out, void* bytes, int size) {
  append(*static_cast<std::vector<std::byte>*>(out),
         {static_cast<const std::byte*>(bytes), static_cast<std::size_t>(size)});
}

inline void append_png_chunk(std::vector<std::byte>& out, std::string_view type, ByteSpan data) {
  append_big(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  append(out, type);
  append(out, data);
  append_big(out, crc32(ByteSpan(out).subspan(begin)));
}

// Appends a row of a PNG as the difference from what its neighbours predict: of the five filters the one that leaves the
// least, by the sum of absolute values, which is what the standard advises. `step` bytes are a pixel.
inline void append_filtered_row(std::vector<std::byte>& out, ByteSpan row, ByteSpan above, std::size_t step) {
  const auto predicted = [&](int filter, std::size_t i) {
    const int left = i >= step ? std::to_integer<int>(row[i - step]) : 0, up = std::to_integer<int>(above[i]);
    const int corner = i >= step ? std::to_integer<int>(above[i - step]) : 0;
    switch (filter) {
      case 1:
        return left;
      case 2:
        return up;
      case 3:
        return (left + up) / 2;
      case 4: {  // Paeth: the neighbour that is nearest to left + up - corner
        const int to_left = std::abs(up - corner), to_up = std::abs(left - corner);
        const int to_corner = std::abs(left + up - 2 * corner);
        return to_left <= to_up && to_left <= to_corner ? left : to_up <= to_corner ? up : corner;
      }
      default:
        return 0;
    }
  };
  const auto difference = [&](int filter, std::size_t i) {
    return static_cast<std::uint8_t>(std::to_integer<int>(row[i]) - predicted(filter, i));
  };
  int best = 0;
  std::size_t least = SIZE_MAX;
  for (int filter = 0; filter < 5; ++filter) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < row.size(); ++i)
      sum += static_cast<std::size_t>(std::abs(static_cast<std::int8_t>(difference(filter, i))));
    if (sum < least) best = filter, least = sum;
  }
  out.push_back(static_cast<std::byte>(best));
  for (std::size_t i = 0; i < row.size(); ++i) out.push_back(static_cast<std::byte>(difference(best, i)));
}

}  // namespace detail

// A PNG with the image's channels and bits. Throws ShapeError for an image that is none, FormatError beyond 1 GiB of
// pixels.
template <class Level = std::uint8_t>
std::vector<std::byte> encode_png(const BasicImage<Level>& image) {
  detail::check_image(image);
  const auto step = static_cast<std::size_t>(image.channels) * sizeof(Level);
  const auto row_size = static_cast<std::size_t>(image.width) * step;
  const std::size_t size = (row_size + 1) * static_cast<std::size_t>(image.height);
  require<FormatError>(size <= std::size_t{1} << 30, "png: ", size,
                       " bytes of pixels are too many to encode");

  std::vector<std::byte> filtered, above(row_size), row;
  filtered.reserve(size);
  for (auto from = image.pixels.begin(); from != image.pixels.end();) {
    row.clear();
    for (; row.size() < row_size; ++from) append_big(row, *from);
    detail::append_filtered_row(filtered, row, above, step);
    row.swap(above);
  }

  std::vector<std::byte> header;
  append_big(header, static_cast<std::uint32_t>(image.width));
  append_big(header, static_cast<std::uint32_t>(image.height));
  header.push_back(static_cast<std::byte>(CHAR_BIT * sizeof(Level)));
  header.push_back(std::array<std::byte, 4>{std::byte{0}, std::byte{4}, std::byte{2},
                                            std::byte{6}}[static_cast<std::size_t>(image.channels) - 1]);
  header.resize(13);  // the only ways to compress and to filter, rows in order
  std::vector<std::byte> out;
  append(out, "\x89PNG\r\n\x1a\n");
  detail::append_png_chunk(out, "IHDR", header);
  detail::append_png_chunk(out, "IDAT", detail::deflated(filtered));
  detail::append_png_chunk(out, "IEND", {});
  return out;
}

// A baseline JPEG, of one component if the image is grey. `quality` from 1 to 100; above 90 chroma is not subsampled. Throws
// ShapeError for an image that is none, FormatError for an alpha channel, which JPEG does not have, and for
// sides above 65535.
inline std::vector<std::byte> encode_jpeg(const Image& image, int quality = 95) {
  detail::check_image(image);
  require<FormatError>(quality >= 1 && quality <= 100, "jpeg: quality ", quality, ", expected 1 to 100");
  require<FormatError>(!image.has_alpha(), "jpeg: has no alpha channel, write a PNG or take without_alpha()");
  require<FormatError>(
      image.height <= 65535 && image.width <= 65535 && image.pixels.size() <= std::size_t{1} << 30,
      "jpeg: ", image.height, " x ", image.width, " pixels are too many to encode");
  const auto encode = [&](const Image& pixels) {
    std::vector<std::byte> out;
    stbi_write_jpg_to_func(detail::append_encoded, &out, static_cast<int>(pixels.width),
                           static_cast<int>(pixels.height), static_cast<int>(pixels.channels),
                           pixels.pixels.data(), quality);
    return out;
  };
  if (image.channels == 3) return encode(image);
  const detail::GreyBlocks blocks(image, quality > 90 ? 1 : 2);
  return blocks.jpeg(encode(blocks.pixels()));
}

}  // namespace nlcl
