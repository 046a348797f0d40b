// The engine as the page's worker calls it: one photograph at a time, in the memory of one WebAssembly module.
//
// Bytes go in by allocate(), and come out where the last call left them: result() is their address, result_size() their
// number. A call that returns 0 has failed, and what it left is the error, one sentence in UTF-8.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/region.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/image_format.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/io/photo.hpp"
#include "nlcl/io/pixels.hpp"
#include "nlcl/model/generator.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/pages/layer_pictures.hpp"

using namespace nlcl;

// Told by the worker's JavaScript how much of a photograph is done, 0 to 1.
extern "C" void nlcl_progress(double part);

namespace {

// 64 megapixels: decoded, derained and encoded they stay under the 4 GiB that a module can address.
constexpr Index max_pixels = Index{1} << 26;

std::optional<GeneratorPlan> plan;
std::optional<Photo> photo;
std::optional<Image> rain;
std::vector<std::byte> left;

int call(const auto& body) {
  try {
    left.clear();
    body();
    return 1;
  } catch (const std::bad_alloc&) {
    left.clear();
    append(left, "out of memory");
  } catch (const std::exception& error) {
    left.clear();
    append(left, std::string_view(error.what()));
  }
  return 0;
}

const Photo& opened() {
  require<FormatError>(photo.has_value(), "no photograph is open");
  return *photo;
}

ByteSpan span_of(const void* bytes, std::size_t size) { return {static_cast<const std::byte*>(bytes), size}; }

// The pixels of an image as bytes, in the order of BasicImage.
template <class Level>
ByteSpan bytes_of_pixels(const BasicImage<Level>& image) {
  return std::as_bytes(std::span(image.pixels));
}

// The file of `image` in the format of an extension, as ".png".
void encode(const Photo& image, const char* extension, int quality) {
  const ImageFormat* const format = image_format_of_extension(extension);
  require<FormatError>(format && format->encode, "cannot write ", extension);
  left = encode_photo(image, *format, {quality > 0 ? std::optional(quality) : std::nullopt});
}

}  // namespace

extern "C" {

void* allocate(std::size_t size) { return std::malloc(std::max<std::size_t>(size, 1)); }
void release(void* bytes) { std::free(bytes); }
const void* result() { return left.data(); }
std::size_t result_size() { return left.size(); }

// A file of weights.
int load(const void* file, std::size_t size) {
  return call([&] {
    Generator<float> generator;
    load_state(generator, parse_checkpoint(span_of(file, size)));
    plan.emplace(generator);
  });
}

// A file of a photograph. It stays open until another one is.
int open_photograph(const void* file, std::size_t size) {
  return call([&] {
    photo.reset();
    rain.reset();
    DecodeOptions options;
    options.max_pixels = max_pixels;
    photo = decode_photo(span_of(file, size), options);
    for (const std::string& warning : photo->warnings) append(left, warning + '\n');
  });
}

int width() { return photo ? static_cast<int>(photo->width()) : 0; }
int height() { return photo ? static_cast<int>(photo->height()) : 0; }

// The photograph becomes its clean layer; the rain layer is drawn as nlcl-derain --rain draws it.
int derain() {
  return call([&] {
    opened();
    require<FormatError>(plan.has_value(), "no weights are loaded");
    rain = to_8_bits(*photo);
    const auto run = [&](auto& image) {
      plan->in_strips(
          image.height, image.width, whole_image(image.height, image.width),
          [&](Index y, float* row) { read_row(image, y, row); },
          [&](Index y, const float* b) {
            std::vector<float> r(static_cast<std::size_t>(image.width * 3));
            read_row(image, y, r.data());
            for (std::size_t i = 0; i < r.size(); ++i) r[i] = rain_colour(r[i] - b[i]);
            write_row(*rain, y, r.data());
            write_row(image, y, b);
          },
          [&](Index y) { nlcl_progress(static_cast<double>(y) / static_cast<double>(image.height)); });
    };
    std::visit(run, photo->image);
  });
}

// What derain() found, and what it took off, as pixels: they can be put back after open_photograph() to encode them again.
int clean_pixels() {
  return call(
      [&] { std::visit([](const auto& image) { append(left, bytes_of_pixels(image)); }, opened().image); });
}
int rain_pixels() {
  return call([&] {
    require<FormatError>(rain.has_value(), "no rain layer is there");
    append(left, bytes_of_pixels(*rain));
  });
}
int put_clean_pixels(const void* pixels, std::size_t size) {
  return call([&] {
    opened();
    const auto put = [&]<class Level>(BasicImage<Level>& image) {
      require<ShapeError>(size == image.pixels.size() * sizeof(Level), "pixels of another photograph");
      std::memcpy(image.pixels.data(), pixels, size);
    };
    std::visit(put, photo->image);
  });
}
int put_rain_pixels(const void* pixels, std::size_t size) {
  return call([&] {
    rain = to_8_bits(opened());
    require<ShapeError>(size == rain->pixels.size(), "pixels of another photograph");
    std::memcpy(rain->pixels.data(), pixels, size);
  });
}

// Files. `extension` is ".png" or ".jpg"; without a quality, 0, a JPEG keeps its own.
int encode_clean(const char* extension, int quality) {
  return call([&] { encode(opened(), extension, quality); });
}
int encode_rain(const char* extension, int quality) {
  return call([&] {
    require<FormatError>(rain.has_value(), "no rain layer is there");
    encode({*rain, opened().metadata.colour_space()}, extension, quality);
  });
}

}  // extern "C"
