// Where the background and the rain come from, as folders, generators and differences.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common.hpp"
#include "generator.hpp"
#include "images.hpp"
#include "nlcl/analysis/compactness.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/pages/layer_pictures.hpp"
#include "pairs.hpp"

namespace tools {

// What is not given is empty. The background is a folder, or what a generator makes of the input; the rain is a folder, what
// another generator makes of the input, or what is left of the input without its local mean or without the background.
struct LayerSources {
  fs::path background, rain, input, weights, rain_weights;
  std::string key;  // of both weights, where their files hold several networks
  bool local_mean = false;
};

// Both layers, image by image.
class Layers {
 public:
  // Throws UsageError for sources that are none.
  Layers(const LayerSources& o, nlcl::Device device) : o_(o), device_(device), memory_(device) {
    nlcl::require<UsageError>(o.background.empty() != o.weights.empty(),
                              "expected --back, or --input and --weights");
    const bool needs_input = o.rain.empty();
    nlcl::require<UsageError>(!needs_input || !o.input.empty(), "no rain: expected --rain, or --input");
    if (is_difference() && o.weights.empty()) {
      const Pairs pairs = pairs_in({o.input, o.background});
      for (const Pairs::Row& row : pairs.rows)
        inputs_.push_back(row.files[0]), backgrounds_.push_back(row.files[1]);
      failures_ = pairs.failures;
    } else {
      if (!o.input.empty()) inputs_ = images_in(o.input);
      if (!o.background.empty()) backgrounds_ = images_in(o.background);
      if (!o.rain.empty()) rains_ = images_in(o.rain);
    }
    if (!o.weights.empty()) background_plan_ = read_plan(o.weights, o.key, device), backgrounds_ = inputs_;
    if (!o.rain_weights.empty()) rain_plan_ = read_plan(o.rain_weights, o.key, device);
    if (o.rain.empty()) rains_ = inputs_;
  }

  const std::vector<Unpaired>& failures() const { return failures_; }
  const std::vector<fs::path>& files(bool is_rain) const { return is_rain ? rains_ : backgrounds_; }
  std::array<nlcl::Index, 2> counts() const { return {std::ssize(backgrounds_), std::ssize(rains_)}; }

  // [1,H,W,3].
  nlcl::Tensor<float> layer(bool is_rain, nlcl::Index index) {
    const auto i = static_cast<std::size_t>(index);
    return is_rain ? rain(i) : background(i);
  }

  // As one looks at it.
  nlcl::Image picture(bool is_rain, const nlcl::Tensor<float>& layer) const {
    return is_rain && o_.rain.empty() ? nlcl::rain_picture(layer) : nlcl::to_image(layer);
  }

 private:
  bool is_difference() const { return o_.rain.empty() && o_.rain_weights.empty() && !o_.local_mean; }

  nlcl::Tensor<float> background(std::size_t i) {
    if (!background_plan_) return nlcl::to_tensor(nlcl::read_image(backgrounds_[i]));
    if (last_file_ != backgrounds_[i]) {  // the rain may ask for it again
      last_background_ = run(*background_plan_, backgrounds_[i]);
      last_file_ = backgrounds_[i];
    }
    return last_background_;
  }

  nlcl::Tensor<float> rain(std::size_t i) {
    if (rain_plan_) return run(*rain_plan_, rains_[i]);
    const nlcl::Tensor<float> x = nlcl::to_tensor(nlcl::read_image(rains_[i]));
    if (!o_.rain.empty()) return x;
    if (o_.local_mean) return nlcl::without_local_mean(x);
    const nlcl::Tensor<float> b = background(i);
    nlcl::require<nlcl::ShapeError>(x.shape() == b.shape(), rains_[i].string(), ": ", x.shape()[1], " x ",
                                    x.shape()[2], " pixels, ", backgrounds_[i].string(), " has ",
                                    b.shape()[1], " x ", b.shape()[2]);
    nlcl::Tensor<float> difference(x.shape());
    std::transform(x.data(), x.data() + x.size(), b.data(), difference.mutable_data(), std::minus<>());
    return difference;
  }

  nlcl::Tensor<float> run(const nlcl::GeneratorPlan& plan, const fs::path& file) {
    const nlcl::Image image = nlcl::read_image(file);
    memory_.prepare(image.height, image.width, plan);
    return plan(nlcl::to_tensor(image).to(device_)).to(nlcl::Device::cpu());
  }

  const LayerSources& o_;
  nlcl::Device device_;  // of the generators; all else is on the CPU
  std::vector<fs::path> inputs_, backgrounds_, rains_;
  std::vector<Unpaired> failures_;
  std::optional<nlcl::GeneratorPlan> background_plan_, rain_plan_;
  PlanMemory memory_;
  fs::path last_file_;
  nlcl::Tensor<float> last_background_;
};

}  // namespace tools
