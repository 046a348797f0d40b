// Measures how compact the image layer and the rain layer are: the intrinsic dimension of their non-local patches, as pixels
// or as features, and how well these tell the layers apart.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"
#include "generator.hpp"
#include "images.hpp"
#include "layers.hpp"
#include "nlcl/analysis/layer_dimensions.hpp"
#include "nlcl/analysis/matches_picture.hpp"
#include "nlcl/analysis/measured_points.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/discriminator.hpp"
#include "nlcl/pages/sheet.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::UsageError;

namespace {

constexpr const char* purpose =
    "Measures how compact the background B and the rain R are: the intrinsic dimension of groups of similar "
    "patches, by\n"
    "Levina and Bickel and by TwoNN, with 95 % intervals. B is a folder, or what a generator makes of rainy "
    "images; R is a\n"
    "folder, what another generator makes of them, what is left of them without their local mean, or else O "
    "- B.";

constexpr const char* notes =
    "Points, what is measured of a patch:\n"
    "  pixels     as they are\n"
    "  smooth:S   after a Gaussian of S pixels over the layer, which takes noise away\n"
    "  pca:P      the principal components that hold the share P of a group's variance\n"
    "  back:T     features of layer T, 0 to 17, of the generator of --features (default: --weights)\n"
    "  disc:T     features of tap T, 0 to 3, of the discriminator of --discriminator (default: one that has\n"
    "             learned nothing, drawn from the seed)\n"
    "Patches are searched in pixels, for features too, as training does.\n\n"
    "Both layers get as many groups, patches and neighbours; copies of a patch count once. The intervals are "
    "those of other\n"
    "images of the same kind (bootstrap). Weights are those that nlcl-train would give to background and "
    "rain.\n\n"
    "Exit codes: 0 all done; 1 some images failed, or have no partner; 2 wrong usage, or weights that are "
    "missing or not\n"
    "valid; 3 out of memory, or no such device; 130 stopped by Ctrl-C, 143 by SIGTERM.\n\n"
    "Examples:\n"
    "  nlcl-analyze --input rainy --back truth --points pixels,smooth:1 --neighbors 10,20\n"
    "  nlcl-analyze --input rainy --weights back.safetensors --rain-weights rain.safetensors --points "
    "pixels,back:4 --plot a.svg";

std::string check_points(const std::string& name) {
  return parse_points(name) ? "" : name + ", expected " + points_in_words();
}

struct Options {
  tools::LayerSources layers;
  fs::path features, discriminator;
  std::vector<std::string> points{"pixels"};
  LayerDimensionOptions dimensions;
  fs::path json, plot, matches;
  std::string title = "Intrinsic dimension of non-local patches";  // of the plot
  bool quiet = false;
  tools::Compute compute;
};

// The D of a run's checkpoint, or a file of a discriminator alone.
Discriminator<float> read_discriminator(const Options& o) {
  Random random(o.dimensions.measure.seed);
  Discriminator<float> discriminator(random);
  if (o.discriminator.empty()) return discriminator;
  try {
    const StateFile file = read_checkpoint(o.discriminator);
    const bool is_run =
        std::ranges::any_of(file.tensors, [](const RawTensor& t) { return t.name.starts_with("D."); });
    load_state(discriminator, is_run ? part_of(file, "D") : file);
    return discriminator;
  } catch (const MemoryError&) {
    throw;
  } catch (const Error& error) {
    throw UsageError(tools::message_of(error, o.discriminator.string()));
  }
}

LayerFeatures features_of(const Options& o) {
  const auto find = [&](MeasuredPoints::Kind kind) -> const MeasuredPoints* {
    const auto found = std::ranges::find(o.dimensions.points, kind, &MeasuredPoints::kind);
    return found == o.dimensions.points.end() ? nullptr : &*found;
  };
  std::optional<Generator<float>> generator;
  std::optional<Discriminator<float>> discriminator;
  if (const auto* const points = find(MeasuredPoints::generator)) {
    require<UsageError>(!o.features.empty() || !o.layers.weights.empty(), points->name,
                        " needs the weights of a generator: expected --features, or --weights");
    generator = tools::read_generator(o.features.empty() ? o.layers.weights : o.features, o.layers.key);
  }
  if (find(MeasuredPoints::discriminator)) discriminator = read_discriminator(o);
  return {o.dimensions.points, std::move(generator), std::move(discriminator)};
}

// --------------------------------------------------------------------------------------------------- what it says

void print(const std::vector<LayerDimensions>& results) {
  std::size_t width = 6;
  for (const LayerDimensions& result : results) width = std::max(width, columns_of(result.name));
  const auto column = [&](const std::string& name) { return padded(name, width); };
  const auto number = [](const Estimate& e, int digits) {
    const auto [low, high] = e.interval();
    return text(std::fixed, std::setprecision(digits), std::setw(8), e.value, "  ", std::setw(5), low, " to ",
                std::left, std::setw(6), high);
  };
  std::cout << column("points") << "  groups  layer            ";
  for (const EstimatorInfo& estimator : dimension_estimators)
    std::cout << text(std::left, std::setw(26), text("  ", estimator.title, ", 95 %"));
  std::cout << '\n';
  for (const LayerDimensions& r : results) {
    const auto line = [&](const std::string& name, const std::string& groups, const char* layer,
                          auto estimate, int digits) {
      std::cout << column(name) << text("  ", std::setw(6), groups, "  ", std::left, std::setw(17), layer);
      for (const Dimensions& d : r.dimensions) std::cout << number(d.*estimate, digits);
      std::cout << '\n';
    };
    line(r.name, std::to_string(r.groups), "background", &Dimensions::background, 2);
    line("", "", "rain", &Dimensions::rain, 2);
    line("", "", "rain/background", &Dimensions::ratio, 3);
    std::cout << column("")
              << text("          ", verdict_of(r.dimensions[0].ratio), "; weights ", std::fixed,
                      std::setprecision(2), r.weights[0], " and ", r.weights[1], '\n');
  }
  if (std::ranges::none_of(results, [](const LayerDimensions& r) { return r.separability.has_value(); }))
    return;
  std::cout << '\n'
            << column("points")
            << "   cosine: in B    in R  between     accuracy: nearest mean  nearest point\n";
  for (const LayerDimensions& r : results)
    if (const auto& s = r.separability)
      std::cout << column(r.name)
                << text(std::fixed, std::setprecision(3), std::setw(15), s->within_background, std::setw(8),
                        s->within_rain, std::setw(9), s->between, std::setw(27), s->nearest_mean,
                        std::setw(15), s->nearest_point, '\n');
}

// A patch of each layer and those most like it, in the first condition.
Image matches_of(const Condition& condition, tools::Layers& layers, const std::vector<LayerImage>& order,
                 const PatchDimensionOptions& o) {
  std::vector<std::vector<Image>> pictures;
  for (const bool is_rain : {false, true}) {
    const PatchGroup& group = *shown_groups(condition)[is_rain];
    Index seen = 0;
    const auto image = std::ranges::find_if(
        order, [&](const LayerImage& i) { return i.is_rain == is_rain && seen++ == group.image; });
    pictures.push_back({matches_picture(layers.picture(is_rain, layers.layer(is_rain, image->index)),
                                        group.centers.front(), group.centers, {o.patch, o.window})});
  }
  return sheet_of(pictures);
}

int analyze(Options& o, const CLI::App& app) {
  const bool has_generators = !o.layers.weights.empty() || !o.layers.rain_weights.empty();
  const Device device = o.compute.apply(app, o.quiet || !has_generators);
  tools::check_extension(o.plot, ".svg");
  tools::check_extension(o.matches, ".png");
  tools::check_files({o.json, o.plot, o.matches}, {});
  o.dimensions.points.clear();
  for (const std::string& name : o.points) o.dimensions.points.push_back(*parse_points(name));
  tools::Layers layers(o.layers, device);
  std::vector<Condition> conditions;
  try {
    conditions = conditions_of(o.dimensions, layers.counts());
  } catch (const ShapeError& error) {
    throw UsageError(error.what());
  }
  LayerFeatures features = features_of(o);
  const std::vector<LayerImage> order = measuring_order(layers.counts(), o.dimensions.measure.seed);

  const tools::Progress progress("layers", order.size(), !o.quiet);
  for (const tools::Unpaired& failure : layers.failures()) progress.say("nlcl-analyze: " + failure.reason);
  tools::defer_stops();
  const auto describe = [&](const std::exception& error, const LayerImage& image) {
    return tools::message_of(error,
                             layers.files(image.is_rain)[static_cast<std::size_t>(image.index)].string());
  };
  int code = tools::for_each_image("nlcl-analyze", order, progress, describe, [&](const LayerImage& image) {
    const auto is_complete = [&](const Condition& c) { return c.layers[image.is_rain].is_complete(); };
    if (std::ranges::all_of(conditions, is_complete)) return false;
    try {
      const Tensor<float> layer = layers.layer(image.is_rain, image.index);
      features.look_at(layer);
      for (Condition& condition : conditions) condition.add(image.is_rain, layer, features);
    } catch (...) {
      for (Condition& condition : conditions) condition.layers[image.is_rain].pass_over();
      throw;
    }
    return true;
  });
  if (code > tools::some_failed) return code;
  if (!layers.failures().empty()) code = tools::some_failed;

  std::vector<LayerDimensions> results;
  results.reserve(conditions.size());
  for (const Condition& condition : conditions) results.push_back(dimensions_of(condition, o.dimensions));
  print(results);
  if (!o.json.empty()) write_file_atomically(o.json, bytes_of(json_text(results, o.dimensions)));
  if (!o.plot.empty()) write_file_atomically(o.plot, bytes_of(plot_text(results, o.title)));
  if (!o.matches.empty())
    write_image(o.matches, matches_of(conditions.front(), layers, order, o.dimensions.measure));
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-analyze");
  app.footer(notes);
  Options o;
  const auto folder = [&](const char* name, fs::path& path, const char* what) {
    return app.add_option(name, path, what)->check(tools::check_folder)->option_text("DIR");
  };
  auto* back = folder("--back", o.layers.background, "images without rain");
  auto* rain = folder("--rain", o.layers.rain, "pictures of rain layers");
  auto* input = folder("-i,--input", o.layers.input, "rainy images");
  app.add_option("-w,--weights", o.layers.weights, "generator of the background")
      ->needs(input)
      ->excludes(back)
      ->option_text("FILE");
  auto* rain_weights = app.add_option("--rain-weights", o.layers.rain_weights, "generator of the rain")
                           ->needs(input)
                           ->excludes(rain)
                           ->option_text("FILE");
  tools::add_key(app, o.layers.key);
  app.add_flag(
         "--local-mean", o.layers.local_mean,
         "the rain is what is left of the input without its mean over 15 x 15 pixels, as nlcl-train takes it")
      ->needs(input)
      ->excludes(rain)
      ->excludes(rain_weights)
      ->option_text(" ");

  app.add_option("--points", o.points, "what is measured of a patch, see below (default: pixels)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(check_points)
      ->option_text("LIST");
  app.add_option("--features", o.features, "generator for back:T")->option_text("FILE");
  app.add_option("--discriminator", o.discriminator, "a run's checkpoint, for disc:T")->option_text("FILE");
  app.add_option("--neighbors", o.dimensions.neighbors, "K, of each patch (default: 10)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(tools::within(2, 1000))
      ->option_text("LIST");
  app.add_option("--count", o.dimensions.measure.points,
                 "similar patches in a group, all distinct (default: 64)")
      ->check(tools::within(3, 10'000))
      ->option_text("N");
  app.add_option("--groups", o.dimensions.measure.groups, "of each layer (default: 200)")
      ->check(tools::within(1, 100'000))
      ->option_text("N");
  app.add_option("--patch", o.dimensions.measure.patch, "side of a patch in pixels, even (default: 16)")
      ->check(tools::within(2, 32))
      ->option_text("N");
  app.add_option("--window", o.dimensions.measure.window,
                 "side of the search window in pixels, even (default: 40)")
      ->check(tools::within(2, 1000))
      ->option_text("N");
  app.add_option("--apart", o.dimensions.measure.apart,
                 "pixels between the patches of a group, in rows or columns (default: 1)")
      ->check(tools::within(1, 100))
      ->option_text("N");
  app.add_option("--seed", o.dimensions.measure.seed, "of the places and of the intervals (default: 0)")
      ->check(tools::not_negative<std::uint64_t>())
      ->option_text("N");
  app.add_option("--replicates", o.dimensions.replicates, "of the bootstrap (default: 1000)")
      ->check(tools::within(100, 100'000))
      ->option_text("N");

  app.add_option("--json", o.json, "write the numbers there as JSON")->option_text("FILE");
  auto* plot = app.add_option("--plot", o.plot, "draw them there, .svg");
  plot->option_text("FILE");
  app.add_option("--title", o.title, "of the plot")->needs(plot)->option_text("TEXT");
  app.add_option("--matches", o.matches, "draw a patch of each layer and those most like it there, .png")
      ->option_text("FILE");
  o.compute.add_to(app);
  app.add_flag("--quiet", o.quiet, "no progress line, only errors and the table")->option_text(" ");
  return tools::run(app, argc, argv, [&] { return analyze(o, app); });
}
