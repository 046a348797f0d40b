// Images: PNG, JPEG, BMP and TGA files of 8 bits per channel, and the tensors in [-1, 1] that the model works
// on.
//
// stb_image decodes and encodes. A translation unit that includes this header must not include stb_image
// itself. Pixels are taken as they are stored: no colour profile, no gamma. 16 bits per channel are reduced
// to the upper 8. Baseline and progressive JPEG are read, with any whole-numbered chroma subsampling; CMYK
// comes out as RGB. Only complete files are read; a progressive JPEG is complete after any of its scans.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/image_check.hpp"
#include "nlcl/io/jpeg_check.hpp"

namespace nlcl::detail {

// The decoder's memory: bounded, so that a small file cannot ask for all there is, and zero, so that a pixel
// which a file leaves out is black and not what lay there before.
inline thread_local std::size_t decoder_limit = 0;  // bytes per allocation

inline void* decoder_allocate(std::size_t size) {
  return size <= decoder_limit ? std::calloc(std::max<std::size_t>(size, 1), 1) : nullptr;
}
inline void* decoder_reallocate(void* block, std::size_t old_size, std::size_t size) {
  void* larger = decoder_allocate(size);
  if (larger && block) std::memcpy(larger, block, std::min(old_size, size));
  if (larger) std::free(block);
  return larger;
}

}  // namespace nlcl::detail

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_ASSERT(x) ((void)0)  // a damaged file is an error, not the end of the program
#define STBI_MALLOC(size) nlcl::detail::decoder_allocate(size)
#define STBI_REALLOC_SIZED(block, old_size, size) nlcl::detail::decoder_reallocate(block, old_size, size)
#define STBI_FREE(block) std::free(block)
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace nlcl {

// Rows from the top, channels interleaved: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
struct Image {
  Index height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  // height * width * channels

  bool has_alpha() const { return channels == 2 || channels == 4; }
};

struct ImageLimits {
  Index max_pixels = Index{1} << 28;  // 16384 x 16384; a larger value than this one has no effect
};

namespace detail {

inline void check_image(const Image& image) {
  require<ShapeError>(
      image.height > 0 && image.width > 0 && image.channels >= 1 && image.channels <= 4 &&
          image.pixels.size() == static_cast<std::size_t>(image.height * image.width * image.channels),
      "image: ", image.pixels.size(), " values for ", image.height, " x ", image.width, " pixels of ",
      image.channels, " channels");
}

// Turns pixels upright. `orientation` as EXIF counts it: 2 to 4 mirror or turn by 180 degrees, 5 to 8 also
// swap rows and columns.
inline Image upright(Image image, int orientation) {
  if (orientation <= 1) return image;
  const bool is_transposed = orientation >= 5;
  const bool is_bottom_up = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool is_right_to_left = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  Image result{is_transposed ? image.width : image.height, is_transposed ? image.height : image.width,
               image.channels, std::vector<std::uint8_t>(image.pixels.size())};
  auto* out = result.pixels.data();
  for (Index y = 0; y < result.height; ++y)
    for (Index x = 0; x < result.width; ++x) {
      const Index up = is_bottom_up ? result.height - 1 - y : y;
      const Index left = is_right_to_left ? result.width - 1 - x : x;
      const Index from = is_transposed ? left * image.width + up : up * image.width + left;
      out = std::copy_n(image.pixels.data() + from * image.channels, image.channels, out);
    }
  return result;
}

}  // namespace detail

// The pixels of a PNG, JPEG, BMP or TGA file, upright. Throws FormatError for any other content, for a
// damaged or truncated file, and, before anything is allocated, for more pixels than the limit.
inline Image decode_image(ByteSpan file, ImageLimits limits = {}) {
  const Index max_pixels = std::min(limits.max_pixels, ImageLimits{}.max_pixels);
  detail::CheckedImage checked;
  int orientation = 1;
  const std::string_view head = text_of(file);
  if (head.starts_with("\x89PNG\r\n\x1a\n")) {
    checked = detail::check_png(file, max_pixels);
  } else if (head.starts_with("\xff\xd8")) {
    const detail::JpegInfo info = detail::JpegCheck(file, max_pixels).run();
    checked = {info.height, info.width};
    orientation = info.orientation;
  } else if (head.starts_with("BM")) {
    checked = detail::check_bmp(file, max_pixels);
  } else {
    checked = detail::check_tga(file, max_pixels);
  }
  const ByteSpan input = checked.file.empty() ? file : ByteSpan(checked.file);
  require<FormatError>(input.size() <= INT_MAX, "image: a file of ", input.size(), " bytes");

  // Enough for 4 channels of 16 bits, twice, since the inflated data of a PNG grow by doubling.
  const Index padded = (checked.height + 64) * (checked.width + 64);
  detail::decoder_limit = 16 * static_cast<std::size_t>(padded) + 2 * input.size() + (std::size_t{1} << 20);
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&std::free)> pixels(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(input.data()), static_cast<int>(input.size()),
                            &width, &height, &channels, 0),
      &std::free);
  const char* reason = stbi_failure_reason();
  require<FormatError>(pixels != nullptr, "image: cannot be decoded, ",
                       reason ? reason : "for an unknown reason");
  require<FormatError>(width == checked.width && height == checked.height, "image: decoded to ", height,
                       " x ", width, " pixels, expected ", checked.height, " x ", checked.width);
  Image image{height, width, channels, {}};
  image.pixels.assign(pixels.get(), pixels.get() + image.height * image.width * image.channels);
  return detail::upright(std::move(image), orientation);
}

// Throws IoError, or FormatError with the path.
inline Image read_image(const std::filesystem::path& path, ImageLimits limits = {}) {
  return parse_file(path, [&](ByteSpan file) { return decode_image(file, limits); });
}

namespace detail {

inline void append_encoded(void* out, void* bytes, int size) {
  append(*static_cast<std::vector<std::byte>*>(out),
         {static_cast<const std::byte*>(bytes), static_cast<std::size_t>(size)});
}

}  // namespace detail

// A PNG with the image's channels. Throws ShapeError for an image that is none, FormatError beyond 512 MiB of
// pixels.
inline std::vector<std::byte> encode_png(const Image& image) {
  detail::check_image(image);
  require<FormatError>(image.pixels.size() + static_cast<std::size_t>(image.height) <= std::size_t{1} << 29,
                       "png: ", image.pixels.size(), " bytes of pixels are too many to encode");
  std::vector<std::byte> out;
  const int ok = stbi_write_png_to_func(detail::append_encoded, &out, static_cast<int>(image.width),
                                        static_cast<int>(image.height), static_cast<int>(image.channels),
                                        image.pixels.data(), 0);
  require<MemoryError>(ok != 0, "png: no memory to encode ", image.pixels.size(), " bytes of pixels");
  return out;
}

// A baseline JPEG, grey as RGB too. `quality` from 1 to 100; above 90 chroma is not subsampled. Throws
// ShapeError for an image that is none, FormatError for an alpha channel, which JPEG does not have, and for
// sides above 65535.
inline std::vector<std::byte> encode_jpeg(const Image& image, int quality = 95) {
  detail::check_image(image);
  require<FormatError>(quality >= 1 && quality <= 100, "jpeg: quality ", quality, ", expected 1 to 100");
  require<FormatError>(!image.has_alpha(), "jpeg: has no alpha channel, write a PNG or take without_alpha()");
  require<FormatError>(
      image.height <= 65535 && image.width <= 65535 && image.pixels.size() <= std::size_t{1} << 30,
      "jpeg: ", image.height, " x ", image.width, " pixels are too many to encode");
  std::vector<std::byte> out;
  stbi_write_jpg_to_func(detail::append_encoded, &out, static_cast<int>(image.width),
                         static_cast<int>(image.height), static_cast<int>(image.channels),
                         image.pixels.data(), quality);
  return out;
}

// Writes atomically, in the format of the extension: .png, .jpg or .jpeg, in any case. Throws FormatError for
// another, IoError, and as the encoders.
inline void write_image(const std::filesystem::path& path, const Image& image, int jpeg_quality = 95) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  if (extension == ".png") return write_file_atomically(path, encode_png(image));
  require<FormatError>(extension == ".jpg" || extension == ".jpeg", "cannot write ", path.string(),
                       ": the extension is '", extension, "', expected .png, .jpg or .jpeg");
  write_file_atomically(path, encode_jpeg(image, jpeg_quality));
}

// The colours as [1,H,W,3], p / 255 * 2 - 1. Grey is repeated, alpha left out.
inline Tensor<float> to_tensor(const Image& image) {
  detail::check_image(image);
  Tensor<float> rgb({1, image.height, image.width, 3});
  float* out = rgb.mutable_data();
  const bool is_grey = image.channels < 3;
  for (std::size_t at = 0; at < image.pixels.size(); at += static_cast<std::size_t>(image.channels))
    for (std::size_t c = 0; c < 3; ++c)
      *out++ = static_cast<float>(image.pixels[is_grey ? at : at + c]) / 255.0f * 2.0f - 1.0f;
  return rgb;
}

// The RGB image of [1,H,W,3]: values clamped to [-1, 1], (x + 1) / 2 * 255 to the nearest integer. Throws
// ShapeError for another shape, FormatError for a value that is no number.
inline Image to_image(const Tensor<float>& rgb) {
  const Shape& shape = rgb.shape();
  require<ShapeError>(shape.rank() == 4 && shape[0] == 1 && shape[3] == 3 && shape.size() > 0,
                      "to_image: expects [1,H,W,3], the shape is ", shape);
  Image image{shape[1], shape[2], 3, {}};
  image.pixels.reserve(static_cast<std::size_t>(rgb.size()));
  for (const float x : rgb.values()) {
    require<FormatError>(!std::isnan(x), "to_image: value ", image.pixels.size(), " of ", shape,
                         " is not a number");
    image.pixels.push_back(
        static_cast<std::uint8_t>(std::lrint((std::clamp(x, -1.0f, 1.0f) + 1.0f) * 127.5f)));
  }
  return image;
}

// A rain layer [1,H,W,3] as a picture, four times as bright as it is: black where nothing was added to the image,
// white where 64 of 255 levels or more were. Rain is in units of the network's range and rarely exceeds 0.5.
inline Image rain_picture(const Tensor<float>& rain) {
  Tensor<float> drawn(rain.shape());
  std::transform(rain.data(), rain.data() + rain.size(), drawn.mutable_data(),
                 [](float r) { return 4 * r - 1; });
  return to_image(drawn);
}

// The colours alone: 1 or 3 channels.
inline Image without_alpha(const Image& image) {
  detail::check_image(image);
  if (!image.has_alpha()) return image;
  const auto colours = static_cast<std::size_t>(image.channels - 1);
  Image result{image.height, image.width, image.channels - 1, {}};
  for (std::size_t at = 0; at < image.pixels.size(); at += colours + 1)
    result.pixels.insert(result.pixels.end(), &image.pixels[at], &image.pixels[at] + colours);
  return result;
}

// The colours of `image` with the alpha of `source`; without one if `source` has none. Throws ShapeError when
// the sizes differ.
inline Image with_alpha_of(const Image& image, const Image& source) {
  detail::check_image(source);
  Image colour = without_alpha(image);
  require<ShapeError>(colour.height == source.height && colour.width == source.width,
                      "with_alpha_of: ", colour.height, " x ", colour.width, " pixels, the source has ",
                      source.height, " x ", source.width);
  if (!source.has_alpha()) return colour;
  Image result{colour.height, colour.width, colour.channels + 1, {}};
  result.pixels.reserve(static_cast<std::size_t>(result.height * result.width * result.channels));
  const auto colours = static_cast<std::size_t>(colour.channels),
             step = static_cast<std::size_t>(source.channels);
  for (std::size_t i = 0; i * step < source.pixels.size(); ++i) {
    const std::uint8_t* from = &colour.pixels[i * colours];
    result.pixels.insert(result.pixels.end(), from, from + colours);
    result.pixels.push_back(source.pixels[i * step + step - 1]);
  }
  return result;
}

// One channel, or two with alpha: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), to the nearest integer.
inline Image to_grey(const Image& image) {
  detail::check_image(image);
  if (image.channels < 3) return image;
  Image result{image.height, image.width, image.channels - 2, {}};
  for (std::size_t at = 0; at < image.pixels.size(); at += static_cast<std::size_t>(image.channels)) {
    const std::uint8_t* p = &image.pixels[at];
    result.pixels.push_back(static_cast<std::uint8_t>((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000));
    if (image.channels == 4) result.pixels.push_back(p[3]);
  }
  return result;
}

}  // namespace nlcl
