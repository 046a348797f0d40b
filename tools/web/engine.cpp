// The engine as the page's workers call it: one photograph at a time, in the memory of one WebAssembly module. Rain comes
// off in tiles: one engine holds the photograph, cuts tiles and puts them back, and any engine makes clean ones of them.
//
// Bytes go in by allocate(), and come out where the last call left them: result() is their address, result_size() their
// number. A call that returns 0 has failed, and what it left is the error, one sentence in UTF-8.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
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
#include "nlcl/model/tiles.hpp"
#include "nlcl/pages/layer_pictures.hpp"

using namespace nlcl;

namespace {

// 64 megapixels: decoded, derained and encoded they stay under the 4 GiB that a module can address.
constexpr Index max_pixels = Index{1} << 26;

// What GeneratorPlan::in_strips() does at a stretch, for tiles that go elsewhere and come back in any order. The clean
// layer takes the photograph's place; the rain layer is drawn as nlcl-derain --rain draws it.
class Tiles {
 public:
  static constexpr Index channels = Generator<float>::image_channels;

  Tiles(Photo& photo, Image& rain, Index side)
      : photo_(photo), rain_(rain), tiling_(photo.height(), photo.width(), side), blend_(tiling_, channels) {}

  Index count() const { return tiling_.size(); }
  Shape shape() const { return tiling_.shape(1, channels); }

  // The tile after the last one that was cut.
  Tensor<float> cut() {
    require<ShapeError>(cut_ < count(), "there are ", count(), " tiles");
    const Index row = cut_ / columns(), top = tiling_.rows().begin(row);
    if (cut_ % columns() == 0) {
      rows_.resize(static_cast<std::size_t>(tiling_.rows().side() * row_size()));
      for (Index r = 0; r < tiling_.rows().side(); ++r) read(top + r, rows_.data() + r * row_size());
      waiting_.push_back({Tensor<float>(tiling_.shape(columns(), channels)), columns()});
    }
    Tensor<float> tile(shape());
    tiling_.cut_one(rows_.data(), top, cut_++, channels, tile.mutable_data());
    return tile;
  }

  // Tile k of the clean layer, which has been cut. A row of tiles that is whole is blended, once those before it are.
  void put(Index k, std::span<const float> tile) {
    const Index size = shape().size(), row = k / columns() - blended_;
    require<ShapeError>(k < cut_ && row >= 0 && std::ssize(tile) == size, "tile ", k, " is not expected");
    Row& to = waiting_[static_cast<std::size_t>(row)];
    std::ranges::copy(tile, to.tiles.mutable_data() + k % columns() * size);
    --to.missing;
    for (; !waiting_.empty() && waiting_.front().missing == 0; waiting_.pop_front(), ++blended_)
      blend_.add(waiting_.front().tiles.data(), [&](Index y, const float* clean) { write(y, clean); });
  }

 private:
  struct Row {
    Tensor<float> tiles;
    Index missing;
  };

  Index columns() const { return tiling_.columns().count(); }
  Index row_size() const { return tiling_.columns().size() * channels; }

  void read(Index y, float* row) const {
    std::visit([&](const auto& image) { read_row(image, y, row); }, photo_.image);
  }
  void write(Index y, const float* clean) {
    std::vector<float> found(static_cast<std::size_t>(row_size()));
    read(y, found.data());
    std::transform(found.begin(), found.end(), clean, found.begin(),
                   [](float o, float b) { return rain_colour(o - b); });
    write_row(rain_, y, found.data());
    std::visit([&](auto& image) { write_row(image, y, clean); }, photo_.image);
  }

  Photo& photo_;
  Image& rain_;
  Tiling tiling_;
  TileBlend blend_;
  std::vector<float> rows_;      // of the photograph, for the tile that is cut next
  std::deque<Row> waiting_;      // rows of tiles that are cut and not blended
  Index cut_ = 0, blended_ = 0;  // tiles, and rows of them
};

std::optional<GeneratorPlan> plan;
std::optional<Photo> photo;
std::optional<Image> rain;
std::optional<Tiles> tiles;
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

Photo& opened() {
  require<FormatError>(photo.has_value(), "no photograph is open");
  return *photo;
}
Tiles& begun() {
  require<FormatError>(tiles.has_value(), "no photograph is being derained");
  return *tiles;
}
const GeneratorPlan& loaded() {
  require<FormatError>(plan.has_value(), "no weights are loaded");
  return *plan;
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
    tiles.reset();
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

// The photograph becomes its clean layer when all of its tiles, cut one after the other, have been put back clean.
int begin_tiles() {
  return call([&] {
    rain = to_8_bits(opened());
    const Index side = loaded().tile() > 0 ? loaded().tile() : std::max(photo->height(), photo->width());
    tiles.emplace(*photo, *rain, std::max(side, Tiling::smallest_side));
  });
}
int tile_count() { return tiles ? static_cast<int>(tiles->count()) : 0; }
int tile_height() { return tiles ? static_cast<int>(tiles->shape()[1]) : 0; }
int tile_width() { return tiles ? static_cast<int>(tiles->shape()[2]) : 0; }
int cut_tile() {
  return call([&] { append(left, std::as_bytes(begun().cut().values())); });
}
int put_tile(int k, const float* tile, std::size_t bytes) {
  return call([&] { begun().put(k, {tile, bytes / sizeof(float)}); });
}

// A tile of any photograph -> a clean one.
int derain_tile(int height, int width, const float* tile, std::size_t bytes) {
  return call([&] {
    const Tensor<float> x({1, height, width, Tiles::channels}, {tile, bytes / sizeof(float)});
    append(left, std::as_bytes(loaded()(x).values()));
  });
}

// What was found, and what was taken off, as pixels: they can be put back after open_photograph() to encode them again.
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
