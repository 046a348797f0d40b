// Rain that was found in photographs, to be laid over others: a memory of streaks.
//
// O is a rainy image and B what a generator made of it. Between them lies the rain as it really looks, more faithful than any that
// is drawn, and a little of the scene, which is faint. Of each pair one grey layer is kept,
//
//     S = max(grey(O - B) - threshold, 0)
//
// and a crop of any layer, as it is or mirrored and at any of some strengths, is rain for any clean image:
//
//     P = min(clean + gain S, 1)
//
// The recomposition (see model/terms.hpp) does the same in every step with the B of now, for the price of two passes more. Here B
// is from before the training.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/random.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/dataset.hpp"
#include "nlcl/io/image.hpp"

namespace nlcl {

namespace detail {

// Position i >= 0 of a line of n that goes on beyond its end as if mirrored, without repeating the border:
// 0 1 2 1 0 1 2 for n = 3.
inline Index mirrored(Index i, Index n) {
  const Index period = std::max<Index>(2 * (n - 1), 1);
  return std::min(i % period, period - i % period);
}

// Where a crop can begin on a side of an image.
inline std::uint32_t crop_places(Index side, Index crop) {
  return static_cast<std::uint32_t>(std::max<Index>(side - crop, 0) + 1);
}

}  // namespace detail

class FoundRain {
 public:
  static constexpr int threshold = 3;                       // levels of 255: weaker is texture
  static constexpr double least_gain = 1, most_gain = 1.6;  // what was found is seldom all that there was

  // Of the images that are in both folders, by their names without the extension. Throws FormatError if there are none, or
  // two of one name that differ in size.
  FoundRain(const ImageFolder& rainy, const ImageFolder& derained) {
    std::map<std::string, Index> partners;
    for (Index i = 0; i < derained.size(); ++i) partners[stem(derained.files()[at(i)].name)] = i;
    std::vector<std::pair<Index, Index>> pairs;
    for (Index i = 0; i < rainy.size(); ++i)
      if (const auto partner = partners.find(stem(rainy.files()[at(i)].name)); partner != partners.end())
        pairs.emplace_back(i, partner->second);
    require<FormatError>(!pairs.empty(), derained.root().string(), ": no image has the name of one in ",
                         rainy.root().string());
    layers_.resize(pairs.size());
    parallel_for(std::ssize(pairs), [&](Index i) {
      const auto [with, without] = pairs[at(i)];
      const ImageFolder::File& file = derained.files()[at(without)];
      const std::shared_ptr<const Image> o = rainy.image(with), b = derained.image(without);
      require<FormatError>(o->height == b->height && o->width == b->width,
                           (derained.root() / path_of(file.name)).string(), ": ", b->height, " x ", b->width,
                           " pixels, the rainy image has ", o->height, " x ", o->width);
      layers_[at(i)] = layer(*o, *b);
    });
  }

  Index size() const { return std::ssize(layers_); }

  // Lays rain over an image [crop,crop,3] in [-1,1]. A layer that is smaller is mirrored to the right and downwards.
  void lay_over(float* image, Index crop, Random& random) const {
    const Layer& found = layers_[random.below(static_cast<std::uint32_t>(layers_.size()))];
    const Index top = random.below(detail::crop_places(found.height, crop)),
                left = random.below(detail::crop_places(found.width, crop));
    const bool is_turned = random.uniform() < 0.5;
    const double gain = least_gain * std::pow(most_gain / least_gain, random.uniform());
    const auto scale = static_cast<float>(2 * gain / 255);  // from black to white it is 2
    for (Index y = 0; y < crop; ++y) {
      const Index row = detail::mirrored(top + y, found.height) * found.width;
      for (Index x = 0; x < crop; ++x) {
        const Index column = detail::mirrored(left + (is_turned ? crop - 1 - x : x), found.width);
        const float rain = scale * static_cast<float>(found.levels[at(row + column)]);
        for (int c = 0; c < 3; ++c, ++image) *image = std::min(*image + rain, 1.0f);
      }
    }
  }

 private:
  struct Layer {
    Index height = 0, width = 0;
    std::vector<std::uint8_t> levels{};
  };

  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  static std::string stem(std::string_view name) { return std::string(name.substr(0, name.rfind('.'))); }

  // The mean of the channels, in levels.
  static int grey(const Image& image, Index pixel) {
    const std::uint8_t* const here = image.pixels.data() + pixel * image.channels;
    return image.channels == 3 ? here[0] + here[1] + here[2] : 3 * here[0];
  }

  static Layer layer(const Image& o, const Image& b) {
    Layer result{o.height, o.width};
    result.levels.reserve(at(o.height * o.width));
    for (Index i = 0; i < o.height * o.width; ++i)
      result.levels.push_back(
          static_cast<std::uint8_t>(std::max((grey(o, i) - grey(b, i) + 1) / 3 - threshold, 0)));
    return result;
  }

  std::vector<Layer> layers_;
};

}  // namespace nlcl
