// nlcl-golden-step FIXTURE BACKGROUND.pth RAIN.pth [--device cpu|cuda:N] [--precision float32|tf32|bf16]: replays one
// training step of a reference and compares every value.
//
// The fixture is a safetensors file: input.O and input.B (NCHW), weights of the discriminator and of the
// projection heads, and what the reference computed with them: outputs, losses, the patches it chose, their
// projections, and the gradients (or, of large ones, [L2 norm, sum]). The query centres are in its metadata.
// Prints one JSON object; exit code 0 only if all is within tolerance.
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/objective.hpp"

namespace {

using namespace nlcl;

struct Tolerances {
  double output;    // absolute
  double loss;      // relative
  double gradient;  // relative, in the L2 norm
  double floor;     // of the largest norm: below it only the absolute size counts
  bool same_centers;
};

// With rounded products two patches that are nearly as far from the query may change places, and so what the
// losses compare; the images and the gradients are what has to hold then. What they may be off is half as much again as
// what rounding makes of a step by itself: on the CPU, in float, with all that a convolution multiplies rounded first, the
// gradients of G_R are off by up to 3.6 % in tf32 and 14 % in bf16, where ReLUs change sides, those of F_back's last head,
// a hundred-thousandth of the largest, by 61 % in bf16, the images by 0.005 and 0.046.
Tolerances tolerances_of(Precision precision) {
  switch (precision) {
    case Precision::float32:
      return {1e-4, 1e-5, 3e-3, 1e-6, true};
    case Precision::tf32:
      return {1e-2, 1e-2, 6e-2, 1e-6, false};
    case Precision::bf16:
      return {7e-2, 2e-2, 2.2e-1, 2e-4, false};
  }
  return {};
}

// The tensors whose names begin with `prefix`, without it, and only those that `module` has parameters for.
template <class Module>
void load_part(Module& module, const StateFile& fixture, const std::string& prefix) {
  StateFile part;
  for_each_parameter(module, [&](const std::string& name, const auto&) {
    RawTensor tensor = fixture.at(prefix + name);
    tensor.name = name;
    part.tensors.push_back(std::move(tensor));
  });
  load_state(module, part);
}

Tensor<float> image(const StateFile& fixture, const std::string& name) {
  return detail::permuted(to_tensor(fixture.at(name)), {0, 2, 3, 1});  // NCHW to NHWC
}

double norm(const Tensor<float>& x) {
  double sum = 0;
  for (float value : x.values()) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

double largest_difference(const Tensor<float>& a, const Tensor<float>& b) {
  double largest = a.shape() == b.shape() ? 0 : INFINITY;
  for (Index i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]));
    if (!(difference <= largest)) largest = difference;  // NaN counts
  }
  return largest;
}

// Collects errors, each as a share of its tolerance: the worst of them decides.
class Comparison {
 public:
  explicit Comparison(const Tolerances& tolerances) : tolerances_(tolerances) {}

  void outputs(const std::string& name, const Tensor<float>& found, const Tensor<float>& expected) {
    enter("outputs", name, largest_difference(found.to(Device::cpu()), expected), tolerances_.output);
  }
  void loss(const std::string& name, double found, double expected) {
    enter("losses", name, std::abs(found - expected) / std::abs(expected), tolerances_.loss);
  }
  bool same_centers() const { return tolerances_.same_centers; }
  void centers(const std::string& name, const Tensor<PatchCenter>& centers, const RawTensor& expected) {
    const Tensor<PatchCenter> found = centers.to(Device::cpu());
    const Tensor<double> ids = to_tensor<double>(expected);
    int different = ids.size() == 2 * found.size() ? 0 : 1;
    for (Index k = 0; k < found.size() && different == 0; ++k)
      different += static_cast<double>(found(k).row) != ids.data()[2 * k] ||
                   static_cast<double>(found(k).column) != ids.data()[2 * k + 1];
    enter("centers", name, different, 0.5);
  }
  // Gradients are judged together, once the largest is known.
  void gradient(const std::string& name, const Tensor<float>& found, const StateFile& fixture) {
    const Tensor<float> turned = detail::to_file_layout(found.to(Device::cpu()));
    if (const RawTensor* expected = fixture.find("grad." + name)) {
      Tensor<float> difference = to_tensor(*expected);
      const double expected_norm = norm(difference);
      for (Index i = 0; i < turned.size(); ++i) difference.mutable_data()[i] -= turned.data()[i];
      gradients_.push_back({name, norm(difference), expected_norm});
    } else if (const RawTensor* summary = fixture.find("gradnorm." + name)) {
      const double expected_norm = to_tensor<double>(*summary)(0);
      gradients_.push_back({name, std::abs(norm(turned) - expected_norm), expected_norm});
    } else {
      enter("gradients", name, INFINITY, tolerances_.gradient);  // not in the fixture
    }
  }

  nlohmann::json report() {
    double largest = 0;
    for (const auto& g : gradients_) largest = std::max(largest, g.norm);
    for (const auto& g : gradients_) {
      if (g.norm < tolerances_.floor * largest)
        enter("gradients", g.name, g.error, tolerances_.floor * largest);
      else
        enter("gradients", g.name, g.error / g.norm, tolerances_.gradient);
    }
    gradients_.clear();
    json_["worst"] = {{"name", worst_name_}, {"share_of_tolerance", worst_}};
    return json_;
  }
  bool within_tolerance() const { return worst_ <= 1; }

 private:
  struct Gradient {
    std::string name;
    double error, norm;
  };

  void enter(const std::string& kind, const std::string& name, double error, double tolerance) {
    json_[kind][name] = error;
    if (!(error / tolerance <= worst_)) {
      worst_ = error / tolerance;
      worst_name_ = kind + "." + name;
    }
  }

  Tolerances tolerances_;
  nlohmann::json json_;
  std::vector<Gradient> gradients_;
  double worst_ = 0;
  std::string worst_name_;
};

Tensor<PatchCenter> query(const StateFile& fixture, const std::string& search, Device device) {
  const auto center = nlohmann::json::parse(fixture.metadata.at(search)).at("center");
  return patch_centers({{0, center.at(0).get<Index>(), center.at(1).get<Index>()}}).to(device);
}

template <class Module>
void compare_gradients(Comparison& comparison, Module& module, const Gradients<float>& gradients,
                       const StateFile& fixture, const std::string& prefix) {
  for_each_parameter(module, [&](const std::string& name, const Tensor<float>& parameter) {
    comparison.gradient(prefix + name, gradients.of(parameter), fixture);
  });
}

int replay(const char* fixture_path, const char* background_path, const char* rain_path, Device device) {
  const StateFile fixture = read_safetensors(fixture_path);
  Networks<float> networks;
  load_state(networks.clean, read_checkpoint(background_path));
  load_state(networks.rain, read_checkpoint(rain_path));
  load_part(networks.discriminator, fixture, "weight.D.");
  load_part(networks.location, fixture, "weight.F_loc.");
  load_part(networks.background_layer, fixture, "weight.F_back.");
  load_part(networks.rain_layer, fixture, "weight.F_rain.");

  to(networks, device);

  const Queries queries{query(fixture, "search.0", device), query(fixture, "search.1", device),
                        query(fixture, "search.2", device), query(fixture, "search.3", device)};
  ObjectiveOptions<float> options;
  options.layer_contrast.pooled = true;
  const Tensor<float> rainy = image(fixture, "input.O").to(device),
                      clean = image(fixture, "input.B").to(device);

  Comparison comparison(tolerances_of(device.is_cuda() ? precision() : Precision::float32));
  Tape<float> tape;
  const Objective<float> objective(networks, options, rainy, clean);
  comparison.outputs("pred_B", objective.background(), image(fixture, "out.pred_B"));
  comparison.outputs("pred_R", objective.rain(), image(fixture, "out.pred_R"));
  comparison.outputs("idt_B", objective.identity(), image(fixture, "out.idt_B"));

  double discriminator_loss = 0;
  {
    Tape<float> discriminator_tape;
    const Tensor<float> loss = objective.discriminator_loss();
    discriminator_loss = static_cast<double>(loss.item());
    compare_gradients(comparison, networks.discriminator, discriminator_tape.backward(loss), fixture, "D.");
  }

  set_trainable(networks.discriminator, false);
  const GeneratorLosses<float> losses = objective.generator_losses(queries);
  const auto expect_loss = [&](const std::string& name, double found) {
    comparison.loss(name, found, std::stod(fixture.metadata.at("loss." + name)));
  };
  const auto value = [&](const char* term) { return static_cast<double>(losses.of(term).item()); };
  expect_loss("D", discriminator_loss);
  expect_loss("G_GAN", value("adversarial"));
  expect_loss("NCE", value("location_rainy"));
  expect_loss("NCE_Y", value("location_clean"));
  expect_loss("DisNCE", value("layer"));
  expect_loss("MSE", value("consistency"));
  expect_loss("L1", value("sparsity") * options.weight("sparsity"));
  expect_loss("G", static_cast<double>(losses.total.item()));

  {
    const NoGrad no_grad;
    comparison.outputs("D_pred_B", networks.discriminator(objective.background()),
                       image(fixture, "out.D_pred_B"));
    comparison.outputs("D_B", networks.discriminator(clean), image(fixture, "out.D_B"));
    // The six samples: location of O and B, of clean and I, and the two layers.
    const auto encode = [&](const Tensor<float>& x) {
      return networks.clean.encode(x, Networks<float>::location_taps());
    };
    const auto sample = [&](int k, const std::vector<Tensor<float>>& features, const Tensor<float>& searched,
                            const Tensor<PatchCenter>& at, Index count, const ProjectionHeads<float>& heads) {
      const std::string name = "sample." + std::to_string(k);
      const auto centers = nearest_patches(searched, at, {.count = count});
      if (!comparison.same_centers()) return;
      comparison.centers(name, centers, fixture.at(name + ".ids"));
      const auto vectors = heads(features, centers, rainy.shape()[1], rainy.shape()[2]);
      for (std::size_t tap = 0; tap < vectors.size(); ++tap) {
        const std::string feature = name + ".feat" + std::to_string(tap);
        comparison.outputs(feature, vectors[tap], to_tensor(fixture.at(feature)));
      }
    };
    const auto rainy_features = encode(rainy), clean_features = encode(clean);
    sample(0, rainy_features, rainy_features.front(), queries.rainy, options.location_patches,
           networks.location);
    sample(1, encode(objective.background()), rainy_features.front(), queries.rainy, options.location_patches,
           networks.location);
    sample(2, clean_features, clean_features.front(), queries.clean, options.location_patches,
           networks.location);
    sample(3, encode(objective.identity()), clean_features.front(), queries.clean, options.location_patches,
           networks.location);
    sample(4, networks.discriminator.features(objective.background()), objective.background(),
           queries.background, options.background_patches, networks.background_layer);
    sample(5, networks.discriminator.features(objective.rain()), objective.rain(), queries.rain,
           options.rain_patches, networks.rain_layer);
  }

  const Gradients<float> gradients = tape.backward(losses.total);
  compare_gradients(comparison, networks.clean, gradients, fixture, "G_B.");
  compare_gradients(comparison, networks.rain, gradients, fixture, "G_R.");
  compare_gradients(comparison, networks.location, gradients, fixture, "F_loc.");
  compare_gradients(comparison, networks.background_layer, gradients, fixture, "F_back.");
  compare_gradients(comparison, networks.rain_layer, gradients, fixture, "F_rain.");

  std::printf("%s\n", comparison.report().dump(1).c_str());
  return comparison.within_tolerance() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<const char*> files;
    Device device;
    for (int i = 1; i < argc; ++i) {
      const std::string_view argument = argv[i];
      const bool is_option = argument == "--device" || argument == "--precision";
      if (is_option && i + 1 == argc) files.clear();  // it lacks its value
      if (!is_option)
        files.push_back(argv[i]);
      else if (++i < argc && argument == "--device")
        device = Device::parse(argv[i]);
      else if (i < argc)
        set_precision(parse_precision(argv[i]));
    }
    if (files.size() != 3) {
      std::fprintf(stderr,
                   "usage: nlcl-golden-step FIXTURE BACKGROUND.pth RAIN.pth [--device cpu|cuda:N]\n"
                   "                        [--precision float32|tf32|bf16]\n");
      return 2;
    }
    require_available(device);
    return replay(files[0], files[1], files[2], device);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nlcl-golden-step: %s\n", error.what());
    return 2;
  }
}
