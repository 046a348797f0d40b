// Removes the rain from an image or from a folder of images with a trained generator, and shows the rain if asked to.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "common.hpp"
#include "generator.hpp"
#include "images.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/model/generator_plan.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::extension_of;
using tools::standard_stream;
using tools::UsageError;

namespace {

constexpr const char* purpose =
    "Removes the rain from an image, or from all images of a folder (PNG, JPEG, BMP and TGA; not of its "
    "subfolders).\n"
    "IN and OUT are both files or both folders; a hyphen is standard input or output. Grey images stay grey, "
    "and\n"
    "alpha is kept where the format has it.";

constexpr const char* notes =
    "The rain layer is drawn four times as bright as it is: black where nothing was added to the image, "
    "white where\n"
    "64 of 255 levels or more were. --compare puts the image and the result next to each other.\n\n"
    "Ctrl-C stops after the current image, a second one at once. A result is complete or not there.\n\n"
    "Exit codes: 0 all done; 1 some images failed; 2 wrong usage, or input or weights that are missing or "
    "not valid;\n"
    "3 out of memory, or no such device; 130 stopped by Ctrl-C.\n\n"
    "Examples:\n"
    "  nlcl-derain -i rainy.jpg -o clean.png -w back.safetensors\n"
    "  nlcl-derain -i photos -o clean -w back.safetensors --rain rain --rain-weights rain.safetensors";

struct Options {
  fs::path input, output, rain, comparison;  // the last two are empty when they are not wanted
  fs::path weights, rain_weights;
  std::string format;  // png or jpg; empty: by the name of the output
  int quality = 95;
  bool skip_existing = false, quiet = false, verbose = false;
  tools::Compute compute;
};

// One image: where it is read, and where its layers are written. A whole folder looks the same.
struct Job {
  fs::path input, output, rain, comparison;

  std::vector<fs::path> outputs() const {
    std::vector<fs::path> wanted{output};
    for (const fs::path& other : {rain, comparison})
      if (!other.empty()) wanted.push_back(other);
    return wanted;
  }
};

// ---------------------------------------------------------------- what to do, checked before the first image is read

bool is_jpeg(const fs::path& output, const std::string& format) {
  if (!format.empty()) return format == "jpg";
  const std::string extension = extension_of(output);
  const bool is_jpeg = extension == ".jpg" || extension == ".jpeg";
  require<UsageError>(is_jpeg || extension == ".png" || output == standard_stream, output.string(),
                      ": the name ends in '", extension, "', expected .png, .jpg or .jpeg, or a --format");
  return is_jpeg;
}

std::vector<Job> jobs_of(const Options& options) {
  const Job whole{options.input, options.output, options.rain, options.comparison};
  tools::check_kinds(whole.input, whole.outputs());
  std::vector<Job> jobs;
  if (!fs::is_directory(whole.input)) {
    for (const fs::path& output : whole.outputs())
      is_jpeg(output, options.format);  // throws if it cannot tell
    jobs.push_back(whole);
  } else {
    for (const fs::path& image : tools::images_in(whole.input)) {
      const fs::path name = image.stem() += options.format == "jpg" ? ".jpg" : ".png";
      const auto in = [&](const fs::path& folder) { return folder.empty() ? folder : folder / name; };
      jobs.push_back({image, in(whole.output), in(whole.rain), in(whole.comparison)});
    }
  }
  tools::check_collisions(jobs);
  return jobs;
}

// ------------------------------------------------------------------------------------------------------- one image

std::vector<std::byte> read_bytes(const fs::path& input) {
  if (input != standard_stream) return read_file(input);
  std::vector<std::byte> bytes;
  std::array<char, 65536> block;
  while (std::cin.read(block.data(), block.size()) || std::cin.gcount() > 0) {
    append(bytes, std::string_view(block.data(), static_cast<std::size_t>(std::cin.gcount())));
    require<IoError>(bytes.size() <= max_file_size, "more than ", max_file_size, " bytes");
  }
  return bytes;
}

void write_bytes(const fs::path& output, const std::vector<std::byte>& bytes) {
  tools::defer_stops();  // once something is written, a stop waits until the image is complete
  if (output != standard_stream) return write_file_atomically(output, bytes);
  errno = 0;
  std::cout.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()))
      .flush();
  require<IoError>(!std::cout.fail(),
                   "cannot write to standard output: ", std::generic_category().message(errno));
}

class Derainer {
 public:
  Derainer(const Options& options, Device device)
      : options_(options),
        device_(device),
        clean_(tools::read_plan(options.weights, device)),
        memory_(device) {
    if (!options.rain.empty()) rain_ = tools::read_plan(options.rain_weights, device);
  }

  // Returns what it took, in words. Nothing is written before everything is there.
  std::string operator()(const Job& job) {
    const auto start = std::chrono::steady_clock::now();
    const Image image = decode_image(read_bytes(job.input));
    memory_.prepare(image, clean_);
    if (rain_) memory_.prepare(image, *rain_);

    const Tensor<float> x = to_tensor(image).to(device_);
    const auto layer = [&](const GeneratorPlan& plan) { return plan(x).to(Device::cpu()); };
    const Image clean = to_image(layer(clean_));
    std::vector<std::pair<fs::path, std::vector<std::byte>>> files;
    files.emplace_back(job.output, encode(job.output, clean, image));
    if (rain_) files.emplace_back(job.rain, encode(job.rain, rain_picture(layer(*rain_)), image));
    if (!job.comparison.empty()) {
      const Image sheet = tools::sheet_of({{tools::colours_of(image), clean}});
      files.emplace_back(job.comparison, encode(job.comparison, sheet));
    }
    for (const auto& [path, bytes] : files) write_bytes(path, bytes);

    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return text(image.height, " x ", image.width, " pixels, ", std::fixed, std::setprecision(2),
                seconds.count(), " s, ", tools::bytes_text(memory_.peak()));
  }

 private:
  // The layer as a picture of the same kind as its source: grey or colour, with or without alpha.
  std::vector<std::byte> encode(const fs::path& output, const Image& colour, const Image& source) const {
    const Image opaque = source.channels < 3 ? to_grey(colour) : colour;
    return encode(output, is_jpeg(output, options_.format) ? opaque : with_alpha_of(opaque, source));
  }
  std::vector<std::byte> encode(const fs::path& output, const Image& image) const {
    return is_jpeg(output, options_.format) ? encode_jpeg(image, options_.quality) : encode_png(image);
  }

  const Options& options_;
  Device device_;
  GeneratorPlan clean_;
  std::optional<GeneratorPlan> rain_;
  tools::PlanMemory memory_;
};

// ------------------------------------------------------------------------------------------------------ all images

int derain(const Options& options, const CLI::App& app) {
  const Device device = options.compute.apply(app, options.quiet);
  const std::vector<Job> jobs = jobs_of(options);
  Derainer derain(options, device);
  const bool is_folder = fs::is_directory(options.input);
  for (const fs::path& output :
       Job{options.input, options.output, options.rain, options.comparison}.outputs())
    tools::prepare_place(output, is_folder);

  const tools::Progress progress("images", jobs.size(), is_folder && !options.quiet);
  const auto name_of = [](const Job& job) {
    return job.input == standard_stream ? "standard input" : job.input.string();
  };
  const auto describe = [&](const std::exception& error, const Job& job) {
    return tools::message_of(error, name_of(job));
  };
  return tools::for_each_image("nlcl-derain", jobs, progress, describe, [&](const Job& job) {
    const bool exists =
        std::ranges::all_of(job.outputs(), [](const fs::path& output) { return fs::exists(output); });
    const bool is_skipped = options.skip_existing && exists;
    const std::string report = is_skipped ? "exists already" : derain(job);
    if (options.verbose) progress.say(text(name_of(job), ": ", report));
    return !is_skipped;
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-derain");
  app.footer(notes);
  Options options;
  app.add_option("-i,--input", options.input, "image or folder")
      ->required()
      ->check(
          [](const std::string& path) { return path == standard_stream ? "" : tools::check_exists(path); })
      ->option_text("IN");
  app.add_option("-o,--output", options.output, "image, or folder, which is created if need be")
      ->required()
      ->option_text("OUT");
  app.add_option("-w,--weights", options.weights, "generator of the clean layer, .safetensors or .pth")
      ->required()
      ->option_text("FILE");
  auto* rain = app.add_option("--rain", options.rain, "write the rain layer too, to a file or folder as OUT");
  auto* rain_weights = app.add_option("--rain-weights", options.rain_weights, "generator of the rain layer");
  rain->needs(rain_weights)->option_text("OUT");
  rain_weights->needs(rain)->option_text("FILE");
  app.add_option("--compare", options.comparison,
                 "write before and after next to each other too, to a file or folder as OUT")
      ->option_text("OUT");
  app.add_option("-f,--format", options.format, "png or jpg (default: by the name of OUT, for a folder png)")
      ->check(CLI::IsMember({"png", "jpg"}))
      ->option_text("NAME");
  app.add_option("-q,--quality", options.quality, "of JPEG, 1 to 100 (default: 95)")
      ->check(CLI::Range(1, 100))
      ->option_text("N");
  app.add_flag("--skip-existing", options.skip_existing, "leave out images whose results are there");
  auto* quiet = app.add_flag("--quiet", options.quiet, "no progress line, only errors");
  auto* verbose =
      app.add_flag("-v,--verbose", options.verbose, "a line for each image: size, seconds, memory");
  quiet->excludes(verbose)->option_text(" ");
  verbose->excludes(quiet)->option_text(" ");
  options.compute.add_to(app);
  return tools::run(app, argc, argv, [&] { return derain(options, app); });
}
