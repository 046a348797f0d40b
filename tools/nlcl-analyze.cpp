// Measures how compact the image layer and the rain layer are: the intrinsic dimension of their non-local patches, as pixels
// or as features, and how well these tell the layers apart.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"
#include "generator.hpp"
#include "images.hpp"
#include "nlcl/analysis/compactness.hpp"
#include "nlcl/analysis/gaussian.hpp"
#include "nlcl/analysis/interval_plot.hpp"
#include "nlcl/analysis/matches_picture.hpp"
#include "nlcl/analysis/patch_dimension.hpp"
#include "nlcl/analysis/separability.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/model/discriminator.hpp"
#include "pairs.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::UsageError;
using Json = nlohmann::ordered_json;

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
    "valid; 3 out of memory, or no such device; 130 stopped by Ctrl-C.\n\n"
    "Examples:\n"
    "  nlcl-analyze --input rainy --back truth --points pixels,smooth:1 --neighbors 10,20\n"
    "  nlcl-analyze --input rainy --weights back.safetensors --rain-weights rain.safetensors --points "
    "pixels,back:4 --plot a.svg";

// ------------------------------------------------------------------------------------- what is measured of a patch

struct Points {
  enum Kind { pixels, smooth, pca, back, disc } kind = pixels;
  double value = 0;  // deviation in pixels, share of the variance, or the tap
  std::string name;

  int tap() const { return static_cast<int>(value); }
  bool is_feature() const { return kind == back || kind == disc; }
};

std::optional<Points> parse_points(const std::string& name) {
  if (name == "pixels") return Points{Points::pixels, 0, name};
  struct Form {
    const char* prefix;
    Points::Kind kind;
    double least, most;
  };
  for (const Form& form : {Form{"smooth:", Points::smooth, 0.1, 20}, Form{"pca:", Points::pca, 0.01, 1},
                           Form{"back:", Points::back, 0, Generator<float>::layers - 2},
                           Form{"disc:", Points::disc, 0, Discriminator<float>::taps - 1}}) {
    if (!name.starts_with(form.prefix)) continue;
    Points points{form.kind, 0, name};
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

std::string check_points(const std::string& name) {
  return parse_points(name)
             ? ""
             : name +
                   ", expected pixels, smooth:0.1 to smooth:20, pca:0.01 to pca:1, back:0 to back:17, "
                   "or disc:0 to disc:3";
}

struct Options {
  fs::path back, rain, input, weights, rain_weights, features, discriminator;
  bool local_mean = false;
  std::vector<std::string> points{"pixels"};
  std::vector<Index> neighbors{10};
  PatchDimensionOptions measure{.groups = 200, .points = 64};
  Index replicates = 1000;
  fs::path json, plot, matches;
  std::string title = "Intrinsic dimension of non-local patches";  // of the plot
  bool quiet = false;
  tools::Compute compute;
};

// ------------------------------------------------------------------------------------------------------ the layers

// Where both layers come from, image by image.
class Layers {
 public:
  Layers(const Options& o, Device device) : o_(o), device_(device), memory_(device) {
    require<UsageError>(o.back.empty() != o.weights.empty(), "expected --back, or --input and --weights");
    const bool needs_input = o.rain.empty();
    require<UsageError>(!needs_input || !o.input.empty(), "no rain: expected --rain, or --input");
    if (is_difference() && o.weights.empty()) {
      const tools::Pairs pairs = tools::pairs_in({o.input, o.back});
      for (const tools::Pairs::Row& row : pairs.rows)
        inputs_.push_back(row.files[0]), backs_.push_back(row.files[1]);
      failures_ = pairs.failures;
    } else {
      if (!o.input.empty()) inputs_ = tools::images_in(o.input);
      if (!o.back.empty()) backs_ = tools::images_in(o.back);
      if (!o.rain.empty()) rains_ = tools::images_in(o.rain);
    }
    if (!o.weights.empty()) back_plan_ = tools::read_plan(o.weights, device), backs_ = inputs_;
    if (!o.rain_weights.empty()) rain_plan_ = tools::read_plan(o.rain_weights, device);
    if (o.rain.empty()) rains_ = inputs_;
  }

  const std::vector<tools::Unpaired>& failures() const { return failures_; }
  const std::vector<fs::path>& files(bool is_rain) const { return is_rain ? rains_ : backs_; }

  // [1,H,W,3].
  Tensor<float> layer(bool is_rain, Index index) {
    const auto i = static_cast<std::size_t>(index);
    return is_rain ? rain(i) : back(i);
  }

  // As one looks at it.
  Image picture(bool is_rain, const Tensor<float>& layer) const {
    return is_rain && o_.rain.empty() ? rain_picture(layer) : to_image(layer);
  }

 private:
  bool is_difference() const { return o_.rain.empty() && o_.rain_weights.empty() && !o_.local_mean; }

  Tensor<float> back(std::size_t i) {
    if (!back_plan_) return to_tensor(read_image(backs_[i]));
    if (last_file_ != backs_[i]) {  // the rain may ask for it again
      last_back_ = run(*back_plan_, backs_[i]);
      last_file_ = backs_[i];
    }
    return last_back_;
  }

  Tensor<float> rain(std::size_t i) {
    if (rain_plan_) return run(*rain_plan_, rains_[i]);
    const Tensor<float> x = to_tensor(read_image(rains_[i]));
    if (!o_.rain.empty()) return x;
    if (o_.local_mean) return without_local_mean(x);
    const Tensor<float> b = back(i);
    require<ShapeError>(x.shape() == b.shape(), rains_[i].string(), ": ", x.shape()[1], " x ", x.shape()[2],
                        " pixels, ", backs_[i].string(), " has ", b.shape()[1], " x ", b.shape()[2]);
    Tensor<float> difference(x.shape());
    std::transform(x.data(), x.data() + x.size(), b.data(), difference.mutable_data(), std::minus<>());
    return difference;
  }

  Tensor<float> run(const GeneratorPlan& plan, const fs::path& file) {
    const Image image = read_image(file);
    memory_.prepare(image, plan);
    return plan(to_tensor(image).to(device_)).to(Device::cpu());
  }

  const Options& o_;
  Device device_;  // of the generators; all else is on the CPU
  std::vector<fs::path> inputs_, backs_, rains_;
  std::vector<tools::Unpaired> failures_;
  std::optional<GeneratorPlan> back_plan_, rain_plan_;
  tools::PlanMemory memory_;
  fs::path last_file_;
  Tensor<float> last_back_;
};

// The D of a run's checkpoint, or a file of a discriminator alone.
Discriminator<float> read_discriminator(const Options& o) {
  Random random(o.measure.seed);
  Discriminator<float> discriminator(random);
  if (o.discriminator.empty()) return discriminator;
  try {
    StateFile file = read_checkpoint(o.discriminator), part;
    for (RawTensor& tensor : file.tensors)
      if (tensor.name.starts_with("D.")) {
        tensor.name.erase(0, 2);
        part.tensors.push_back(std::move(tensor));
      }
    load_state(discriminator, part.tensors.empty() ? file : part);
    return discriminator;
  } catch (const MemoryError&) {
    throw;
  } catch (const Error& error) {
    throw UsageError(tools::message_of(error, o.discriminator.string()));
  }
}

// The features of one layer's image, computed when the first condition asks for them.
class Features {
 public:
  Features(const Options& o, const std::vector<Points>& all) {
    for (const Points& points : all)
      if (points.kind == Points::back) taps_.push_back(points.tap());
    std::ranges::sort(taps_);
    taps_.erase(std::unique(taps_.begin(), taps_.end()), taps_.end());
    if (!taps_.empty()) {
      require<UsageError>(!o.features.empty() || !o.weights.empty(), "back:", taps_.front(),
                          " needs the weights of a generator: expected --features, or --weights");
      generator_ = tools::read_generator(o.features.empty() ? o.weights : o.features);
    }
    if (std::ranges::any_of(all, [](const Points& points) { return points.kind == Points::disc; }))
      discriminator_ = read_discriminator(o);
  }

  void look_at(const Tensor<float>& layer) {
    const NoGrad no_grad;
    if (generator_) back_ = generator_->encode(layer, taps_);
    if (discriminator_) disc_ = discriminator_->features(layer);
  }

  const Tensor<float>& operator()(const Points& points) const {
    if (points.kind == Points::disc) return disc_[static_cast<std::size_t>(points.tap())];
    return back_[static_cast<std::size_t>(std::ranges::find(taps_, points.tap()) - taps_.begin())];
  }

 private:
  std::vector<int> taps_;
  std::optional<Generator<float>> generator_;
  std::optional<Discriminator<float>> discriminator_;
  std::vector<Tensor<float>> back_, disc_;
};

// -------------------------------------------------------------------------------------------------- the measurement

// One way to measure both layers.
struct Condition {
  Points points;
  Index neighbors = 0;
  std::vector<PatchDimension> layers;  // background and rain

  std::string name(bool with_neighbors) const {
    return points.name + (with_neighbors ? text(", K = ", neighbors) : "");
  }
};

void measure(Condition& condition, bool is_rain, const Tensor<float>& layer, const Features& features) {
  PatchDimension& meter = condition.layers[is_rain];
  if (meter.is_complete()) return;
  const Points& points = condition.points;
  if (points.is_feature())
    meter.add(layer, feature_points(features(points), layer.shape()[1], layer.shape()[2]));
  else
    meter.add(points.kind == Points::smooth ? blurred(layer, points.value) : layer);
}

std::vector<Condition> conditions_of(const Options& o, const Layers& layers) {
  std::vector<Condition> conditions;
  for (const std::string& name : o.points)
    for (const Index neighbors : o.neighbors) {
      Condition condition{*parse_points(name), neighbors, {}};
      PatchDimensionOptions options = o.measure;
      options.neighbors = neighbors;
      if (condition.points.kind == Points::pca) options.variance = condition.points.value;
      for (const bool is_rain : {false, true}) try {
          condition.layers.emplace_back(options, std::ssize(layers.files(is_rain)));
        } catch (const ShapeError& error) {
          throw UsageError(error.what());
        }
      conditions.push_back(std::move(condition));
    }
  return conditions;
}

// One image of one layer.
struct Job {
  bool is_rain;
  Index index;
};

// In the order in which the meters count them: of each layer shuffled, and one layer after the other for each place.
std::vector<Job> jobs_of(const Options& o, const Layers& layers) {
  std::vector<std::vector<Index>> order;
  for (const bool is_rain : {false, true})
    order.push_back(shuffled(std::ssize(layers.files(is_rain)), o.measure.seed));
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < std::max(order[0].size(), order[1].size()); ++i)
    for (const bool is_rain : {false, true})
      if (i < order[is_rain].size()) jobs.push_back({is_rain, order[is_rain][i]});
  return jobs;
}

// ---------------------------------------------------------------------------------------------------- the numbers

struct EstimatorInfo {
  const char *name, *title;
  double PatchGroup::*inverse;
};
constexpr std::array<EstimatorInfo, 2> estimators{
    {{"levina_bickel", "Levina-Bickel", &PatchGroup::levina_bickel},
     {"two_nn", "TwoNN", &PatchGroup::two_nn}}};

struct Dimensions {
  Estimate back, rain, ratio;  // ratio: of rain to background
};

struct Result {
  std::string name;
  std::size_t groups = 0;                // of each layer
  std::array<Dimensions, 2> dimensions;  // of the estimators
  std::array<double, 2> weights{};
  std::optional<Separability> separability;
};

Result result_of(const Condition& condition, const Options& o) {
  std::vector<PatchGroup> back = condition.layers[0].groups(), rain = condition.layers[1].groups();
  for (const bool is_rain : {false, true})
    require<Error>(!condition.layers[is_rain].groups().empty(), condition.points.name, ": no image of the ",
                   is_rain ? "rain" : "background", " has a place with ", o.measure.points,
                   " distinct patches in ", o.measure.window + o.measure.patch, " x ",
                   o.measure.window + o.measure.patch, " pixels");
  const std::size_t both = std::min(back.size(), rain.size());
  back.resize(both), rain.resize(both);
  Result result{condition.name(o.neighbors.size() > 1), both, {}, {}, {}};
  for (std::size_t e = 0; e < estimators.size(); ++e) {
    Dimensions& d = result.dimensions[e];
    d.back = dimension_of(back, estimators[e].inverse, o.replicates, o.measure.seed);
    d.rain = dimension_of(rain, estimators[e].inverse, o.replicates, o.measure.seed);
    d.ratio = combined(d.rain, d.back, std::divides<>());
  }
  result.weights = compactness_weights(result.dimensions[0].back.value, result.dimensions[0].rain.value);
  if (condition.points.kind == Points::pca) return result;  // each group has components of its own
  std::vector<LayerPoint> points;
  for (const bool is_rain : {false, true})
    for (const PatchGroup& group : is_rain ? rain : back)
      points.push_back({is_rain, group.image, group.query});
  try {
    result.separability = separability(points);
  } catch (const ShapeError&) {  // a single image has nothing to be compared with
  }
  return result;
}

// What the interval of the ratio says.
const char* verdict(const Estimate& ratio) {
  const auto [low, high] = ratio.interval();
  return high < 1 ? "rain is more compact" : low > 1 ? "background is more compact" : "undecided";
}

void print(const std::vector<Result>& results) {
  std::size_t width = 6;
  for (const Result& result : results) width = std::max(width, result.name.size());
  const auto column = [&](const std::string& name) {
    return text(std::left, std::setw(static_cast<int>(width)), name);
  };
  const auto number = [](const Estimate& e, int digits) {
    const auto [low, high] = e.interval();
    return text(std::fixed, std::setprecision(digits), std::setw(8), e.value, "  ", std::setw(5), low, " to ",
                std::left, std::setw(6), high);
  };
  std::cout << column("points") << "  groups  layer            ";
  for (const EstimatorInfo& estimator : estimators)
    std::cout << text(std::left, std::setw(26), text("  ", estimator.title, ", 95 %"));
  std::cout << '\n';
  for (const Result& r : results) {
    const auto line = [&](const std::string& name, const std::string& groups, const char* layer,
                          auto estimate, int digits) {
      std::cout << column(name) << text("  ", std::setw(6), groups, "  ", std::left, std::setw(17), layer);
      for (const Dimensions& d : r.dimensions) std::cout << number(d.*estimate, digits);
      std::cout << '\n';
    };
    line(r.name, std::to_string(r.groups), "background", &Dimensions::back, 2);
    line("", "", "rain", &Dimensions::rain, 2);
    line("", "", "rain/background", &Dimensions::ratio, 3);
    std::cout << column("")
              << text("          ", verdict(r.dimensions[0].ratio), "; weights ", std::fixed,
                      std::setprecision(2), r.weights[0], " and ", r.weights[1], '\n');
  }
  if (std::ranges::none_of(results, [](const Result& r) { return r.separability.has_value(); })) return;
  std::cout << '\n'
            << column("points")
            << "   cosine: in B    in R  between     accuracy: nearest mean  nearest point\n";
  for (const Result& r : results)
    if (const auto& s = r.separability)
      std::cout << column(r.name)
                << text(std::fixed, std::setprecision(3), std::setw(15), s->within_back, std::setw(8),
                        s->within_rain, std::setw(9), s->between, std::setw(27), s->nearest_mean,
                        std::setw(15), s->nearest_point, '\n');
}

Json json_of(const Estimate& estimate) {
  const auto [low, high] = estimate.interval();
  return {{"value", estimate.value}, {"low", low}, {"high", high}};
}

std::string json_text(const std::vector<Condition>& conditions, const std::vector<Result>& results,
                      const Options& o) {
  Json all{{"patch", o.measure.patch},   {"window", o.measure.window}, {"count", o.measure.points},
           {"apart", o.measure.apart},   {"seed", o.measure.seed},     {"replicates", o.replicates},
           {"conditions", Json::array()}};
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Result& r = results[i];
    Json condition{
        {"points", conditions[i].points.name}, {"neighbors", conditions[i].neighbors}, {"groups", r.groups}};
    for (std::size_t e = 0; e < estimators.size(); ++e)
      condition[estimators[e].name] = {{"background", json_of(r.dimensions[e].back)},
                                       {"rain", json_of(r.dimensions[e].rain)},
                                       {"ratio", json_of(r.dimensions[e].ratio)}};
    condition["weights"] = r.weights;
    if (const auto& s = r.separability)
      condition["separability"] = {{"cosine_background", s->within_back},
                                   {"cosine_rain", s->within_rain},
                                   {"cosine_between", s->between},
                                   {"nearest_mean", s->nearest_mean},
                                   {"nearest_point", s->nearest_point}};
    all["conditions"].push_back(condition);
  }
  return all.dump(2) + '\n';
}

std::string plot_text(const std::vector<Result>& results, const std::string& title) {
  const auto plotted = [](const Estimate& e) {
    return PlottedInterval{e.value, e.interval()[0], e.interval()[1]};
  };
  std::vector<PlotRow> rows;
  rows.reserve(results.size());
  for (const Result& r : results)
    rows.push_back({r.name, plotted(r.dimensions[0].back), plotted(r.dimensions[0].rain)});
  return interval_plot(title, "Levina and Bickel's estimate, 95 % intervals", rows);
}

// The first group of each layer in the first condition; of one image, where both layers have groups in it.
Image matches_of(const Condition& condition, Layers& layers, const std::vector<Job>& jobs, const Options& o) {
  const auto &back = condition.layers[0].groups(), &rain = condition.layers[1].groups();
  std::array<const PatchGroup*, 2> shown{&back.front(), &rain.front()};
  for (const PatchGroup& group : rain)
    if (const auto same = std::ranges::find(back, group.image, &PatchGroup::image); same != back.end()) {
      shown = {&*same, &group};
      break;
    }
  std::vector<Image> pictures;
  for (const bool is_rain : {false, true}) {
    Index seen = 0;
    const auto job = std::ranges::find_if(
        jobs, [&](const Job& j) { return j.is_rain == is_rain && seen++ == shown[is_rain]->image; });
    const PatchSearchOptions search{
        .count = o.measure.points, .patch = o.measure.patch, .window = o.measure.window};
    pictures.push_back(matches_picture(layers.picture(is_rain, layers.layer(is_rain, job->index)),
                                       shown[is_rain]->centers.front(), shown[is_rain]->centers, search));
  }
  return one_above_the_other(pictures);
}

void check_outputs(const Options& o) {
  const auto expect = [](const fs::path& file, const std::string& extension) {
    require<UsageError>(file.empty() || tools::extension_of(file) == extension, file.string(),
                        ": the name ends in '", tools::extension_of(file), "', expected ", extension);
  };
  expect(o.plot, ".svg");
  expect(o.matches, ".png");
  for (const fs::path& output : {o.json, o.plot, o.matches}) {
    if (output.empty()) continue;
    require<UsageError>(!fs::is_directory(output), output.string(), " is a folder, expected a file");
    tools::prepare_place(output, false);
  }
}

int analyze(Options& o, const CLI::App& app) {
  const Device device = o.compute.apply(app, o.quiet || (o.weights.empty() && o.rain_weights.empty()));
  check_outputs(o);
  Layers layers(o, device);
  std::vector<Condition> conditions = conditions_of(o, layers);
  std::vector<Points> points;
  points.reserve(conditions.size());
  for (const Condition& condition : conditions) points.push_back(condition.points);
  Features features(o, points);
  const std::vector<Job> jobs = jobs_of(o, layers);

  const tools::Progress progress("layers", jobs.size(), !o.quiet);
  for (const tools::Unpaired& failure : layers.failures()) progress.say("nlcl-analyze: " + failure.reason);
  tools::defer_stops();
  const auto describe = [&](const std::exception& error, const Job& job) {
    return tools::message_of(error, layers.files(job.is_rain)[static_cast<std::size_t>(job.index)].string());
  };
  int code = tools::for_each_image("nlcl-analyze", jobs, progress, describe, [&](const Job& job) {
    const auto is_complete = [&](const Condition& c) { return c.layers[job.is_rain].is_complete(); };
    if (std::ranges::all_of(conditions, is_complete)) return false;
    try {
      const Tensor<float> layer = layers.layer(job.is_rain, job.index);
      features.look_at(layer);
      for (Condition& condition : conditions) measure(condition, job.is_rain, layer, features);
    } catch (...) {
      for (Condition& condition : conditions) condition.layers[job.is_rain].pass_over();
      throw;
    }
    return true;
  });
  if (code > tools::some_failed) return code;
  if (!layers.failures().empty()) code = tools::some_failed;

  std::vector<Result> results;
  results.reserve(conditions.size());
  for (const Condition& condition : conditions) results.push_back(result_of(condition, o));
  print(results);
  if (!o.json.empty()) write_file_atomically(o.json, bytes_of(json_text(conditions, results, o)));
  if (!o.plot.empty()) write_file_atomically(o.plot, bytes_of(plot_text(results, o.title)));
  if (!o.matches.empty()) write_image(o.matches, matches_of(conditions.front(), layers, jobs, o));
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-analyze");
  app.footer(notes);
  Options o;
  const auto folder = [&](const char* name, fs::path& path, const char* what) {
    return app.add_option(name, path, what)->check(CLI::ExistingDirectory)->option_text("DIR");
  };
  auto* back = folder("--back", o.back, "images without rain");
  auto* rain = folder("--rain", o.rain, "pictures of rain layers");
  auto* input = folder("-i,--input", o.input, "rainy images");
  app.add_option("-w,--weights", o.weights, "generator of the background")
      ->needs(input)
      ->excludes(back)
      ->option_text("FILE");
  auto* rain_weights = app.add_option("--rain-weights", o.rain_weights, "generator of the rain")
                           ->needs(input)
                           ->excludes(rain)
                           ->option_text("FILE");
  app.add_flag(
         "--local-mean", o.local_mean,
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
  app.add_option("--neighbors", o.neighbors, "K, of each patch (default: 10)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(2, 1000))
      ->option_text("LIST");
  app.add_option("--count", o.measure.points, "similar patches in a group, all distinct (default: 64)")
      ->check(CLI::Range(3, 10'000))
      ->option_text("N");
  app.add_option("--groups", o.measure.groups, "of each layer (default: 200)")
      ->check(CLI::Range(1, 100'000))
      ->option_text("N");
  app.add_option("--patch", o.measure.patch, "side of a patch in pixels, even (default: 16)")
      ->check(CLI::Range(2, 32))
      ->option_text("N");
  app.add_option("--window", o.measure.window, "side of the search window in pixels, even (default: 40)")
      ->check(CLI::Range(2, 1000))
      ->option_text("N");
  app.add_option("--apart", o.measure.apart,
                 "pixels between the patches of a group, in rows or columns (default: 1)")
      ->check(CLI::Range(1, 100))
      ->option_text("N");
  app.add_option("--seed", o.measure.seed, "of the places and of the intervals (default: 0)")
      ->option_text("N");
  app.add_option("--replicates", o.replicates, "of the bootstrap (default: 1000)")
      ->check(CLI::Range(100, 100'000))
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
