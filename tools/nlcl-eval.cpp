// Judges images against the truth, PSNR and SSIM of each and the mean, or without one by NIQE and the rain that is left, and
// takes the rain off first if asked to.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"
#include "generator.hpp"
#include "images.hpp"
#include "nlcl/analysis/evaluation.hpp"
#include "nlcl/analysis/metrics.hpp"
#include "nlcl/analysis/niqe.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/image_format.hpp"
#include "nlcl/io/safetensors.hpp"
#include "nlcl/pages/sheet.hpp"
#include "pairs.hpp"
#include "shard.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::UsageError;

namespace {

const std::string purpose =
    "Judges images against the truth: PSNR and SSIM of the colours and of the luminance Y, of each image and "
    "the mean;\n"
    "and without a truth, with --niqe by how natural they look, with --rain-left by how much rain is in "
    "them.\n"
    "RESULT, TRUTH and IN are all files or all folders (" +
    image_format_names(" and ") +
    "; not of subfolders); in folders, images\n"
    "of the same name without the extension belong together, and those of one scene: norain-1 and rain-1, 1 "
    "and "
    "1.derained.\n"
    "With --input the rainy images are judged too, to tell the gain; with --input and --weights, instead of "
    "--result, the\n"
    "rain is taken off first. Grey is taken as colour, alpha is left out.";

constexpr const char* notes =
    "NIQE is lower the better, so a gain is negative. Its values depend on the photographs that the model "
    "was "
    "fitted on, and\n"
    "cannot be compared with those of other programs.\n\n"
    "The rain is how much stronger steep bright lines are than level ones, from -1 to 1: about 0 without "
    "rain, "
    "lower is\n"
    "better. The shift is how far the colours of wide areas are from those of the input, in CIE Lab.\n\n"
    "An image that is equal to its truth has an infinite PSNR: inf, in JSON null. The mean PSNR and the gain "
    "leave it out.\n\n"
    "The sheet has one row per image, from left to right: input (if given), result, truth, error. The error "
    "is what the\n"
    "result differs from the truth in each colour, drawn four times as bright as it is: black where both are "
    "equal, white\n"
    "where they differ by 64 of 255 levels or more.\n\n"
    "Ctrl-C stops after the current image, and tells what is known by then; a second one stops at once.\n\n"
    "Exit codes: 0 all done; 1 some images failed, or have no partner; 2 wrong usage, or weights that are "
    "missing or not\n"
    "valid; 3 out of memory, or no such device; 130 stopped by Ctrl-C, 143 by SIGTERM.\n\n"
    "Examples:\n"
    "  nlcl-eval --result clean --truth truth --input rainy --csv clean.csv --sheet clean.png\n"
    "  nlcl-eval --input rainy --weights back.safetensors --truth truth\n"
    "  nlcl-eval --input rainy --weights back.safetensors --niqe models/niqe.safetensors --rain-left\n"
    "  nlcl-eval --fit-niqe photographs -o niqe.safetensors";

// One image: what is judged, the truth, and the input; what is not given is empty. A whole folder looks the
// same.
struct Job {
  fs::path result, truth, input;
  std::string name;

  std::vector<fs::path> files() const {
    std::vector<fs::path> given{result, truth, input};
    std::erase(given, fs::path());
    return given;
  }
};

struct Options {
  Job whole;
  fs::path weights, niqe;
  std::string key;              // of the weights, where there are several
  fs::path photographs, model;  // to fit NIQE on, and where to write what was fitted
  fs::path csv, json, sheet;
  bool rain_left = false;
  tools::Shard shard;
  std::size_t sheet_rows = 8;
  Index sheet_width = 320;  // pixels of one picture
  bool quiet = false;
  tools::Compute compute;
};

// ---------------------------------------------------- what to do, checked before the first image is read

std::vector<Job> jobs_in_folders(const Job& whole, const tools::Shard& shard,
                                 std::vector<Evaluation::Failure>& failures) {
  const tools::Pairs pairs = tools::pairs_in(whole.files());
  for (const auto& [name, reason] : pairs.failures)
    if (shard.has(name)) failures.push_back({name, reason});
  std::vector<Job> jobs;
  for (const tools::Pairs::Row& row : pairs.rows) {
    if (!shard.has(row.name)) continue;
    Job& job = jobs.emplace_back(Job{{}, {}, {}, row.name});
    auto file = row.files.begin();
    for (const auto member : {&Job::result, &Job::truth, &Job::input})
      if (!(whole.*member).empty()) job.*member = *file++;
  }
  return jobs;
}

std::vector<Job> jobs_of(const Options& options, std::vector<Evaluation::Failure>& failures) {
  Job whole = options.whole;
  require<UsageError>(!whole.result.empty() || !options.weights.empty(),
                      "nothing to judge: expected --result, or --input and --weights");
  require<UsageError>(!whole.truth.empty() || !options.niqe.empty() || options.rain_left,
                      "nothing to judge by: expected --truth, --niqe or --rain-left");
  const fs::path first = whole.truth.empty() ? whole.files().front() : whole.truth;
  tools::check_kinds(first, whole.files());
  if (tools::is_folder(first)) return jobs_in_folders(whole, options.shard, failures);
  whole.name = (whole.result.empty() ? whole.input : whole.result).stem().string();
  return {whole};
}

void check_outputs(const Options& options, const std::vector<Job>& jobs) {
  if (!options.sheet.empty()) tools::written_format(options.sheet);
  std::vector<fs::path> inputs{options.weights, options.niqe};
  for (const Job& job : jobs)
    for (const fs::path& file : job.files()) inputs.push_back(file);
  tools::check_files({options.csv, options.json, options.sheet}, inputs);
}

// ------------------------------------------------------------------------------------------------ one image

class Judge {
 public:
  Judge(const Options& options, Device device) : options_(options), device_(device), memory_(device) {
    if (!options.weights.empty()) plan_ = tools::read_plan(options.weights, options.key, device);
    if (!options.niqe.empty()) model_ = read_model(options.niqe);
  }

  BlindMeasures blind() const { return {model_ ? &*model_ : nullptr, options_.rain_left}; }

  Verdict operator()(const Job& job) {
    JudgedImages images;
    auto& [result, truth, input] = images;
    if (!job.truth.empty()) truth = to_rgb(read_image(job.truth));
    if (!job.input.empty()) {
      const Image source = read_image(job.input);
      input = to_rgb(source);
      check_size(job.input, input, job.truth, truth);
      if (plan_) result = to_rgb(derained(source));
    }
    if (!plan_) {
      result = to_rgb(read_image(job.result));
      check_size(job.result, result, job.truth, truth);
      if (truth.pixels.empty() && !input.pixels.empty()) check_size(job.result, result, job.input, input);
    }
    Verdict verdict = verdict_on(job.name, images, blind());
    if (!options_.sheet.empty() && rows_.size() < options_.sheet_rows)
      rows_.push_back(sheet_row(images, options_.sheet_width));
    return verdict;
  }

  const std::vector<std::vector<Image>>& rows() const { return rows_; }

 private:
  static void check_size(const fs::path& file, const Image& image, const fs::path& truth_file,
                         const Image& truth) {
    if (truth.pixels.empty()) return;
    require<ShapeError>(image.height == truth.height && image.width == truth.width, file.string(), ": ",
                        image.height, " x ", image.width, " pixels, ", truth_file.string(), " has ",
                        truth.height, " x ", truth.width);
  }

  static NiqeModel read_model(const fs::path& file) {
    try {
      return read_niqe_model(file);
    } catch (const MemoryError&) {
      throw;
    } catch (const Error& error) {
      throw UsageError(error.what());
    }
  }

  // As nlcl-derain writes it: grey images stay grey.
  Image derained(const Image& image) {
    memory_.prepare(image.height, image.width, *plan_);
    const Image clean = to_image((*plan_)(to_tensor(image).to(device_)).to(Device::cpu()));
    return image.channels < 3 ? to_grey(clean) : clean;
  }

  const Options& options_;
  Device device_;
  std::optional<GeneratorPlan> plan_;
  std::optional<NiqeModel> model_;
  tools::PlanMemory memory_;
  std::vector<std::vector<Image>> rows_;
};

// ---------------------------------------------------------------------------------------------- the numbers

void print_row(const std::string& name, std::size_t width, const std::vector<Quality>& values,
               const std::vector<QualityInfo>& columns, bool is_gain = false) {
  std::cout << padded(name, width) << std::right << std::fixed << (is_gain ? std::showpos : std::noshowpos);
  for (const Quality& quality : values) {
    for (const QualityInfo& info : columns)
      std::cout << std::setw(9) << std::setprecision(info.digits) << quality.*info.value;
    std::cout << (&quality == &values.back() ? "\n" : "   ");
  }
}

void print(const Evaluation& all) {
  std::size_t width = 5;
  for (const Verdict& image : all.images) width = std::max(width, columns_of(printable(image.name)));

  if (all.has_input())
    std::cout << padded("", width) << "   result" << std::setw(static_cast<int>(9 * all.columns.size() + 2))
              << "input" << '\n';
  std::cout << padded("image", width) << std::right;
  for (int part = 0; part <= all.has_input(); ++part) {
    for (const QualityInfo& info : all.columns) std::cout << std::setw(9) << info.title;
    std::cout << (part == all.has_input() ? "\n" : "   ");
  }
  for (const auto& [name, result, input] : all.images)
    print_row(name, width, input ? std::vector{result, *input} : std::vector{result}, all.columns);
  if (all.images.size() > 1) {
    std::vector<Quality> means{all.mean_of_results()};
    if (all.has_input()) means.push_back(all.mean_of_inputs());
    print_row("mean", width, means, all.columns);
  }
  if (all.has_input()) print_row("gain", width, {all.gain()}, all.columns, true);
  if (const std::size_t equal = all.equal_to_truth(); equal > 0 && all.images.size() > 1)
    std::cout << equal << " of " << all.images.size()
              << " images equal to the truth, and left out of the mean PSNR\n";
}

// ----------------------------------------------------------------------------------------------- all images

// With the file in front, unless the message names one of the image's files already.
std::string reason_of(const std::exception& error, const Job& job) {
  const std::vector<fs::path> files = job.files();
  const std::string message = tools::message_of(error);
  for (const fs::path& file : files)
    if (message.find(file.string()) != std::string::npos) return message;
  return tools::message_of(error, (job.result.empty() ? job.input : job.result).string());
}

// Adds what becomes of each image, and returns the exit code.
int judge_all(const std::vector<Job>& jobs, const Options& options, Judge& judge, Evaluation& all) {
  const tools::Progress progress("images", jobs.size(), jobs.size() > 1 && !options.quiet);
  int code = tools::all_done;
  tools::defer_stops();
  for (const Evaluation::Failure& failure : all.failures) {
    progress.say("nlcl-eval: " + failure.reason);
    code = tools::some_failed;
  }
  return std::max(code, tools::for_each_image("nlcl-eval", jobs, progress, reason_of, [&](const Job& job) {
                    try {
                      all.images.push_back(judge(job));
                    } catch (const std::exception& error) {
                      all.failures.push_back({job.name, reason_of(error, job)});
                      throw;
                    }
                    return true;
                  }));
}

// The model of NIQE from good photographs: all that they have of sharp blocks.
int fit(const Options& options) {
  require<UsageError>(!options.model.empty(), "--fit-niqe needs --output, the file of the model");
  const std::vector<fs::path> photographs = tools::images_in(options.photographs);
  tools::prepare_place(options.model, false);
  const tools::Progress progress("photographs", photographs.size(), !options.quiet);
  std::vector<NiqeBlock> blocks;
  tools::defer_stops();
  const auto describe = [](const std::exception& error, const fs::path& file) {
    return tools::message_of(error, file.string());
  };
  const int code =
      tools::for_each_image("nlcl-eval", photographs, progress, describe, [&](const fs::path& file) {
        std::ranges::copy(sharp_blocks(niqe_blocks(read_image(file))), std::back_inserter(blocks));
        return true;
      });
  if (code != tools::all_done) return code;
  write_safetensors(options.model,
                    state_of(fit_niqe(blocks), {{"photographs", std::to_string(photographs.size())},
                                                {"blocks", std::to_string(blocks.size())},
                                                {"nlcl", version}}));
  if (!options.quiet) tools::say(text(photographs.size(), " photographs, ", blocks.size(), " sharp blocks"));
  return code;
}

int evaluate(const Options& options, const CLI::App& app) {
  const Device device = options.compute.apply(app, options.quiet || options.weights.empty());
  if (!options.photographs.empty()) return fit(options);
  Evaluation all;
  const std::vector<Job> jobs = jobs_of(options, all.failures);
  check_outputs(options, jobs);
  Judge judge(options, device);
  all.columns = quality_columns(!options.whole.truth.empty(), !options.whole.input.empty(), judge.blind());
  const int code = judge_all(jobs, options, judge, all);
  if (all.images.empty()) return code;

  print(all);
  if (!options.csv.empty()) write_file_atomically(options.csv, bytes_of(csv_text(all)));
  if (!options.json.empty()) write_file_atomically(options.json, bytes_of(json_text(all)));
  if (!options.sheet.empty()) write_image(options.sheet, sheet_of(judge.rows(), 4));
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-eval");
  app.footer(notes);
  Options options;
  Job& whole = options.whole;
  auto* result = app.add_option("-r,--result", whole.result, "images to judge")
                     ->check(tools::check_exists)
                     ->option_text("RESULT");
  auto* truth = app.add_option("-t,--truth", whole.truth, "what they should be")
                    ->check(tools::check_exists)
                    ->option_text("TRUTH");
  auto* input = app.add_option("-i,--input", whole.input, "rainy images, to judge them too")
                    ->check(tools::check_exists);
  input->option_text("IN");
  options.shard.add_to(app);
  app.add_option("-w,--weights", options.weights,
                 "derain the input with this generator, .safetensors or .pth")
      ->excludes(result)
      ->needs(input)
      ->option_text("FILE");
  tools::add_key(app, options.key);
  app.add_option("--niqe", options.niqe, "judge by NIQE too, or instead, with the model in this file")
      ->option_text("FILE");
  app.add_flag("--rain-left", options.rain_left,
               "judge by the rain that is left, and with --input by the shift of colours")
      ->option_text(" ");
  auto* photographs = app.add_option("--fit-niqe", options.photographs,
                                     "fit a model of NIQE on a folder of good photographs");
  photographs->check(tools::check_folder)
      ->excludes(result)
      ->excludes(truth)
      ->excludes(input)
      ->option_text("DIR");
  app.add_option("-o,--output", options.model, "where to write it, .safetensors")
      ->needs(photographs)
      ->option_text("FILE");

  app.add_option("--csv", options.csv, "write the numbers there, a line for each image and the mean")
      ->option_text("FILE");
  app.add_option("--json", options.json, "write them there as JSON, and what failed")->option_text("FILE");
  auto* sheet = app.add_option("--sheet", options.sheet, "write a sheet of pictures there, .png or .jpg");
  sheet->option_text("FILE");
  app.add_option("--rows", options.sheet_rows, "images on the sheet, the first by name (default: 8)")
      ->check(tools::within(1, 1000))
      ->needs(sheet)
      ->option_text("N");
  app.add_option("--width", options.sheet_width, "of a picture on the sheet, at most (default: 320)")
      ->check(tools::within(16, 4096))
      ->needs(sheet)
      ->option_text("N");
  options.compute.add_to(app);
  app.add_flag("--quiet", options.quiet, "no progress line, only errors and the table")->option_text(" ");
  return tools::run(app, argc, argv, [&] { return evaluate(options, app); });
}
