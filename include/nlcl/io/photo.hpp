// A photograph: an image as deep as its file, and what the file carries beside it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "nlcl/core/shape.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image_metadata.hpp"
#include "nlcl/io/pixels.hpp"

namespace nlcl {

struct Photo {
  std::variant<Image, DeepImage> image;
  ImageMetadata metadata{};
  std::vector<std::string> warnings{};  // what was odd about the file, though all of its pixels were there

  Index height() const {
    return std::visit([](const auto& i) { return i.height; }, image);
  }
  Index width() const {
    return std::visit([](const auto& i) { return i.width; }, image);
  }
  Index channels() const {
    return std::visit([](const auto& i) { return i.channels; }, image);
  }
  bool has_alpha() const { return channels() % 2 == 0; }
  int bits() const { return std::holds_alternative<Image>(image) ? 8 : 16; }
};

struct EncodeOptions {
  std::optional<int>
      quality;  // 1 to 100, of what loses some; without one, that of the photograph if it was a JPEG, else 95
  std::vector<std::string>* warnings = nullptr;  // gets what of the metadata the format has no room for
};

// The image in 8 bits, as image_format.hpp's decoders leave it: upright, with its alpha.
inline Image to_8_bits(const Photo& photo) {
  return std::visit([](const auto& image) { return Image(to_8_bits(image)); }, photo.image);
}

// As of an image: [1,H,W,3] in [-1, 1].
inline Tensor<float> to_tensor(const Photo& photo) {
  return std::visit([](const auto& image) { return to_tensor(image); }, photo.image);
}

namespace detail {

// An RGB image as one of the source's kind: grey if that is grey, with its alpha.
template <class Level>
BasicImage<Level> of_kind_of(const BasicImage<Level>& source, BasicImage<Level> rgb) {
  return with_alpha_of(source.channels < 3 ? to_grey(rgb) : std::move(rgb), source);
}

}  // namespace detail

// The photograph in the colours [1,H,W,3]: as deep, grey if it is grey, with its alpha and all that it carries. Throws as
// to_image(), and ShapeError for another size.
inline Photo with_colours(const Photo& photo, const Tensor<float>& rgb) {
  const auto painted = [&]<class Level>(const BasicImage<Level>& source) {
    return Photo{detail::of_kind_of(source, to_image<Level>(rgb)), photo.metadata};
  };
  return std::visit(painted, photo.image);
}

}  // namespace nlcl
