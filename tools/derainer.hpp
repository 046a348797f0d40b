// Takes the rain off pictures, which are never tensors as a whole: the result takes a picture's place strip by strip.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "generator.hpp"
#include "nlcl/core/region.hpp"
#include "nlcl/io/pixels.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/pages/layer_pictures.hpp"
#include "weights.hpp"

namespace tools {

class Derainer {
 public:
  struct Settings {
    std::filesystem::path weights, rain_weights;  // the last are empty: the rain is what was found
    std::string key;                              // of the weights, where there are several
    float strength = 1;                           // how much of what was found is taken off
    std::optional<nlcl::Region> region;           // none: all of a picture
    std::size_t memory = 0;                       // bytes that a picture may take; 0: all that can be had
  };

  Derainer(const Settings& settings, nlcl::Device device)
      : settings_(settings),
        clean_(read_plan(settings.weights, settings.key, device, read_weights)),
        memory_(device, settings.memory) {
    if (!settings.rain_weights.empty())
      rain_ = read_plan(settings.rain_weights, settings.key, device, read_weights);
  }

  // Bytes that the last picture took, in all.
  std::size_t peak() const { return held_ + memory_.peak(); }

  // The picture, of any depth, becomes its clean layer and `rain`, a copy of it, its rain if that is wanted; of both only the pixels of the
  // region mean anything. `after` is told how much is done, 0 to 1. `others`: bytes of what else is held until all is
  // encoded. Throws nlcl::MemoryError, ShapeError for a region that is not in the picture, FormatError for a result that is
  // no number.
  template <class Picture>
  void operator()(Picture& picture, nlcl::Image* rain, std::size_t others, const auto& after) {
    const std::size_t bytes = picture.pixels.size() * sizeof(picture.pixels[0]);
    held_ = bytes + (rain ? rain->pixels.size() : 0) + others;
    const std::size_t to_encode = 3 * std::max(bytes, others);  // filtered, compressed, and as a file
    memory_.prepare(picture.height, picture.width,
                    held_ + std::max(clean_.memory_in_strips(picture.height, picture.width), to_encode));

    const double passes = rain && rain_ ? 2 : 1;
    if (rain && rain_)
      run(
          *rain_, picture, [&](Index y, const float* r) { draw_rain(*rain, y, r); },
          [&](double part) { after(part / passes); });
    run(
        clean_, picture,
        [&](Index y, const float* b) {
          if (settings_.strength == 1 && (!rain || rain_)) return nlcl::write_row(picture, y, b);
          std::vector<float> o(static_cast<std::size_t>(picture.width * 3)), r(o.size());
          nlcl::read_row(picture, y, o.data());
          for (std::size_t i = 0; i < o.size(); ++i) r[i] = o[i] - b[i];
          if (rain && !rain_) draw_rain(*rain, y, r.data());
          if (settings_.strength == 1) return nlcl::write_row(picture, y, b);
          for (std::size_t i = 0; i < o.size(); ++i) o[i] -= settings_.strength * r[i];
          nlcl::write_row(picture, y, o.data());
        },
        [&](double part) { after(1 + (part - 1) / passes); });
  }

 private:
  using Index = nlcl::Index;

  template <class Picture, class Write, class After>
  void run(const nlcl::GeneratorPlan& plan, const Picture& picture, const Write& write, const After& after) {
    const nlcl::Region region = settings_.region.value_or(nlcl::whole_image(picture.height, picture.width));
    plan.in_strips(
        picture.height, picture.width, region, [&](Index y, float* row) { nlcl::read_row(picture, y, row); },
        write,
        [&](Index y) { after(static_cast<double>(y - region.top) / static_cast<double>(region.height)); });
  }

  static void draw_rain(nlcl::Image& rain, Index y, const float* r) {
    std::vector<float> colours(static_cast<std::size_t>(rain.width * 3));
    std::transform(r, r + colours.size(), colours.begin(), nlcl::rain_colour);
    nlcl::write_row(rain, y, colours.data());
  }

  Settings settings_;
  nlcl::GeneratorPlan clean_;
  std::optional<nlcl::GeneratorPlan> rain_;
  PlanMemory memory_;
  std::size_t held_ = 0;
};

}  // namespace tools
