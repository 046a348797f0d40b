// Trains the two generators on a folder of rainy and a folder of clean photographs that have nothing to do
// with each other.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"
#include "configuration.hpp"
#include "nlcl/analysis/compactness.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/dataset.hpp"
#include "nlcl/io/path.hpp"
#include "nlcl/train/communicator.hpp"
#include "nlcl/train/found_rain.hpp"
#include "nlcl/train/loader.hpp"
#include "nlcl/train/mpi.hpp"
#include "nlcl/train/nccl.hpp"
#include "nlcl/train/report.hpp"
#include "nlcl/train/run_directory.hpp"
#include "nlcl/train/samples.hpp"
#include "nlcl/train/staging.hpp"
#include "nlcl/train/trainer.hpp"
#include "paths.hpp"
#include "values.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::UsageError;

namespace {

constexpr const char* purpose =
    "Trains NLCL on two folders of photographs, rainy ones and clean ones, that need not show the same "
    "things.\n"
    "RUN gets the generators clean.safetensors and rain.safetensors for nlcl-derain, report.html to look at, "
    "log.jsonl,\n"
    "the configuration, and checkpoints from which --resume continues exactly.";

constexpr const char* notes =
    "In the losses O is a rainy image, B and R its clean and its rain layer, and I the clean layer of a "
    "clean image.\n\n"
    "Ctrl-C stops after the current step, with a checkpoint; a second one at once.\n\n"
    "Where it is built with NLCL_MPI, mpirun starts it several times for one run: each process takes its "
    "share of the\n"
    "--accumulate batches of every step, and the result is that of one process, to the bit.\n\n"
    "Exit codes: 0 all done; 1 training failed; 2 wrong usage or data; 3 out of memory, or no such device; "
    "130 stopped\n"
    "by Ctrl-C, 143 by SIGTERM.\n\n"
    "Examples:\n"
    "  nlcl-train --rainy photos/rain --clean photos/dry -o run --steps 20000\n"
    "  nlcl-train --resume run";

const std::map<std::string, DrawnRain> drawn_rain{
    {"streaks", DrawnRain::streaks}, {"weather", DrawnRain::weather}, {"both", DrawnRain::both}};

struct Options {
  std::string rainy, clean, data, run, resume, start, found, objective = "asymmetric", drawn_rain = "streaks";
  Index crop = 256, batch = 1, accumulate = 1;
  TrainerOptions trainer;
  std::string compactness = "measured";  // or the weights of background and rain
  std::uint64_t log_every = 1, log_gradients = 0, save_every = 500, sample_every = 500;
  std::size_t keep = 3, image_memory = 2048;  // the latter in megabytes
  bool drawn_mist = true, quiet = false;
  double found_share = 0.5;
  tools::Compute compute;
};

void add_options(CLI::App& app, Options& o) {
  app.option_defaults()->always_capture_default();  // the configuration that a run writes has them all
  app.add_option("--rainy", o.rainy, "folder of rainy images")->option_text("DIR");
  app.add_option("--clean", o.clean, "folder of clean images")->option_text("DIR");
  app.add_option("--data", o.data, "a folder with both, as trainA and trainB or as rainy and clean")
      ->option_text("DIR");
  app.add_option("-o,--output", o.run, "the run's folder")->option_text("RUN");
  const auto resume = [&](const std::string& run) {  // before the other options have their values
    if (!std::exchange(o.resume, run).empty()) throw CLI::ArgumentMismatch::AtMost("--resume", 1, 2);
    const std::string config = (path_of(run) / "config.toml").string();
    if (const std::string missing = tools::check_file(config); !missing.empty())
      throw CLI::ValidationError("--resume", missing);
    app.get_option("--config")->add_result(config);
    app.get_option("--output")->add_result(run);
  };
  app.add_option_function<std::string>("--resume", resume,
                                       "continue the run in this folder, with its configuration")
      ->trigger_on_parse()
      ->option_text("RUN")
      ->configurable(false);
  app.add_option("--start", o.start, "begin with the networks of the run in this folder")->option_text("RUN");
  app.set_config("--config", "", "read options from a TOML file, as a run writes it")
      ->check(tools::check_file)
      ->option_text("FILE");
  app.config_formatter(std::make_shared<tools::TomlConfig>(app));

  app.add_option("--steps", o.trainer.steps, "steps of the whole run")
      ->check(tools::within<std::uint64_t>(1, std::uint64_t{1} << 31))
      ->option_text("N");
  app.add_option("--decay", o.trainer.decay_steps, "of them at the end, while the rate falls to zero")
      ->check(tools::not_negative<std::uint64_t>())
      ->option_text("N");
  app.add_option("--crop", o.crop, "side of the square crops in pixels")
      ->check(tools::within(40, 4096))
      ->option_text("N");
  app.add_option("--batch", o.batch, "images of each kind in a step")
      ->check(tools::within(1, 256))
      ->option_text("N");
  app.add_option("--accumulate", o.accumulate,
                 "batches whose gradients are added for a step; processes of mpirun share them")
      ->check(tools::within(1, 256))
      ->option_text("N");
  app.add_option("--lr", o.trainer.learning_rate, "learning rate")
      ->check(tools::above_zero<double>())
      ->option_text("X");
  app.add_option("--seed", o.trainer.seed, "of everything that is drawn")
      ->check(tools::not_negative<std::uint64_t>())
      ->option_text("N");
  app.add_option("--average", o.trainer.average, "decay of a running mean of the generators; 0: none")
      ->check(tools::within(0.0, 0.99999))
      ->option_text("X");
  app.add_option("--objective", o.objective, "asymmetric or cvpr2022")
      ->check(tools::one_of({"asymmetric", "cvpr2022"}))
      ->option_text("NAME");
  app.add_option("--compactness", o.compactness, "weights of background and rain as B,R, or measured")
      ->option_text("B,R");
  app.add_option("--discriminator-rate", o.trainer.discriminator_rate,
                 "its learning rate, as a multiple of --lr")
      ->check(tools::above_zero<double>())
      ->option_text("X");
  app.add_option("--discriminator-gain", o.trainer.networks.discriminator_gain, "of its initial weights")
      ->check(tools::above_zero<double>())
      ->option_text("X");
  const auto truth = [&](const std::string& name, bool& value, const std::string& meaning) {
    app.add_option(name, value, meaning)->check(tools::check_truth)->option_text("true|false");
  };
  truth("--skip", o.trainer.networks.skip, "a skip from the input to the output keeps the colours (ours)");
  truth("--norm-free", o.trainer.networks.norm_free, "generators without norms need no tiles (ours)");
  auto& objective = o.trainer.objective;
  for (const std::string& name : objective.weight_names())
    app.add_option_function<double>(
           "--" + name + "-weight", [&objective, name](double weight) { objective.set_weight(name, weight); },
           "weight (" + objective.meaning(name) + ")")
        ->default_str(text(objective.weight(name)))
        ->check(tools::not_negative<double>())
        ->option_text("X");
  std::vector<std::string> kinds_of_rain;
  kinds_of_rain.reserve(drawn_rain.size());
  for (const auto& [name, kind] : drawn_rain) kinds_of_rain.push_back(name);
  app.add_option("--drawn-rain", o.drawn_rain,
                 "what the clean images of the drawn term are drawn in: streaks, weather (streaks, mist and "
                 "camera), or "
                 "both (ours)")
      ->check(tools::one_of(kinds_of_rain))
      ->option_text("NAME");
  truth("--drawn-mist", o.drawn_mist, "weather has mist; without it the network leaves mist alone (ours)");
  app.add_option(
         "--found", o.found,
         "folder of the rainy images without their rain, of the same names: it is laid over clean ones "
         "too (ours)")
      ->option_text("DIR");
  app.add_option("--found-share", o.found_share,
                 "of the clean images of the drawn term that get it, in place of drawn rain (ours)")
      ->check(tools::within(0.0, 1.0))
      ->option_text("X");
  app.add_option("--recomposition-gain", objective.recomposition.gain,
                 "how much stronger the rain that is found is laid over clean images (ours)")
      ->check(tools::above_zero<double>())
      ->option_text("X");
  app.add_option("--recomposition-high-pass", objective.recomposition.high_pass,
                 "share of its local mean that is taken off first (ours)")
      ->check(tools::within(0.0, 1.0))
      ->option_text("X");
  app.add_option("--recomposition-threshold", objective.recomposition.threshold,
                 "what is weaker is left out; white is 2 above black (ours)")
      ->check(tools::within(0.0, 1.0))
      ->option_text("X");
  const auto patches = [&](const std::string& search, const std::string& names, Index& count) {
    app.add_option(names, count, "nearest patches that the " + search + " search keeps")
        ->check(tools::within(1, 1600))
        ->option_text("K");
  };
  // The first of two names is the one in the configuration of a run.
  patches("location", "--location-patches", objective.location_patches);
  patches("background", "--back-patches,--background-patches", objective.background_patches);
  patches("rain", "--rain-patches", objective.rain_patches);
  app.add_option("--temperature-back,--temperature-background", objective.layer_contrast.temperature[0],
                 "of background anchors")
      ->check(tools::above_zero<double>())
      ->option_text("X");
  app.add_option("--temperature-rain", objective.layer_contrast.temperature[1], "of rain anchors")
      ->check(tools::above_zero<double>())
      ->option_text("X");
  const auto change = [&](const std::string& name, bool& value, const std::string& meaning) {
    truth("--layer-" + name, value, "in the layer contrast " + meaning + " (ours)");
  };
  LayerChanges& layer = objective.layer;
  change("shared-heads", layer.shared_heads, "R goes through the heads of B");
  change("image-tap", layer.image_tap, "the image itself is a tap, as published");
  change("texture", layer.texture, "layers have no brightness and colour");
  change("residual", layer.residual, "R is O - B");
  change("same-places", layer.same_places, "patches of R are where those of B are");
  change("decoupled", objective.layer_contrast.decoupled, "an anchor does not push its own layer away");
  app.add_option("--layer-hardness", objective.layer_contrast.hardness,
                 "how much more the like ones of the other layer count (ours)")
      ->check(tools::not_negative<double>())
      ->option_text("X");
  app.add_option("--log-every", o.log_every, "steps")
      ->check(tools::above_zero<std::uint64_t>())
      ->option_text("N");
  app.add_option("--log-gradients", o.log_gradients,
                 "steps between logs of how hard each term pulls at B, R and the weights; 0: none")
      ->check(tools::not_negative<std::uint64_t>())
      ->option_text("N");
  app.add_option("--save-every", o.save_every, "steps between checkpoints")
      ->check(tools::above_zero<std::uint64_t>())
      ->option_text("N");
  app.add_option("--sample-every", o.sample_every, "steps between pictures for the report")
      ->check(tools::above_zero<std::uint64_t>())
      ->option_text("N");
  app.add_option("--keep", o.keep, "checkpoints that are kept")
      ->check(tools::within(1, 1000))
      ->option_text("N");
  app.add_option("--image-memory", o.image_memory, "megabytes of decoded images kept, if all of a folder fit")
      ->check(tools::within(0, 1 << 20))
      ->option_text("MB");
  app.add_flag("--quiet", o.quiet, "say nothing but errors")->configurable(false);
  o.compute.add_to(app);
}

// "B,R"
std::optional<std::array<double, 2>> parse_weights(const std::string& text) {
  const auto weights = tools::numbers_in<double, 2>(text, ',');
  const auto is_sane = [](double weight) { return std::isfinite(weight) && weight >= 0; };
  return weights && std::ranges::all_of(*weights, is_sane) ? weights : std::nullopt;
}

void say(const Options& o, const std::string& line) {
  if (!o.quiet) tools::say(line);
}

// The folders, after everything that looks wrong about them has been said.
struct Data {
  ImageFolder rainy, clean;
  std::optional<ImageFolder> derained;
  std::optional<FoundRain> found;

  explicit Data(const Options& o) : rainy(path_of(o.rainy), memory(o)), clean(path_of(o.clean), memory(o)) {
    for (const std::string& line : tools::lines_of(size_table(rainy, clean))) say(o, line);
    if (!o.found.empty()) {
      found.emplace(rainy, derained.emplace(path_of(o.found), memory(o)));
      say(o, text("rain of ", found->size(), " rainy images is laid over clean ones"));
    }
    for (const auto* folder : {&rainy, &clean, derained ? &*derained : nullptr})
      if (folder)
        for (const std::string& line : folder->unreadable()) tools::say("left out: " + line);
    for (const std::string& line : data_warnings(rainy, clean, o.crop)) tools::say("warning: " + line);
  }
  std::string hash() const { return rainy.hash() + clean.hash() + (derained ? derained->hash() : ""); }

 private:
  static ImageFolderOptions memory(const Options& o) { return {.memory = o.image_memory * 1'000'000}; }
};

// The configuration of a run: whole, for --resume, and as it may be shown to others. Where the images lie is nobody's
// business.
struct Configuration {
  std::string whole, without_paths;  // as TOML
  nlohmann::ordered_json options;    // the latter as data
};

// Of all options as they are now; afterwards the paths are no part of the configuration any more.
Configuration configuration_of(CLI::App& app) {
  Configuration result;
  result.whole = app.config_to_str();
  for (const char* path : {"--rainy", "--clean", "--data", "--output", "--start", "--found"})
    app.get_option(path)->configurable(false);
  result.without_paths = app.config_to_str();
  result.options = tools::json_of(tools::values_of(app));
  return result;
}

class Run {
 public:
  // Nothing is written yet.
  Run(const Options& o, const Data& data, const Configuration& config, Communicator& ranks)
      : o_(o),
        ranks_(ranks),
        data_(data),
        config_(config),
        directory_(path_of(o.run)),
        data_hash_(data.hash()),
        trainer_(o.trainer, ranks),
        staging_(o.trainer.device),
        loader_(
            data.rainy, data.clean,
            {.crop = o.crop,
             .batch = o.batch,
             .seed = o.trainer.seed,
             .workers = loader_threads(),
             .ahead = 4 + loader_threads(),
             .stride = ranks.size(),
             .drawn = o.trainer.objective.needs(Pass::drawn) ? drawn_rain.at(o.drawn_rain) : DrawnRain::none,
             .drawn_mist = o.drawn_mist,
             .found = data.found ? &*data.found : nullptr,
             .found_share = o.found_share}) {
    begin();
  }

  int train() {
    require_same(ranks_, "images, options or networks", [this] { return fingerprint(); });
    tools::defer_stops();
    const tools::Progress progress("steps", o_.trainer.steps, !o_.quiet);
    const std::uint64_t first = trainer_.step();
    by_the_first([&] {  // Everything has been checked, and only now is anything written.
      directory_.prepare();
      directory_.write_facts({o_.objective, o_.trainer.steps, config_.options});
      if (o_.resume.empty())
        write_file_atomically(directory_.path() / "config.toml", bytes_of(config_.whole));
      directory_.cut_log(first);
      sample_ = first_image(loader_.batch(0).rainy);  // while the images are there
    });
    go_on_unless(stage(first));
    while (trainer_.step() < o_.trainer.steps && !is_stopped_) {
      const auto start = std::chrono::steady_clock::now();
      const double rate = learning_rate(o_.trainer, trainer_.step());
      std::vector<TermGradient> gradients;
      if (watched_) gradients = trainer_.term_gradients(*std::exchange(watched_, std::nullopt));
      trainer_.start(staging_.take());
      const std::exception_ptr missing = stage(trainer_.step() + 1);
      const Losses losses = trainer_.finish();
      const std::uint64_t step = trainer_.step();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      by_the_first([&] {
        if (step % o_.log_every == 0 || step == o_.trainer.steps || !gradients.empty())
          log(step, rate, seconds.count(), losses, gradients);
        if (step % o_.sample_every == 0 || step == 1) {
          draw_samples();
          write_report(directory_);
        }
        if (step % o_.save_every == 0 && step < o_.trainer.steps) save();
      });
      const double images = static_cast<double>(o_.batch * o_.accumulate) / seconds.count();  // of all ranks
      progress.show(step, step - first,
                    text(losses_text(losses), ", ", std::setprecision(3), images, " images/s"));
      go_on_unless(missing);
    }
    by_the_first([&] {
      save();
      write_generators();
      if (trainer_.step() == o_.trainer.steps) draw_samples();
      write_report(directory_);
    });
    progress.close();
    say(o_, (directory_.path() / "report.html").string());
    return trainer_.step() < o_.trainer.steps ? tools::exit_code_of_stop() : tools::all_done;
  }

 private:
  // Sets the networks as the run's own last checkpoint has them, or, of one that has none yet, as another run's.
  void begin() {
    if (!directory_.checkpoints().empty()) {
      const StateFile state = directory_.load_latest();
      const auto hash = state.metadata.find("data");
      require<UsageError>(hash != state.metadata.end() && hash->second == data_hash_, o_.run,
                          ": the images are not those that the run was started with");
      trainer_.load(state);
      return say(o_, text("resuming after step ", trainer_.step()));
    }
    if (!o_.resume.empty()) say(o_, "no checkpoint yet: beginning with the first step");
    if (o_.start.empty()) return;
    trainer_.begin_from(RunDirectory(path_of(o_.start)).load_latest());
    say(o_, text("beginning with the networks of ", o_.start));
  }

  bool is_first() const { return ranks_.rank() == 0; }

  // What rank 0 alone does; what goes wrong is told to all.
  template <class Work>
  void by_the_first(const Work& work) {
    together(ranks_, [&] {
      if (is_first()) work();
    });
  }

  // What all ranks must have in common.
  std::string fingerprint() {
    std::uint64_t networks = fnv1a({});
    for (const RawTensor& tensor : trainer_.state().tensors) networks = fnv1a(tensor.bytes, networks);
    return text(config_.without_paths, data_hash_, ' ', trainer_.step(), ' ', networks);
  }

  // Whether a rank has been asked to stop, which then all do; and if a rank lacks images of the next step, the end, with a
  // checkpoint.
  void go_on_unless(const std::exception_ptr& missing) {
    int signal = 0;
    for (const std::string& asked : ranks_.gather(std::to_string(tools::stop_signal)))
      signal = std::max(signal, std::stoi(asked));
    if (signal != 0) tools::stop_signal = signal, is_stopped_ = true;
    try {
      together(ranks_, [&] {
        if (missing) std::rethrow_exception(missing);
      });
    } catch (const Error&) {
      by_the_first([&] { save(); });
      throw;
    }
  }

  // Begins to bring the batches of a step to the device, if there is to be such a step. Returns what is wrong with
  // them: images that are gone cost no step that has been made.
  std::exception_ptr stage(std::uint64_t step) {
    if (step >= o_.trainer.steps || tools::stop_signal) return nullptr;
    try {
      std::vector<Batch> batches;
      const auto count = static_cast<std::uint64_t>(o_.accumulate),
                 ranks = static_cast<std::uint64_t>(ranks_.size());
      for (auto i = static_cast<std::uint64_t>(ranks_.rank()); i < count; i += ranks)
        batches.push_back(loader_.batch(step * count + i));
      staging_.put(batches);
      if (is_first() && o_.log_gradients > 0 && (step == 0 || (step + 1) % o_.log_gradients == 0))
        watched_ = batches.front();
      return nullptr;
    } catch (const Error&) {
      return std::current_exception();
    }
  }

  void log(std::uint64_t step, double rate, double seconds, const Losses& losses,
           const std::vector<TermGradient>& gradients) const {
    nlohmann::ordered_json line{{"step", step}, {"learning_rate", rate}, {"seconds", seconds}};
    for (const auto& [name, value] : losses) line["losses"][name] = value;
    for (const TermGradient& gradient : gradients)
      for (const auto& [part, value] : TermGradient::parts)
        line["gradients"][gradient.term][part] = gradient.*value;
    directory_.log(line);
  }

  static std::string losses_text(const Losses& losses) {
    std::string line;
    for (const auto& [name, value] : losses)
      if (name == "discriminator" || name == "total")
        line += text(line.empty() ? "" : ", ", name, ' ', std::fixed, std::setprecision(3), value);
    return line;
  }

  void save() {
    StateFile state = trainer_.state();
    state.metadata["data"] = data_hash_;
    state.metadata["objective"] = o_.objective;
    state.metadata["nlcl"] = version;
    directory_.save(state, trainer_.step(), o_.keep);
  }

  void write_generators() {
    const std::map<std::string, std::string> metadata{
        {"data", text(data_.rainy.size(), " rainy and ", data_.clean.size(), " clean images")},
        {"steps", std::to_string(trainer_.step())},
        {"objective", o_.objective},
        {"seed", std::to_string(o_.trainer.seed)},
        {"options", config_.without_paths},
        {"nlcl", version}};
    const auto write = [&](const char* name, Generator<float> generator) {
      // Its norms have seen nothing larger. But without a skip they decide how bright a tile is.
      if (o_.trainer.networks.skip && !generator.is_norm_free()) generator.set_tile(o_.crop);
      write_safetensors(directory_.path() / name, state_of(generator, metadata));
    };
    write("clean.safetensors", trainer_.clean());
    write("rain.safetensors", trainer_.rain());
  }

  // The first crop of the run, seen by the generators of now.
  void draw_samples() {
    const NoGrad no_grad;
    const Tensor<float> x = sample_.to(o_.trainer.device);
    const Tensor<float> background = trainer_.clean()(x).to(Device::cpu()),
                        rain = trainer_.rain()(x).to(Device::cpu());
    Random random(o_.trainer.seed, 1);
    write_samples(directory_, trainer_.step(), sample_, background, rain,
                  Queries::draw(sample_.shape(), random), o_.trainer.objective);
  }
  static Tensor<float> first_image(const Tensor<float>& batch) {
    const Index side = batch.shape()[1];
    return Tensor<float>({1, side, side, 3}, batch.values().first(static_cast<std::size_t>(side * side * 3)));
  }

  // A step on a device leaves the threads to the loader, one on the CPU needs them itself.
  int loader_threads() const { return o_.trainer.device.is_cuda() ? std::max(1, threads() - 1) : 1; }

  const Options& o_;
  Communicator& ranks_;
  const Data& data_;
  Configuration config_;
  RunDirectory directory_;
  std::string data_hash_;
  Trainer trainer_;
  Staging staging_;
  Loader loader_;
  Tensor<float> sample_;
  bool is_stopped_ = false;       // as all ranks know
  std::optional<Batch> watched_;  // of the next step, if its gradients are to be logged
};

// What the run's configuration will say: a resumed run then measures nothing again, and may begin in any folder.
void set_option(CLI::App& app, const std::string& name, const std::string& value) {
  CLI::Option* const option = app.get_option(name);
  option->clear();
  option->add_result(value);
}

// What is wrong with the folders of runs, told before the images are read.
void check_runs(const Options& o) {
  require<UsageError>(!tools::is_there(path_of(o.run)) || tools::is_folder(path_of(o.run)), o.run,
                      ": is a file, expected a folder");
  const std::string occupied = o.resume.empty() ? RunDirectory(path_of(o.run)).occupied() : "";
  require<UsageError>(occupied.empty(), occupied, "; use --resume, or another folder");
  require<UsageError>(o.start.empty() || !RunDirectory(path_of(o.start)).checkpoints().empty(), "--start ",
                      o.start, ": expected the folder of a run, with its checkpoints");
}

// Of the ranks of one machine each has its share of the threads, and a GPU of its own as far as they go.
void share_machine(Options& o, const Communicator& ranks) {
  const auto [rank, size] = ranks.on_this_machine();
  if (size == 1) return;
  if (o.compute.threads == 0) o.compute.threads = std::max(1, threads() / size);
  if constexpr (has_cuda)
    if (const int count = o.compute.device == "auto" ? cuda::device_count() : 0; count > 0)
      o.compute.device = text(Device::cuda(rank % count));
}

// Everything that is found out before a run begins; the options become those of its configuration.
void prepare(Options& o, CLI::App& app, const Communicator& ranks) {
  share_machine(o, ranks);
  o.trainer.device = o.compute.apply(app, o.quiet);
  require<UsageError>(o.accumulate % ranks.size() == 0, "--accumulate is ", o.accumulate,
                      ", expected a multiple of ", ranks.size(),
                      ": the processes share the batches of a step");
  if (!o.data.empty()) {
    require<UsageError>(o.rainy.empty() && o.clean.empty(),
                        "--data stands for --rainy and --clean, give it alone");
    const DataFolders folders = data_folders(path_of(o.data));
    o.rainy = folders.rainy.string(), o.clean = folders.clean.string();
  }
  require<UsageError>(!o.rainy.empty() && !o.clean.empty(), "expected --rainy and --clean, or --data");
  require<UsageError>(!o.run.empty(), "expected --output, the folder of the run");
  check_runs(o);
  if (o.resume.empty()) {
    set_option(app, "--rainy", fs::absolute(path_of(o.rainy)).string());
    set_option(app, "--clean", fs::absolute(path_of(o.clean)).string());
    set_option(app, "--data", "");
    if (!o.start.empty()) set_option(app, "--start", fs::absolute(path_of(o.start)).string());
    if (!o.found.empty()) set_option(app, "--found", fs::absolute(path_of(o.found)).string());
  }
  o.trainer.objective.layer_contrast.pooled = o.objective == "cvpr2022";
  require<UsageError>(o.found.empty() || o.trainer.objective.needs(Pass::drawn),
                      "--found is for the drawn term, expected a --drawn-weight above 0");
}

void measure(Options& o, CLI::App& app, const Data& data) {
  if (o.objective == "asymmetric") {
    auto& weight = o.trainer.objective.layer_contrast.weight;
    if (o.compactness == "measured") {
      const Compactness measured = measure_compactness(data.rainy, data.clean, o.trainer.seed);
      weight = measured.weight;
      say(o, text("intrinsic dimension: background ", measured.background_dimension, ", rain ",
                  measured.rain_dimension, "; weights ", weight[0], " and ", weight[1]));
      set_option(app, "--compactness", text(std::setprecision(17), weight[0], ",", weight[1]));
    } else {
      const auto given = parse_weights(o.compactness);
      require<UsageError>(given.has_value(), "--compactness is '", o.compactness,
                          "', expected two weights as in 0.8,1.2, or measured");
      weight = *given;
    }
  }
  say(o, text("training needs about ", tools::bytes_text(static_cast<std::size_t>(
                                           Trainer::memory(o.trainer, o.batch * o.crop * o.crop)))));
}

// The ranks as their GPUs see each other, where they can; else null.
std::unique_ptr<Communicator> gpus_of([[maybe_unused]] Communicator& ranks, [[maybe_unused]] Device device) {
#ifdef NLCL_NCCL
  if (ranks.size() > 1) return nccl_communicator(ranks, device);
#endif
  return nullptr;
}

int train(Options& o, CLI::App& app, Communicator& ranks) {
  std::optional<Data> data;
  together(ranks, [&] {
    prepare(o, app, ranks);
    data.emplace(o);
    measure(o, app, *data);
  });
  const std::unique_ptr<Communicator> gpus = gpus_of(ranks, o.trainer.device);
  Communicator& speaking = gpus ? *gpus : ranks;
  std::optional<Run> run;
  together(ranks, [&] { run.emplace(o, *data, configuration_of(app), speaking); });
  return run->train();
}

}  // namespace

int main(int argc, char** argv) {
#ifdef NLCL_MPI
  MpiCommunicator ranks;
#else
  Alone ranks;
#endif
  tools::is_heard = ranks.rank() == 0;
  CLI::App app{purpose, "nlcl-train"};
  app.footer(notes);
  Options options;
  options.accumulate = ranks.size();
  add_options(app, options);
  const int code = tools::run(app, argc, argv, [&] {
    try {
      return train(options, app, ranks);
    } catch (...) {
      if (!ranks.end()) tools::is_heard = true;  // nobody else knows of it
      throw;
    }
  });
  return ranks.end() || code != tools::all_done ? code : tools::some_failed;
}
