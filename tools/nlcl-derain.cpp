// Removes the rain from an image or from a folder of images with a trained generator, and shows the rain if asked to.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "common.hpp"
#include "derain_video.hpp"
#include "derainer.hpp"
#include "generator.hpp"
#include "images.hpp"
#include "jobs.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/image_format.hpp"
#include "nlcl/io/pixels.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/pages/sheet.hpp"
#include "shard.hpp"
#include "weights.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::standard_stream;
using tools::UsageError;

namespace {

const std::string purpose = "Removes the rain from images (" + image_format_names(" and ") + R"().
The result of photo.jpg is photo-derained.jpg beside it, or what -o says. Folders and patterns as '*.jpg' mean the images in
them, without results of earlier calls. A hyphen is standard input or output. Grey images stay grey, and alpha is kept where
the format has it.)";

constexpr const char* notes =
    R"(An OUT is a file for one image, else a folder, which is created if need be. In it the images have their names, and with
--recursive their subfolders. A folder named by -i gives PNGs. Nothing is written over an image that is read.

The rain layer is what was found, the image less the clean layer, or what --rain-weights find. It is drawn
four times as bright as it is: black where nothing was added to the image, white where 64 of 255 levels or more were.
--compare puts the image and the result next to each other.

An image of N pixels takes 12 N bytes and some megabytes, with 16 bits twice as much; 300 N with weights without tiles.

--video reads and writes a stream, as ffmpeg -f yuv4mpegpipe does, with 8 to 16 bits, 4:2:0, 4:2:2, 4:4:4 or grey. Header and
tags stay; samples without rain stay as they are, bit by bit.

Ctrl-C stops after the current image, or within it if that takes longer; a second one at once. A result is complete or not
there; a video has whole frames.

Exit codes: 0 all done; 1 some images failed; 2 wrong usage, or input or weights that are missing or not valid;
3 out of memory, or no such device; 130 stopped by Ctrl-C, 143 by SIGTERM.

Examples:
  nlcl-derain photo.jpg                 writes photo-derained.jpg
  nlcl-derain photos --recursive -o clean --rain rain
  nlcl-derain '*.jpg' --strength 0.7 -o fainter
  nlcl-derain photos -o clean --shard 3/8 --skip-existing      one of eight jobs, which can be started again
  nlcl-derain large.jpg --region 1200,800,400,300
  ffmpeg -i in.mp4 -f yuv4mpegpipe - | nlcl-derain --video - -o - | ffmpeg -i - out.mp4
  nlcl-derain -i rainy.jpg -o clean.png -w back.safetensors --rain r.png --rain-weights rain.safetensors)";

// Seconds that somebody waits for an image after Ctrl-C: one that takes longer is left.
constexpr double patience = 2;

struct Options {
  fs::path input;               // by -i; empty: by `names`
  std::vector<fs::path> names;  // images, folders and patterns
  bool recursive = false;
  tools::Shard shard;
  fs::path output, rain, comparison;  // empty: beside the image, and for the last two: not wanted
  fs::path weights, rain_weights;     // the last are empty for what was found
  std::string key;                    // of the weights, where there are several
  float strength = 1;
  std::optional<Region> region;  // none: all of an image
  std::uint64_t memory = 0;      // bytes; 0: all that can be had
  bool is_video = false;
  std::string matrix = "auto";
  std::string format;  // an extension without its point; empty: by the name of the output
  std::optional<int> quality;
  bool is_tolerant = false;
  bool skip_existing = false, quiet = false, verbose = false;
  tools::Compute compute;
};

// One image: where it is read, and where its layers are written.
struct Job {
  fs::path input, output, rain, comparison;
  fs::path name;  // in its folder

  std::vector<fs::path> outputs() const {
    std::vector<fs::path> wanted{output};
    for (const fs::path& other : {rain, comparison})
      if (!other.empty()) wanted.push_back(other);
    return wanted;
  }
};

// ---------------------------------------------------------------- what to do, checked before the first image is read

// The names of the formats for --format.
std::vector<std::string> written_formats() {
  std::vector<std::string> names;
  for (const ImageFormat& format : image_formats())
    if (format.encode) names.push_back(format.extensions.front().substr(1));
  return names;
}

// The one that is asked for, else by the name of the output; PNG on standard output.
const ImageFormat& format_of(const fs::path& output, const std::string& asked_for) {
  if (asked_for.empty() && output != standard_stream) return tools::written_format(output, ", or a --format");
  return *image_format_of_extension(asked_for.empty() ? ".png" : "." + asked_for);
}

// As the image where that can be written and was not named by -i, else PNG; or what is asked for.
std::string result_extension(const fs::path& image, const Options& options) {
  if (!options.format.empty()) return "." + options.format;
  const ImageFormat* const format = image_format_of(image);
  return options.input.empty() && format && format->encode ? image.extension().string() : ".png";
}

// All images, and the folders that are to be there for their results.
struct Work {
  std::vector<Job> jobs;
  std::set<fs::path> folders;
  std::string left_out;  // pictures that are not read; empty: there are none
};

Work work_of(const Options& options) {
  const bool is_by_option = !options.input.empty();
  require<UsageError>(is_by_option || !options.names.empty(), "no image is given (see nlcl-derain --help)");
  require<UsageError>(!is_by_option || options.names.empty(),
                      options.names.empty() ? "" : options.names[0].string(),
                      ": images are named by -i or without it, not both");
  const std::vector<fs::path> results{options.output, options.rain, options.comparison};
  tools::Inputs inputs = tools::find_images(is_by_option ? std::vector{options.input} : options.names,
                                            options.recursive, results);
  if (is_by_option)
    tools::check_kinds(options.input, results);
  else
    tools::leave_out_results(inputs);

  Work work;
  work.left_out = inputs.foreign;
  const auto place_of = [&](const tools::FoundImage& image, const fs::path& out) {
    if (out.empty()) return out;
    if (inputs.is_one && (is_by_option || !tools::is_meant_as_folder(out))) {
      format_of(out, options.format);  // throws if it cannot tell
      return out;
    }
    require<UsageError>(tools::could_be_folder(out), out.string(), ": expected a folder for ",
                        inputs.images.size(), " images");
    const fs::path place = (out / image.name).replace_extension(result_extension(image.file, options));
    work.folders.insert(place.parent_path());
    return place;
  };
  for (const tools::FoundImage& image : inputs.images) {
    fs::path output = place_of(image, options.output);
    if (output.empty())
      output = image.file == standard_stream
                   ? standard_stream
                   : tools::place_beside(image.file, options.region ? "-region" : "",
                                         result_extension(image.file, options));
    work.jobs.push_back(
        {image.file, output, place_of(image, options.rain), place_of(image, options.comparison), image.name});
  }
  tools::check_collisions(work.jobs);  // of all parts, whoever takes them
  std::erase_if(work.jobs, [&](const Job& job) { return !options.shard.has(job.name); });
  return work;
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

// Takes the rain off one image after the other, from file to file.
class FileDerainer {
 public:
  FileDerainer(const Options& options, const tools::Derainer::Settings& settings, Device device)
      : options_(options), settings_(settings), derain_(settings, device) {}

  // Returns what it took, in words. Nothing is written before everything is there. warn(line) is told what was odd about the
  // file, after(part) how much is done.
  std::string operator()(const Job& job, const auto& warn, const auto& after) {
    const auto start = std::chrono::steady_clock::now();
    Photo photo = decode_photo(read_bytes(job.input), decode_options());
    for (const std::string& warning : photo.warnings) warn(warning);
    const Index height = photo.height(), width = photo.width();
    std::optional<Image> rain, before;
    if (!job.rain.empty()) rain = to_8_bits(photo);
    if (!job.comparison.empty()) before = to_rgb(to_8_bits(photo));
    const std::size_t of_comparison =
        before ? 3 * before->pixels.size() : 0;  // it, and the sheet of twice its size
    std::visit([&](auto& image) { derain_(image, rain ? &*rain : nullptr, of_comparison, after); },
               photo.image);
    if (settings_.region) {
      const auto crop = [&](auto& image) { image = cropped(image, *settings_.region); };
      std::visit(crop, photo.image);
      for (std::optional<Image>* picture : {&rain, &before})
        if (*picture) crop(**picture);
    }

    std::vector<std::pair<fs::path, std::vector<std::byte>>> files;
    std::vector<std::string> warnings;
    files.emplace_back(job.output, encode(job.output, photo, &warnings));
    for (const std::string& warning : warnings) warn(warning);
    if (rain) files.emplace_back(job.rain, encode(job.rain, {*rain, photo.metadata.colour_space()}));
    if (before) {
      const Image sheet = sheet_of({{*before, to_rgb(to_8_bits(photo))}}, 4);
      files.emplace_back(job.comparison, encode(job.comparison, {sheet, photo.metadata.colour_space()}));
    }
    for (const auto& [path, bytes] : files) write_bytes(path, bytes);

    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return text(height, " x ", width, " pixels, ", std::fixed, std::setprecision(2), seconds.count(), " s, ",
                tools::bytes_text(derain_.peak()));
  }

 private:
  DecodeOptions decode_options() const {
    DecodeOptions result;
    result.is_tolerant = options_.is_tolerant;
    if (settings_.memory > 0)  // what even a level of each would not fit into is never decoded
      result.max_pixels = static_cast<Index>(std::min<std::uint64_t>(settings_.memory, PTRDIFF_MAX));
    return result;
  }

  std::vector<std::byte> encode(const fs::path& output, const Photo& photo,
                                std::vector<std::string>* warnings = nullptr) const {
    return encode_photo(photo, format_of(output, options_.format), {options_.quality, warnings});
  }

  const Options& options_;
  tools::Derainer::Settings settings_;
  tools::Derainer derain_;
};

// ------------------------------------------------------------------------------------------------------ all images

int derain_images(const Options& options, const tools::Derainer::Settings& settings, Device device) {
  const auto [jobs, folders, left_out] = work_of(options);
  if (!left_out.empty() && !options.quiet) tools::say("nlcl-derain: warning: not read: " + left_out);
  FileDerainer derain(options, settings, device);
  for (const fs::path& folder : folders) tools::prepare_place(folder, true);
  for (const Job& job : jobs)
    for (const fs::path& output : job.outputs()) tools::prepare_place(output, false);

  const tools::Progress progress("images", jobs.size(), !options.quiet);
  const auto describe = [&](const std::exception& error, const Job& job) {
    return tools::message_of(error, tools::input_name(job.input));
  };
  return tools::for_each_image("nlcl-derain", jobs, progress, describe, [&](const Job& job) {
    const bool exists = std::ranges::all_of(job.outputs(), tools::is_there);
    const bool is_skipped = options.skip_existing && exists;
    const auto start = std::chrono::steady_clock::now();
    const auto after = [&](double part) {
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      if (tools::stop_signal && elapsed.count() * (1 - part) > patience * part) throw tools::Stopped();
      progress.show_part(part);
    };
    const auto warn = [&](const std::string& warning) {
      if (!options.quiet)
        progress.say(text("nlcl-derain: ", tools::input_name(job.input), ": warning: ", warning));
    };
    const std::string report = is_skipped ? "exists already" : derain(job, warn, after);
    if (options.verbose) progress.say(text(tools::input_name(job.input), ": ", report));
    return !is_skipped;
  });
}

// --------------------------------------------------------------------------------------------------------- a video

int derain_video(const Options& options, const tools::Derainer::Settings& settings, Device device) {
  const fs::path input = !options.input.empty()  ? options.input
                         : options.names.empty() ? standard_stream
                                                 : options.names[0];
  require<UsageError>(options.names.size() + (options.input.empty() ? 0 : 1) <= 1,
                      "--video takes one video, not ", options.names.size());
  const fs::path output = options.output.empty() ? standard_stream : options.output;
  const std::string missing = input == standard_stream ? "" : tools::check_file(input.string());
  require<UsageError>(missing.empty(), missing);
  if (output != standard_stream) tools::check_files({output}, {input});
  const std::string name = tools::input_name(input);
  const GeneratorPlan plan = tools::read_plan(settings.weights, settings.key, device, tools::read_weights);
  const tools::Progress progress("frames", 0, !options.quiet);
  const auto start = std::chrono::steady_clock::now();
  const auto report = [&](const VideoFormat& format, Index frames) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (options.verbose)
      progress.say(text(name, ": ", frames, " frames of ", format.width, " x ", format.height, " pixels, ",
                        std::fixed, std::setprecision(2), static_cast<double>(frames) / seconds.count(),
                        " a second"));
  };
  try {
    return tools::derain_video({input, output, options.matrix, settings.strength}, plan, device, progress,
                               report);
  } catch (const std::exception& error) {
    progress.say("nlcl-derain: " + tools::message_of(error, name));
    return tools::code_of(error);
  }
}

int derain(const Options& options, const CLI::App& app) {
  tools::survive_closed_pipes();
  const Device device = options.compute.apply(app, options.quiet);
  const tools::Derainer::Settings settings{options.weights,  options.rain_weights, options.key,
                                           options.strength, options.region,       options.memory};
  return options.is_video ? derain_video(options, settings, device)
                          : derain_images(options, settings, device);
}

// X,Y,W,H. Whether it lies within an image is known when that has been read.
Region parse_region(const std::string& numbers) {
  std::istringstream in(numbers);
  Region region;
  char comma = ',', other = ',', third = ',';
  in >> region.left >> comma >> region.top >> other >> region.width >> third >> region.height;
  require<UsageError>(!in.fail() && in.peek() == std::istringstream::traits_type::eof() && comma == ',' &&
                          other == ',' && third == ',' && region.left >= 0 && region.top >= 0 &&
                          region.width > 0 && region.height > 0,
                      "--region ", numbers, ": expected X,Y,W,H, of a part with pixels in it");
  return region;
}

void list_weights() {
  for (const tools::BuiltInWeights& weights : tools::built_in_weights())
    tools::print(text(std::left, std::setw(12), weights.name, weights.purpose));
  throw CLI::Success();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-derain");
  app.footer(notes);
  Options options;
  options.weights = tools::built_in_weights().front().name;
  app.add_option("IN", options.names, "images, folders, patterns; a hyphen is standard input")
      ->option_text("...");
  app.add_option("-i,--input", options.input, "the same for one image or folder")
      ->check(
          [](const std::string& path) { return path == standard_stream ? "" : tools::check_exists(path); })
      ->option_text("IN");
  app.add_option("-o,--output", options.output, "where results go (default: beside their images)")
      ->option_text("OUT");
  app.add_flag("-r,--recursive", options.recursive, "with all subfolders of a folder");
  options.shard.add_to(app);
  app.add_option("-w,--weights", options.weights,
                 text("generator of the clean layer, .safetensors or .pth, or a name of --weights-list "
                      "(default: ",
                      options.weights.string(), ")"))
      ->option_text("FILE");
  app.add_flag_callback("--weights-list", list_weights, "print the weights that are built in, and exit");
  auto* rain = app.add_option("--rain", options.rain, "write the rain layer too")->option_text("OUT");
  app.add_option("--rain-weights", options.rain_weights, "generator of the rain layer")
      ->needs(rain)
      ->option_text("FILE");
  tools::add_key(app, options.key);
  app.add_option("-s,--strength", options.strength,
                 "how much of what was found is taken off, 0 to 1.5 (default: 1)")
      ->check(tools::within(0.0, 1.5))
      ->option_text("X");
  auto* comparison =
      app.add_option("--compare", options.comparison, "write before and after next to each other too")
          ->option_text("OUT");
  auto* region =
      app.add_option_function<std::string>(
             "--region", [&](const std::string& numbers) { options.region = parse_region(numbers); },
             "only this part, as it would be in the whole; its left upper corner, width, height")
          ->option_text("X,Y,W,H");
  app.add_option("--memory", options.memory,
                 "that an image may take, as in 500MB or 2GB (default: all that can be had)")
      ->transform(tools::size())
      ->option_text("SIZE");
  auto* video = app.add_flag("--video", options.is_video, "IN and OUT are video, as YUV4MPEG2");
  app.add_option("--matrix", options.matrix,
                 "of the video: bt601, bt709 or bt2020 (default: by its size, bt709 from 720 rows on)")
      ->check(tools::one_of({"auto", "bt601", "bt709", "bt2020"}))
      ->needs(video)
      ->option_text("NAME");
  for (auto* of_images : {rain, comparison, region}) of_images->excludes(video);
  video->option_text(" ");
  app.add_option(
         "-f,--format", options.format,
         listed(written_formats(), " or ") + " (default: by the name of OUT, in a folder as the image)")
      ->check(tools::one_of(written_formats()))
      ->option_text("NAME");
  app.add_option("-q,--quality", options.quality,
                 "of JPEG and WebP, 1 to 100 (default: that of IN, 95 if IN is no JPEG)")
      ->check(tools::within(1, 100))
      ->option_text("N");
  app.add_flag("--tolerant", options.is_tolerant, "take what is there of files that are cut short");
  app.add_flag("--skip-existing", options.skip_existing, "leave out images whose results are there");
  auto* quiet = app.add_flag("--quiet", options.quiet, "no progress line, no warnings, only errors");
  auto* verbose =
      app.add_flag("-v,--verbose", options.verbose, "a line for each image: size, seconds, memory");
  quiet->excludes(verbose)->option_text(" ");
  verbose->excludes(quiet)->option_text(" ");
  options.compute.add_to(app);
  return tools::run(app, argc, argv, [&] { return derain(options, app); });
}
