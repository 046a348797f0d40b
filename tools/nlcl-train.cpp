// Trains the two generators on a folder of rainy and a folder of clean photographs that have nothing to do
// with each other.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "common.hpp"
#include "nlcl/analysis/compactness.hpp"
#include "nlcl/io/dataset.hpp"
#include "nlcl/train/loader.hpp"
#include "nlcl/train/report.hpp"
#include "nlcl/train/run_directory.hpp"
#include "nlcl/train/staging.hpp"
#include "nlcl/train/trainer.hpp"

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
    "Ctrl-C stops after the current step, with a checkpoint; a second one at once.\n\n"
    "Exit codes: 0 all done; 1 training failed; 2 wrong usage or data; 3 out of memory, or no such device; "
    "130 stopped\n"
    "by Ctrl-C.\n\n"
    "Examples:\n"
    "  nlcl-train --rainy photos/rain --clean photos/dry -o run --steps 20000\n"
    "  nlcl-train --resume run";

struct Options {
  std::string rainy, clean, data, run, resume, start, objective = "asymmetric";
  Index crop = 256, batch = 1, accumulate = 1;
  TrainerOptions trainer;
  std::string compactness = "measured";  // or the weights of background and rain
  std::uint64_t log_every = 1, save_every = 500, sample_every = 500;
  std::size_t keep = 3, image_memory = 2048;  // the latter in megabytes
  bool quiet = false;
  tools::Compute compute;
};

void add_options(CLI::App& app, Options& o) {
  app.option_defaults()->always_capture_default();  // the configuration that a run writes has them all
  app.add_option("--rainy", o.rainy, "folder of rainy images")->option_text("DIR");
  app.add_option("--clean", o.clean, "folder of clean images")->option_text("DIR");
  app.add_option("--data", o.data, "a folder with both, as trainA and trainB or as rainy and clean")
      ->option_text("DIR");
  app.add_option("-o,--output", o.run, "the run's folder")->option_text("RUN");
  app.add_option("--resume", o.resume, "continue the run in this folder, with its configuration")
      ->option_text("RUN")
      ->configurable(false);
  app.add_option("--start", o.start, "begin with the networks of the run in this folder")->option_text("RUN");
  app.set_config("--config", "", "read options from a TOML file, as a run writes it")->option_text("FILE");

  app.add_option("--steps", o.trainer.steps, "steps of the whole run")
      ->check(CLI::Range(1u, 1u << 31))
      ->option_text("N");
  app.add_option("--decay", o.trainer.decay_steps, "of them at the end, while the rate falls to zero")
      ->option_text("N");
  app.add_option("--crop", o.crop, "side of the square crops in pixels")
      ->check(CLI::Range(40, 4096))
      ->option_text("N");
  app.add_option("--batch", o.batch, "images of each kind in a step")
      ->check(CLI::Range(1, 256))
      ->option_text("N");
  app.add_option("--accumulate", o.accumulate, "batches whose gradients are added for a step")
      ->check(CLI::Range(1, 256))
      ->option_text("N");
  app.add_option("--lr", o.trainer.learning_rate, "learning rate")
      ->check(CLI::PositiveNumber)
      ->option_text("X");
  app.add_option("--seed", o.trainer.seed, "of everything that is drawn")->option_text("N");
  app.add_option("--average", o.trainer.average, "decay of a running mean of the generators; 0: none")
      ->check(CLI::Range(0.0, 0.99999))
      ->option_text("X");
  app.add_option("--objective", o.objective, "asymmetric or cvpr2022")
      ->check(CLI::IsMember({"asymmetric", "cvpr2022"}))
      ->option_text("NAME");
  app.add_option("--compactness", o.compactness, "weights of background and rain as B,R, or measured")
      ->option_text("B,R");
  app.add_option("--discriminator-rate", o.trainer.discriminator_rate,
                 "its learning rate, as a multiple of --lr")
      ->check(CLI::PositiveNumber)
      ->option_text("X");
  app.add_option("--discriminator-gain", o.trainer.networks.discriminator_gain, "of its initial weights")
      ->check(CLI::PositiveNumber)
      ->option_text("X");
  app.add_option("--skip", o.trainer.networks.skip,
                 "a skip from the input to the output keeps the colours (ours)")
      ->option_text("true|false");
  auto& objective = o.trainer.objective;
  const auto weight = [&](const std::string& term, double& value) {
    app.add_option("--" + term + "-weight", value, "weight of the " + term + " loss")
        ->check(CLI::NonNegativeNumber)
        ->option_text("X");
  };
  weight("adversarial", objective.adversarial);
  weight("location", objective.location);
  weight("layer", objective.layer);
  weight("consistency", objective.consistency);
  weight("sparsity", objective.sparsity);
  weight("chroma", objective.chroma);
  weight("identity", objective.identity);
  weight("recomposition", objective.recomposition.weight);
  app.add_option("--recomposition-gain", objective.recomposition.gain,
                 "how much stronger the rain that is found is laid over clean images (ours)")
      ->check(CLI::PositiveNumber)
      ->option_text("X");
  app.add_option("--recomposition-high-pass", objective.recomposition.high_pass,
                 "share of its local mean that is taken off first (ours)")
      ->check(CLI::Range(0.0, 1.0))
      ->option_text("X");
  app.add_option("--recomposition-threshold", objective.recomposition.threshold,
                 "what is weaker is left out; white is 2 above black (ours)")
      ->check(CLI::Range(0.0, 1.0))
      ->option_text("X");
  weight("drawn", objective.drawn);
  const auto patches = [&](const std::string& search, Index& count) {
    app.add_option("--" + search + "-patches", count, "nearest patches that the " + search + " search keeps")
        ->check(CLI::Range(1, 1600))
        ->option_text("K");
  };
  patches("location", objective.location_patches);
  patches("back", objective.back_patches);
  patches("rain", objective.rain_patches);
  app.add_option("--temperature-back", objective.layer_contrast.temperature[0], "of background anchors")
      ->check(CLI::PositiveNumber)
      ->option_text("X");
  app.add_option("--temperature-rain", objective.layer_contrast.temperature[1], "of rain anchors")
      ->check(CLI::PositiveNumber)
      ->option_text("X");
  app.add_option("--log-every", o.log_every, "steps")->check(CLI::PositiveNumber)->option_text("N");
  app.add_option("--save-every", o.save_every, "steps between checkpoints")
      ->check(CLI::PositiveNumber)
      ->option_text("N");
  app.add_option("--sample-every", o.sample_every, "steps between pictures for the report")
      ->check(CLI::PositiveNumber)
      ->option_text("N");
  app.add_option("--keep", o.keep, "checkpoints that are kept")->check(CLI::Range(1, 1000))->option_text("N");
  app.add_option("--image-memory", o.image_memory, "megabytes of decoded images kept, if all of a folder fit")
      ->check(CLI::Range(0, 1 << 20))
      ->option_text("MB");
  app.add_flag("--quiet", o.quiet, "say nothing but errors")->configurable(false);
  o.compute.add_to(app);
}

// What a pixel of a crop keeps on the tape, as measured on the CPU with crops of 128, 256 and 384 pixels, with a pass
// of G_B more for the recomposition and for the drawn rain, and what all networks and their optimisers hold, in bytes.
double memory_needed(const Options& o) {
  constexpr double networks = 110e6, pass = 3700;
  const ObjectiveOptions& terms = o.trainer.objective;
  const int passes = (terms.recomposition.weight != 0) + (terms.drawn != 0);
  return networks + (25'100 + passes * pass) * static_cast<double>(o.batch * o.crop * o.crop);
}

void say(const Options& o, const std::string& line) {
  if (!o.quiet) std::cerr << line << '\n';
}

// The folders, after everything that looks wrong about them has been said.
struct Data {
  ImageFolder rainy, clean;

  explicit Data(const Options& o) : rainy(o.rainy, memory(o)), clean(o.clean, memory(o)) {
    if (!o.quiet) std::cerr << size_table(rainy, clean);
    for (const auto* folder : {&rainy, &clean})
      for (const std::string& line : folder->unreadable()) std::cerr << "left out: " << line << '\n';
    for (const std::string& line : data_warnings(rainy, clean, o.crop))
      std::cerr << "warning: " << line << '\n';
  }
  std::string hash() const { return rainy.hash() + clean.hash(); }

 private:
  static ImageFolderOptions memory(const Options& o) { return {.memory = o.image_memory * 1'000'000}; }
};

class Run {
 public:
  Run(const Options& o, const Data& data, const std::string& config)
      : o_(o),
        data_(data),
        config_(config),
        directory_(o.run),
        data_hash_(data.hash()),
        trainer_(o.trainer),
        staging_(o.trainer.device),
        loader_(data.rainy, data.clean,
                {.crop = o.crop,
                 .batch = o.batch,
                 .seed = o.trainer.seed,
                 .draws_rain = o.trainer.objective.drawn != 0}) {
    const auto begin = [&] {
      directory_.cut_log(0);
      if (o.start.empty()) return;
      require<UsageError>(fs::is_directory(fs::path(o.start) / "checkpoints"), "--start ", o.start,
                          ": expected the folder of a run, with its checkpoints");
      trainer_.begin_from(RunDirectory(o.start).load_latest());
      say(o, text("beginning with the networks of ", o.start));
    };
    if (o.resume.empty()) {
      require<UsageError>(directory_.checkpoints().empty(), o.run,
                          ": has checkpoints of another run; use --resume, or another folder");
      begin();
      write_file_atomically(directory_.path() / "config.toml", std::as_bytes(std::span(config)));
    } else if (directory_.checkpoints().empty()) {  // it was stopped before the first one
      say(o, "no checkpoint yet: beginning with the first step");
      begin();
    } else {
      const StateFile state = directory_.load_latest();
      const auto hash = state.metadata.find("data");
      require<UsageError>(hash != state.metadata.end() && hash->second == data_hash_, o.run,
                          ": the images are not those that the run was started with");
      trainer_.load(state);
      directory_.cut_log(trainer_.step());
      say(o, text("resuming after step ", trainer_.step()));
    }
  }

  int train() {
    tools::defer_stops();
    const tools::Progress progress("steps", o_.trainer.steps, !o_.quiet);
    const std::uint64_t first = trainer_.step();
    sample_ = first_image(loader_.batch(0).rainy);  // while the images are there
    if (const std::exception_ptr missing = stage(first)) save_and_rethrow(missing);
    while (trainer_.step() < o_.trainer.steps && !tools::stop_signal) {
      const auto start = std::chrono::steady_clock::now();
      const double rate = learning_rate(o_.trainer, trainer_.step());
      trainer_.start(staging_.take());
      const std::exception_ptr missing = stage(trainer_.step() + 1);
      const Losses losses = trainer_.finish();
      const std::uint64_t step = trainer_.step();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      if (step % o_.log_every == 0 || step == o_.trainer.steps) log(step, rate, seconds.count(), losses);
      if (step % o_.sample_every == 0 || step == 1) {
        draw_samples();
        write_report(directory_);
      }
      if (step % o_.save_every == 0 && step < o_.trainer.steps) save();
      progress.show(step, step - first, losses_text(losses));
      if (missing) save_and_rethrow(missing);
    }
    save();
    write_generators();
    if (trainer_.step() == o_.trainer.steps) draw_samples();
    write_report(directory_);
    say(o_, text("\n", (directory_.path() / "report.html").string()));
    return tools::stop_signal ? 130 : tools::all_done;
  }

 private:
  // Begins to bring the batches of a step to the device, if there is to be such a step. Returns what is wrong with
  // them: images that are gone cost no step that has been made.
  std::exception_ptr stage(std::uint64_t step) {
    if (step >= o_.trainer.steps || tools::stop_signal) return nullptr;
    try {
      std::vector<Batch> batches;
      const auto count = static_cast<std::uint64_t>(o_.accumulate);
      for (std::uint64_t i = 0; i < count; ++i) batches.push_back(loader_.batch(step * count + i));
      staging_.put(batches);
      return nullptr;
    } catch (const Error&) {
      return std::current_exception();
    }
  }

  [[noreturn]] void save_and_rethrow(const std::exception_ptr& error) {
    save();
    std::rethrow_exception(error);
  }

  void log(std::uint64_t step, double rate, double seconds, const Losses& losses) const {
    nlohmann::ordered_json line{{"step", step}, {"learning_rate", rate}, {"seconds", seconds}};
    for (const auto& [name, value] : losses) line["losses"][name] = value;
    directory_.log(line);
  }

  static std::string losses_text(const Losses& losses) {
    std::string line;
    for (const auto& [name, value] : losses)
      if (name == "discriminator" || name == "total")
        line += text(", ", name, " ", std::fixed, std::setprecision(3), value);
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
        {"options", without_paths(config_)},
        {"nlcl", version}};
    const auto write = [&](const char* name, Generator<float> generator) {
      // Its norms have seen nothing larger. But without a skip they decide how bright a tile is.
      if (o_.trainer.networks.skip) generator.set_tile(o_.crop);
      write_safetensors(directory_.path() / name, state_of(generator, metadata));
    };
    write("clean.safetensors", trainer_.clean());
    write("rain.safetensors", trainer_.rain());
  }

  // The configuration as it may be shown to others: where the images lie is nobody's business.
  static std::string without_paths(const std::string& config) {
    std::istringstream lines(config);
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
      const std::string name = line.substr(0, line.find('='));
      if (name != "rainy" && name != "clean" && name != "data" && name != "output" && name != "start")
        kept += line + '\n';
    }
    return kept;
  }

  // The first crop of the run, seen by the generators of now.
  void draw_samples() {
    const NoGrad no_grad;
    const Tensor<float> x = sample_.to(o_.trainer.device);
    const Tensor<float> back = trainer_.clean()(x).to(Device::cpu()),
                        rain = trainer_.rain()(x).to(Device::cpu());
    Random random(o_.trainer.seed, 1);
    Queries queries;
    for (auto* query : {&queries.rainy, &queries.clean, &queries.back, &queries.rain})
      *query = draw_queries(sample_.shape(), random);
    write_samples(directory_, trainer_.step(), sample_, back, rain, queries, o_.trainer.objective);
  }
  static Tensor<float> first_image(const Tensor<float>& batch) {
    const Index side = batch.shape()[1];
    return Tensor<float>({1, side, side, 3}, batch.values().first(static_cast<std::size_t>(side * side * 3)));
  }

  const Options& o_;
  const Data& data_;
  std::string config_;
  RunDirectory directory_;
  std::string data_hash_;
  Trainer trainer_;
  Staging staging_;
  Loader loader_;
  Tensor<float> sample_;
};

// What the run's configuration will say: a resumed run then measures nothing again, and may begin in any folder.
void set_option(CLI::App& app, const std::string& name, const std::string& value) {
  CLI::Option* const option = app.get_option(name);
  option->clear();
  option->add_result(value);
}

int train(Options& o, CLI::App& app) {
  o.trainer.device = o.compute.apply(app, o.quiet);
  if (!o.data.empty()) {
    require<UsageError>(o.rainy.empty() && o.clean.empty(),
                        "--data stands for --rainy and --clean, give it alone");
    const DataFolders folders = data_folders(o.data);
    o.rainy = folders.rainy.string(), o.clean = folders.clean.string();
  }
  require<UsageError>(!o.rainy.empty() && !o.clean.empty(), "expected --rainy and --clean, or --data");
  require<UsageError>(!o.run.empty(), "expected --output, the folder of the run");
  if (o.resume.empty()) {
    set_option(app, "--rainy", fs::absolute(o.rainy).string());
    set_option(app, "--clean", fs::absolute(o.clean).string());
    set_option(app, "--data", "");
    if (!o.start.empty()) set_option(app, "--start", fs::absolute(o.start).string());
  }
  o.trainer.objective.layer_contrast.pooled = o.objective == "cvpr2022";

  const Data data(o);
  if (o.objective == "asymmetric") {
    auto& weight = o.trainer.objective.layer_contrast.weight;
    if (o.compactness == "measured") {
      const Compactness measured = measure_compactness(data.rainy, data.clean, o.trainer.seed);
      weight = measured.weight;
      say(o, text("intrinsic dimension: background ", measured.back_dimension, ", rain ",
                  measured.rain_dimension, "; weights ", weight[0], " and ", weight[1]));
      set_option(app, "--compactness", text(std::setprecision(17), weight[0], ",", weight[1]));
    } else {
      char end = 0;
      const int read = std::sscanf(o.compactness.c_str(), "%lf,%lf%c", &weight[0], &weight[1], &end);
      require<UsageError>(read == 2 && std::min(weight[0], weight[1]) >= 0, "--compactness is '",
                          o.compactness, "', expected two weights as in 0.8,1.2, or measured");
    }
  }
  say(o, text("training needs about ", tools::bytes_text(static_cast<std::size_t>(memory_needed(o)))));
  return Run(o, data, app.config_to_str(true, false)).train();
}

// `--resume RUN` reads RUN/config.toml before everything else on the command line.
std::vector<std::string> with_config_of_run(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (std::size_t i = 0; i + 1 < arguments.size(); ++i)
    if (arguments[i] == "--resume") {
      const std::string run = arguments[i + 1];
      arguments.insert(arguments.begin(),
                       {"--config", (fs::path(run) / "config.toml").string(), "--output", run});
      break;
    }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{purpose, "nlcl-train"};
  app.footer(notes);
  Options options;
  add_options(app, options);
  std::vector<std::string> arguments = with_config_of_run(argc, argv);
  std::vector<char*> pointers{argv[0]};
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return tools::run(app, static_cast<int>(pointers.size()), pointers.data(),
                    [&] { return train(options, app); });
}
