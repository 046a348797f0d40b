// Pictures of what the generators of a run do at one step:
//
//     RUN/samples/step-NNNNNNNN-layers.png         a rainy image, its clean layer and its rain layer
//     RUN/samples/step-NNNNNNNN-back-matches.png   a patch of the clean layer and those that are most like it
//     RUN/samples/step-NNNNNNNN-rain-matches.png   the same in the rain layer
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>

#include "nlcl/analysis/matches_picture.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/model/objective.hpp"
#include "nlcl/ops/patch_search.hpp"
#include "nlcl/pages/layer_pictures.hpp"
#include "nlcl/pages/sheet.hpp"
#include "nlcl/train/run_directory.hpp"

namespace nlcl {

namespace detail {

inline std::filesystem::path sample_path(const RunDirectory& run, std::uint64_t step, const char* what) {
  char name[64];
  std::snprintf(name, sizeof name, "step-%08llu-%s.png", static_cast<unsigned long long>(step), what);
  return run.path() / "samples" / name;
}

}  // namespace detail

// Draws the layers of one image [1,H,W,3] in [-1, 1], and what the layer contrast matches in them: the first
// query of background and of rain. Throws ShapeError, IoError, and FormatError for values that are no numbers.
inline void write_samples(const RunDirectory& run, std::uint64_t step, const Tensor<float>& rainy,
                          const Tensor<float>& background, const Tensor<float>& rain, const Queries& queries,
                          const TermOptions& options) {
  require<ShapeError>(rainy.shape() == background.shape() && rainy.shape() == rain.shape(), "samples: rainy ",
                      rainy.shape(), ", background ", background.shape(), ", rain ", rain.shape());
  require<ShapeError>(queries.background.size() > 0 && queries.rain.size() > 0,
                      "samples: expected a query of each layer");
  const Image background_image = to_image(background), rain_image = rain_picture(rain);
  const auto matches = [&](const char* what, const Tensor<float>& layer, const Image& image,
                           const PatchCenter& query, Index count) {
    write_image(detail::sample_path(run, step, what),
                matches_picture(image, query,
                                nearest_patches(layer, patch_centers({query}), {.count = count}).values()));
  };
  matches("back-matches", background, background_image, queries.background(0), options.background_patches);
  matches("rain-matches", rain, rain_image, queries.rain(0), options.rain_patches);
  write_image(detail::sample_path(run, step, "layers"),
              sheet_of({{to_image(rainy), background_image, rain_image}}));
}

}  // namespace nlcl
