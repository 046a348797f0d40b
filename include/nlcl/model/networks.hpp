// The networks of training, under the names that the published code gives them in its checkpoints.
#pragma once

#include <iterator>
#include <string>
#include <vector>

#include "nlcl/model/discriminator.hpp"
#include "nlcl/model/generator.hpp"
#include "nlcl/model/projection.hpp"

namespace nlcl {

struct NetworkOptions {
  bool skip = false;       // of G_B, see model/generator.hpp; G_B begins as B = O then, and G_R as R = 0
  bool norm_free = false;  // G_B and G_R
  double discriminator_gain = 0.02;  // of D's initial weights
};

// All networks that training needs; inference needs `clean` and `rain` only.
template <class T = float>
struct Networks {
  Generator<T> clean, rain;                         // G_B, G_R
  Discriminator<T> discriminator;                   // D
  ProjectionHeads<T> location;                      // on features of G_B
  ProjectionHeads<T> background_layer, rain_layer;  // on features of D

  // Initial weights are drawn from `random` in the order of the members.
  explicit Networks(Random& random, const NetworkOptions& options = {})
      : clean(random),
        rain(random),
        discriminator(random, options.discriminator_gain),
        location(std::vector<Index>(location_taps().size(), Generator<T>::channels), random),
        background_layer(discriminator_channels(), random),
        rain_layer(discriminator_channels(), random) {
    clean.set_norm_free(options.norm_free);
    rain.set_norm_free(options.norm_free);
    if (!options.skip) return;
    clean.set_skip(true);
    clean.clear_tail();
    rain.clear_tail();
  }
  explicit Networks(Random&& random = Random(0), const NetworkOptions& options = {})
      : Networks(random, options) {}

  void parameters(const std::string& prefix, const auto& visit) {
    for_each_network(prefix,
                     [&](const std::string& name, auto& network) { network.parameters(name, visit); });
  }

  // That of the generators, as constants: networks are trained in the form in which they were made.
  void form(const std::string& prefix, const auto& visit) {
    for_each_network(prefix, [&](const std::string& network_name, auto& network) {
      const auto as_constant = [&](const std::string& name, const auto& value, Index smallest,
                                   Index largest) { visit(name, value, smallest, largest); };
      if constexpr (requires { network.form(network_name, as_constant); })
        network.form(network_name, as_constant);
    });
  }

  // visit(name, network)
  void for_each_network(const std::string& prefix, const auto& visit) {
    visit(join_name(prefix, "G_B"), clean);
    visit(join_name(prefix, "G_R"), rain);
    visit(join_name(prefix, "D"), discriminator);
    visit(join_name(prefix, "F_loc"), location);
    visit(join_name(prefix, "F_back"), background_layer);
    visit(join_name(prefix, "F_rain"), rain_layer);
  }

  // Layers of G_B whose features the location contrast compares.
  static const std::vector<int>& location_taps() {
    static const std::vector<int> taps{0, 2, 4, 8, 12};
    return taps;
  }

 private:
  static std::vector<Index> discriminator_channels() {
    return {std::begin(Discriminator<T>::tap_channels), std::end(Discriminator<T>::tap_channels)};
  }
};

}  // namespace nlcl
