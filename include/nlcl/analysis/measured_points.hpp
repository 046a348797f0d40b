// What is measured of a patch: its pixels, its principal part, or the features that a network has of it.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "nlcl/analysis/patch_dimension.hpp"
#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/gaussian.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/model/discriminator.hpp"
#include "nlcl/model/generator.hpp"

namespace nlcl {

// Written as `pixels`, or as the name of its kind and a number, as in `smooth:1`.
struct MeasuredPoints {
  enum Kind {
    pixels,
    smooth,         // after a Gaussian of `value` pixels over the layer
    pca,            // the principal components that hold the share `value` of a group's variance
    generator,      // `back:T`, features of its layer `value`
    discriminator,  // `disc:T`, features of its tap `value`
  } kind = pixels;
  double value = 0;
  std::string name = "pixels";

  int tap() const { return static_cast<int>(value); }
  bool is_feature() const { return kind == generator || kind == discriminator; }
};

namespace detail {

struct PointsForm {
  const char* prefix;
  MeasuredPoints::Kind kind;
  double least, most;
};
inline constexpr std::array<PointsForm, 4> points_forms{
    {{"smooth:", MeasuredPoints::smooth, 0.1, 20},
     {"pca:", MeasuredPoints::pca, 0.01, 1},
     {"back:", MeasuredPoints::generator, 0, Generator<float>::layers - 2},
     {"disc:", MeasuredPoints::discriminator, 0, Discriminator<float>::taps - 1}}};

}  // namespace detail

// Nothing for a name that means none.
inline std::optional<MeasuredPoints> parse_points(const std::string& name) {
  if (name == "pixels") return MeasuredPoints();
  for (const detail::PointsForm& form : detail::points_forms) {
    if (!name.starts_with(form.prefix)) continue;
    MeasuredPoints points{form.kind, 0, name};
    const char *const begin = name.data() + std::string(form.prefix).size(), *const end =
                                                                                 name.data() + name.size();
    const auto [rest, error] = std::from_chars(begin, end, points.value);
    const bool is_whole =
        !points.is_feature() || std::all_of(begin, end, [](char c) { return c >= '0' && c <= '9'; });
    if (error == std::errc() && rest == end && is_whole && points.value >= form.least &&
        points.value <= form.most)
      return points;
  }
  return std::nullopt;
}

// All that parse_points knows, in words.
inline std::string points_in_words() {
  std::string words = "pixels";
  for (const detail::PointsForm& form : detail::points_forms)
    words += text(&form == &detail::points_forms.back() ? ", or " : ", ", form.prefix, form.least, " to ",
                  form.prefix, form.most);
  return words;
}

// The features of one layer's image after the other, as many as the points ask for.
class LayerFeatures {
 public:
  // A network that no points ask for may be left out. Throws ShapeError if one is missing.
  LayerFeatures(const std::vector<MeasuredPoints>& all, std::optional<Generator<float>> generator,
                std::optional<Discriminator<float>> discriminator)
      : generator_(std::move(generator)), discriminator_(std::move(discriminator)) {
    for (const MeasuredPoints& points : all) {
      if (points.kind == MeasuredPoints::generator) taps_.push_back(points.tap());
      require<ShapeError>((points.kind != MeasuredPoints::generator || generator_) &&
                              (points.kind != MeasuredPoints::discriminator || discriminator_),
                          points.name, " needs a network");
    }
    std::ranges::sort(taps_);
    taps_.erase(std::unique(taps_.begin(), taps_.end()), taps_.end());
  }

  // layer [1,H,W,3]
  void look_at(const Tensor<float>& layer) {
    const NoGrad no_grad;
    if (!taps_.empty()) of_generator_ = generator_->encode(layer, taps_);
    if (discriminator_) of_discriminator_ = discriminator_->features(layer);
  }

  // Of the layer that was looked at last, [1,h,w,C]. `points` are features, among those of the constructor.
  const Tensor<float>& operator()(const MeasuredPoints& points) const {
    if (points.kind == MeasuredPoints::discriminator)
      return of_discriminator_[static_cast<std::size_t>(points.tap())];
    return of_generator_[static_cast<std::size_t>(std::ranges::find(taps_, points.tap()) - taps_.begin())];
  }

 private:
  std::vector<int> taps_;
  std::optional<Generator<float>> generator_;
  std::optional<Discriminator<float>> discriminator_;
  std::vector<Tensor<float>> of_generator_, of_discriminator_;
};

}  // namespace nlcl
