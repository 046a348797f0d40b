// Draws rain on a photograph or on a folder of photographs, to train and to measure where the truth is known.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"
#include "images.hpp"
#include "nlcl/core/hash.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/image_format.hpp"
#include "nlcl/pages/drawing.hpp"
#include "nlcl/synth/rain.hpp"
#include "nlcl/synth/weather.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::UsageError;

namespace {

const std::string purpose =
    "Draws rain on a photograph, or on all images of a folder (" + image_format_names(" and ") +
    "; not of its subfolders).\n"
    "IN and OUT are both files or both folders. At least one of --output, --clean and --rain is to be given; "
    "a\n"
    "folder gets PNGs of the images' names. Grey images stay grey, and alpha is kept where the format has "
    "it.";

constexpr const char* notes =
    "The rain of an image depends on --seed and on the image's name and size, and on no other image. An "
    "angle,\n"
    "a length and so on that is given replaces that of the preset.\n\n"
    "Ctrl-C stops after the current image, a second one at once.\n\n"
    "Exit codes: 0 all done; 1 some images failed; 2 wrong usage; 3 out of memory;\n"
    "130 stopped by Ctrl-C, 143 by SIGTERM.\n\n"
    "Examples:\n"
    "  nlcl-synth -i dry.jpg -o rainy.png --preset heavy --angle -20\n"
    "  nlcl-synth -i photos -o rainy --clean truth --vary --shrink 1024";

const std::map<std::string, RainOptions> presets{
    {"light", light_rain}, {"medium", medium_rain}, {"heavy", heavy_rain}};

// One image: where it is read, and where what is wanted of it is written. A whole folder looks the same.
struct Job {
  fs::path input, rainy, clean, rain;

  std::vector<fs::path> outputs() const {
    std::vector<fs::path> wanted{rainy, clean, rain};
    std::erase(wanted, fs::path());
    return wanted;
  }
};

struct Options {
  Job whole;
  std::uint64_t seed = 0;
  std::string preset = "medium";
  std::vector<std::pair<double RainOptions::*, double>> changes;  // to the preset
  Index longest = 0;                                              // side in pixels; 0: as it is
  int threads = 0;                                                // 0: one for each core
  bool is_varied = false, quiet = false;

  bool is_weather() const { return preset == "weather"; }

  // Of one image.
  RainOptions rain(Random& random) const {
    RainOptions rain = preset == "any" ? any_rain_options(random) : presets.at(preset);
    for (const auto& [option, value] : changes) rain.*option = value;
    return is_varied ? random_rain_options(random, rain) : rain;
  }
};

// ---------------------------------------------------- what to do, checked before the first image is read

std::vector<Job> jobs_of(const Job& whole) {
  require<UsageError>(!whole.outputs().empty(), "nothing to write: expected --output, --clean or --rain");
  tools::check_kinds(whole.input, whole.outputs());
  std::vector<Job> jobs;
  if (!tools::is_folder(whole.input)) {
    for (const fs::path& output : whole.outputs()) tools::written_format(output);
    jobs.push_back(whole);
  } else {
    for (const fs::path& image : tools::images_in(whole.input)) {
      const fs::path name = image.stem() += ".png";
      const auto in = [&](const fs::path& folder) { return folder.empty() ? folder : folder / name; };
      jobs.push_back({image, in(whole.rainy), in(whole.clean), in(whole.rain)});
    }
  }
  tools::check_collisions(jobs);
  return jobs;
}

// ----------------------------------------------------------------------------------------------- one image

// Smaller by a whole factor, so that no side is longer than `longest`: each pixel is the mean of a square,
// and what is left over at the right and at the bottom is cut off.
Image fitted_in(const Image& image, Index longest) {
  const Index factor = longest > 0 ? (std::max(image.height, image.width) + longest - 1) / longest : 1;
  if (factor <= 1) return image;
  const Index height = image.height / factor, width = image.width / factor;
  require<ShapeError>(height > 0 && width > 0, image.height, " x ", image.width,
                      " pixels cannot be shrunk by ", factor);
  return shrunk(image, {0, 0, height * factor, width * factor}, height, width);
}

void write(const fs::path& output, const Image& image) {
  if (output.empty()) return;
  write_image(output, tools::written_format(output).has_alpha ? image : without_alpha(image));
}

// Grey stays grey, and alpha as it is.
Image in_any_weather(const Image& clean, Random& random) {
  const Weather weather = any_weather(random);
  const Image taken = to_image(in_weather(to_tensor(clean), weather, random));
  return with_alpha_of(clean.channels < 3 ? to_grey(taken) : taken, clean);
}

void draw_rain(const Job& job, const Options& options) {
  const Image clean = fitted_in(read_image(job.input), options.longest);
  const std::string name = job.input.stem().string();
  Random random(options.seed, fnv1a(bytes_of(name)));
  if (options.is_weather()) {
    const Image rainy = in_any_weather(clean, random);
    tools::defer_stops();
    write(job.rainy, rainy);
    write(job.clean, clean);
    return;
  }
  const RainOptions kind = options.rain(random);
  const Tensor<float> rain = render_rain(clean.height, clean.width, kind, random);

  tools::defer_stops();  // once something is written, a stop waits until the image is complete
  write(job.rainy, add_rain(clean, rain, kind));
  write(job.clean, clean);
  write(job.rain, rain_to_image(rain));
}

// ---------------------------------------------------------------------------------------------- all images

int draw_all(const Options& options) {
  if (options.threads > 0) set_threads(options.threads);
  require<UsageError>(
      !options.is_weather() || (options.whole.rain.empty() && options.changes.empty() && !options.is_varied),
      "--preset weather draws all numbers itself, and has no rain layer: expected no --rain, no --vary, and "
      "no angle, length and so on");
  const std::vector<Job> jobs = jobs_of(options.whole);
  const bool is_folder = tools::is_folder(options.whole.input);
  for (const fs::path& output : options.whole.outputs()) tools::prepare_place(output, is_folder);

  const tools::Progress progress("images", jobs.size(), is_folder && !options.quiet);
  const auto describe = [](const std::exception& error, const Job& job) {
    return tools::message_of(error, job.input.string());
  };
  return tools::for_each_image("nlcl-synth", jobs, progress, describe, [&](const Job& job) {
    draw_rain(job, options);
    return true;
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-synth");
  app.footer(notes);
  Options options;
  Job& whole = options.whole;
  app.add_option("-i,--input", whole.input, "clean image or folder")
      ->required()
      ->check(tools::check_exists)
      ->option_text("IN");
  app.add_option("-o,--output", whole.rainy, "rainy image, or folder, which is created if need be")
      ->option_text("OUT");
  app.add_option("--clean", whole.clean, "write the clean image there, as it was drawn on")
      ->option_text("OUT");
  app.add_option("--rain", whole.rain, "write the rain layer there, in grey")->option_text("OUT");

  app.add_option("--preset", options.preset,
                 "light, medium or heavy rain; any, which draws all numbers anew for each image; or weather, "
                 "which draws mist "
                 "and a camera too (default: medium)")
      ->check(tools::one_of({"light", "medium", "heavy", "any", "weather"}))
      ->option_text("NAME");
  for (const RainOptionInfo& info : rain_option_table) {
    const auto set = [&options, value = info.value](double given) {
      options.changes.emplace_back(value, given);
    };
    app.add_option_function<double>(text("--", info.name), set,
                                    text(info.meaning, "; ", info.lowest, " to ", info.highest))
        ->check(tools::within(info.lowest, info.highest))
        ->option_text("X");
  }
  app.add_flag("--vary", options.is_varied, "draw angle, length and so on anew for each image")
      ->option_text(" ");
  app.add_option("--seed", options.seed, "of everything that is drawn (default: 0)")
      ->check(tools::not_negative<std::uint64_t>())
      ->option_text("N");
  app.add_option("--shrink", options.longest, "shrink by a whole factor, to sides of at most N pixels")
      ->check(tools::within(1, 1 << 14))
      ->option_text("N");
  app.add_option("-j,--threads", options.threads, "number of threads (default: all cores)")
      ->check(tools::within(1, 1024))
      ->option_text("N");
  app.add_flag("--quiet", options.quiet, "no progress line, only errors")->option_text(" ");
  return tools::run(app, argc, argv, [&] { return draw_all(options); });
}
