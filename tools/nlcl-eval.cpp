// Judges images against the truth, PSNR and SSIM of each and the mean, or without one by NIQE, and takes the rain off first
// if asked to.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"
#include "generator.hpp"
#include "images.hpp"
#include "nlcl/analysis/metrics.hpp"
#include "nlcl/analysis/niqe.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/safetensors.hpp"
#include "pairs.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::UsageError;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* purpose =
    "Judges images against the truth: PSNR and SSIM of the colours and of the luminance Y, of each image and "
    "the mean;\n"
    "and with --niqe by how natural they look, which needs no truth.\n"
    "RESULT, TRUTH and IN are all files or all folders (PNG, JPEG, BMP and TGA; not of subfolders); in "
    "folders, images\n"
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
    "valid; 3 out of memory, or no such device; 130 stopped by Ctrl-C.\n\n"
    "Examples:\n"
    "  nlcl-eval --result clean --truth truth --input rainy --csv clean.csv --sheet clean.png\n"
    "  nlcl-eval --input rainy --weights back.safetensors --truth truth\n"
    "  nlcl-eval --input rainy --weights back.safetensors --niqe models/niqe.safetensors\n"
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
  fs::path photographs, model;  // to fit NIQE on, and where to write what was fitted
  fs::path csv, json, sheet;
  std::size_t sheet_rows = 8;
  Index sheet_width = 320;  // pixels of one picture
  bool quiet = false;
  tools::Compute compute;
};

struct Verdict {
  std::string name;
  Quality result;
  std::optional<Quality> input;
};

struct Report {
  std::vector<QualityInfo> columns;  // what is measured
  std::vector<Verdict> images;
  std::vector<tools::Unpaired> failures;
};

std::vector<QualityInfo> columns_of(const Options& options) {
  std::vector<QualityInfo> columns;
  if (!options.whole.truth.empty()) columns.assign(quality_table.begin(), quality_table.end());
  if (!options.niqe.empty()) columns.push_back(niqe_info);
  return columns;
}

// ---------------------------------------------------- what to do, checked before the first image is read

std::vector<Job> jobs_in_folders(const Job& whole, std::vector<tools::Unpaired>& failures) {
  tools::Pairs pairs = tools::pairs_in(whole.files());
  failures = std::move(pairs.failures);
  std::vector<Job> jobs;
  for (const tools::Pairs::Row& row : pairs.rows) {
    Job& job = jobs.emplace_back(Job{{}, {}, {}, row.name});
    auto file = row.files.begin();
    for (const auto member : {&Job::result, &Job::truth, &Job::input})
      if (!(whole.*member).empty()) job.*member = *file++;
  }
  return jobs;
}

std::vector<Job> jobs_of(const Options& options, std::vector<tools::Unpaired>& failures) {
  Job whole = options.whole;
  require<UsageError>(!whole.result.empty() || !options.weights.empty(),
                      "nothing to judge: expected --result, or --input and --weights");
  require<UsageError>(!whole.truth.empty() || !options.niqe.empty(),
                      "nothing to judge by: expected --truth, or --niqe");
  const fs::path first = whole.truth.empty() ? whole.files().front() : whole.truth;
  tools::check_kinds(first, whole.files());
  if (fs::is_directory(first)) return jobs_in_folders(whole, failures);
  whole.name = (whole.result.empty() ? whole.input : whole.result).stem().string();
  return {whole};
}

void check_outputs(const Options& options, const std::vector<Job>& jobs) {
  if (!options.sheet.empty()) {
    const std::string extension = tools::extension_of(options.sheet);
    require<UsageError>(extension == ".png" || extension == ".jpg" || extension == ".jpeg",
                        options.sheet.string(), ": the name ends in '", extension,
                        "', expected .png, .jpg or .jpeg");
  }
  std::set<fs::path> inputs, outputs;
  for (const fs::path& file : {options.weights, options.niqe})
    if (!file.empty()) inputs.insert(tools::place_of(file));
  for (const Job& job : jobs)
    for (const fs::path& file : job.files()) inputs.insert(tools::place_of(file));
  for (const fs::path& output : {options.csv, options.json, options.sheet}) {
    if (output.empty()) continue;
    const fs::path place = tools::place_of(output);
    require<UsageError>(!fs::is_directory(output), output.string(), " is a folder, expected a file");
    require<UsageError>(!inputs.contains(place), output.string(), " would overwrite an input");
    require<UsageError>(outputs.insert(place).second, output.string(), " would be written twice");
    tools::prepare_place(output, false);
  }
}

// ------------------------------------------------------------------------------------------------- the sheet

// Not wider than `width`: each pixel is the mean of those that it stands for.
Image fitted(const Image& image, Index width) {
  if (image.width <= width) return image;
  Image result{std::max<Index>(1, image.height * width / image.width), width, 3, {}};
  result.pixels.reserve(static_cast<std::size_t>(result.height * result.width * 3));
  for (Index y = 0; y < result.height; ++y)
    for (Index x = 0; x < result.width; ++x) {
      const Index top = y * image.height / result.height, bottom = (y + 1) * image.height / result.height;
      const Index left = x * image.width / width, right = (x + 1) * image.width / width;
      const Index area = (bottom - top) * (right - left);
      for (Index c = 0; c < 3; ++c) {
        Index sum = area / 2;  // rounds to the nearest
        for (Index i = top; i < bottom; ++i)
          for (Index j = left; j < right; ++j)
            sum += image.pixels[static_cast<std::size_t>((i * image.width + j) * 3 + c)];
        result.pixels.push_back(static_cast<std::uint8_t>(sum / area));
      }
    }
  return result;
}

Image error_map(const Image& image, const Image& truth) {
  Image map = image;
  for (std::size_t i = 0; i < map.pixels.size(); ++i)
    map.pixels[i] = static_cast<std::uint8_t>(std::min(255, 4 * std::abs(image.pixels[i] - truth.pixels[i])));
  return map;
}

// ------------------------------------------------------------------------------------------------ one image

class Judge {
 public:
  Judge(const Options& options, Device device) : options_(options), device_(device), memory_(device) {
    if (!options.weights.empty()) plan_ = tools::read_plan(options.weights, device);
    if (!options.niqe.empty()) model_ = read_model(options.niqe);
  }

  Verdict operator()(const Job& job) {
    Image truth, input, result;
    if (!job.truth.empty()) truth = tools::colours_of(read_image(job.truth));
    if (!job.input.empty()) {
      const Image source = read_image(job.input);
      input = tools::colours_of(source);
      check_size(job.input, input, job.truth, truth);
      if (plan_) result = tools::colours_of(derained(source));
    }
    if (!plan_) {
      result = tools::colours_of(read_image(job.result));
      check_size(job.result, result, job.truth, truth);
      if (truth.pixels.empty() && !input.pixels.empty()) check_size(job.result, result, job.input, input);
    }
    Verdict verdict{job.name, judged(result, truth), std::nullopt};
    if (!job.input.empty()) verdict.input = judged(input, truth);
    if (!options_.sheet.empty() && rows_.size() < options_.sheet_rows) add_row(input, result, truth);
    return verdict;
  }

  const std::vector<std::vector<Image>>& rows() const { return rows_; }

 private:
  Quality judged(const Image& image, const Image& truth) const {
    Quality values = truth.pixels.empty() ? Quality() : quality(image, truth);
    if (model_) values.niqe = niqe(image, *model_);
    return values;
  }

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
    memory_.prepare(image, *plan_);
    const Image clean = to_image((*plan_)(to_tensor(image).to(device_)).to(Device::cpu()));
    return image.channels < 3 ? to_grey(clean) : clean;
  }

  void add_row(const Image& input, const Image& result, const Image& truth) {
    std::vector<Image>& row = rows_.emplace_back();
    const Image error = truth.pixels.empty() ? Image() : error_map(result, truth);
    for (const Image& image : {input, result, truth, error})
      if (!image.pixels.empty()) row.push_back(fitted(image, options_.sheet_width));
  }

  const Options& options_;
  Device device_;
  std::optional<GeneratorPlan> plan_;
  std::optional<NiqeModel> model_;
  tools::PlanMemory memory_;
  std::vector<std::vector<Image>> rows_;
};

// ---------------------------------------------------------------------------------------------- the numbers

Quality mean_of(const Report& report, bool is_input) {
  std::vector<Quality> values;
  for (const Verdict& image : report.images) values.push_back(is_input ? *image.input : image.result);
  return mean_quality(values, report.columns);
}

// The mean of what was gained; as the means, over the images for which that is finite.
Quality gain_of(const Report& report) {
  std::vector<Quality> values;
  for (const Verdict& image : report.images) {
    Quality& gain = values.emplace_back();
    for (const QualityInfo& info : report.columns)
      gain.*info.value = image.result.*info.value - *image.input.*info.value;
  }
  return values.size() == 1 ? values.front() : mean_quality(values, report.columns);
}

void print_row(const std::string& name, std::size_t width, const std::vector<Quality>& values,
               const std::vector<QualityInfo>& columns, bool is_gain = false) {
  std::cout << std::left << std::setw(static_cast<int>(width)) << name << std::right << std::fixed
            << (is_gain ? std::showpos : std::noshowpos);
  for (const Quality& quality : values) {
    for (const QualityInfo& info : columns)
      std::cout << std::setw(9) << std::setprecision(info.digits) << quality.*info.value;
    std::cout << (&quality == &values.back() ? "\n" : "   ");
  }
}

void print(const Report& report) {
  const bool has_input = report.images.front().input.has_value();
  std::size_t width = 5, equal = 0;
  for (const Verdict& image : report.images) width = std::max(width, image.name.size());

  if (has_input)
    std::cout << std::setw(static_cast<int>(width)) << ""
              << "   result" << std::setw(static_cast<int>(9 * report.columns.size() + 2)) << "input" << '\n';
  std::cout << std::left << std::setw(static_cast<int>(width)) << "image" << std::right;
  for (int part = 0; part <= has_input; ++part) {
    for (const QualityInfo& info : report.columns) std::cout << std::setw(9) << info.title;
    std::cout << (part == has_input ? "\n" : "   ");
  }
  for (const auto& [name, result, input] : report.images) {
    print_row(name, width, input ? std::vector{result, *input} : std::vector{result}, report.columns);
    equal += std::isinf(result.psnr);
  }
  if (report.images.size() > 1) {
    std::vector<Quality> means{mean_of(report, false)};
    if (has_input) means.push_back(mean_of(report, true));
    print_row("mean", width, means, report.columns);
  }
  if (has_input) print_row("gain", width, {gain_of(report)}, report.columns, true);
  if (equal > 0 && report.images.size() > 1)
    std::cout << equal << " of " << report.images.size()
              << " images equal to the truth, and left out of the mean PSNR\n";
}

Json json_of(const Quality& quality, const std::vector<QualityInfo>& columns) {
  Json values;
  for (const QualityInfo& info : columns)  // JSON knows no infinity
    values[info.name] = std::isfinite(quality.*info.value) ? Json(quality.*info.value) : Json(nullptr);
  return values;
}

std::string json_text(const Report& report) {
  const bool has_input = report.images.front().input.has_value();
  Json images = Json::array(), failures = Json::array();
  for (const auto& [name, result, input] : report.images) {
    Json& image = images.emplace_back(Json{{"image", name}, {"result", json_of(result, report.columns)}});
    if (input) image["input"] = json_of(*input, report.columns);
  }
  for (const auto& [name, reason] : report.failures)
    failures.push_back({{"image", name}, {"reason", reason}});
  Json all{{"images", images}, {"mean", {{"result", json_of(mean_of(report, false), report.columns)}}}};
  if (has_input) {
    all["mean"]["input"] = json_of(mean_of(report, true), report.columns);
    all["gain"] = json_of(gain_of(report), report.columns);
  }
  all["failed"] = failures;
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

// In quotes where it has to be (RFC 4180).
std::string csv_field(const std::string& plain) {
  if (plain.find_first_of(",\"\r\n") == std::string::npos) return plain;
  std::string quoted = "\"";
  for (const char c : plain) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

std::string csv_text(const Report& report) {
  const bool has_input = report.images.front().input.has_value();
  std::string csv = "image";
  for (const char* prefix : {"", "input_"})
    if (*prefix == 0 || has_input)
      for (const QualityInfo& info : report.columns) csv += text(',', prefix, info.name);
  csv += '\n';
  const auto add = [&](const Quality& quality) {
    for (const QualityInfo& info : report.columns) {
      const double value = quality.*info.value;
      csv += ',' + (std::isfinite(value) ? Json(value).dump() : text(value));
    }
  };
  for (const auto& [name, result, input] : report.images) {
    csv += csv_field(name);
    add(result);
    if (input) add(*input);
    csv += '\n';
  }
  csv += "mean";
  add(mean_of(report, false));
  if (has_input) add(mean_of(report, true));
  return csv + '\n';
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

// Adds what becomes of each image to the report, and returns the exit code.
int judge_all(const std::vector<Job>& jobs, const Options& options, Judge& judge, Report& report) {
  const tools::Progress progress("images", jobs.size(), jobs.size() > 1 && !options.quiet);
  int code = tools::all_done;
  for (const tools::Unpaired& failure : report.failures) {
    progress.say("nlcl-eval: " + failure.reason);
    code = tools::some_failed;
  }
  tools::defer_stops();
  return std::max(code, tools::for_each_image("nlcl-eval", jobs, progress, reason_of, [&](const Job& job) {
                    try {
                      report.images.push_back(judge(job));
                    } catch (const std::exception& error) {
                      report.failures.push_back({job.name, reason_of(error, job)});
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
  if (!options.quiet)
    std::cerr << photographs.size() << " photographs, " << blocks.size() << " sharp blocks\n";
  return code;
}

int evaluate(const Options& options, const CLI::App& app) {
  const Device device = options.compute.apply(app, options.quiet || options.weights.empty());
  if (!options.photographs.empty()) return fit(options);
  Report report;
  report.columns = columns_of(options);
  const std::vector<Job> jobs = jobs_of(options, report.failures);
  check_outputs(options, jobs);
  Judge judge(options, device);
  const int code = judge_all(jobs, options, judge, report);
  if (report.images.empty()) return code;

  print(report);
  if (!options.csv.empty()) write_file_atomically(options.csv, bytes_of(csv_text(report)));
  if (!options.json.empty()) write_file_atomically(options.json, bytes_of(json_text(report)));
  if (!options.sheet.empty()) write_image(options.sheet, tools::sheet_of(judge.rows()));
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
  app.add_option("-w,--weights", options.weights,
                 "derain the input with this generator, .safetensors or .pth")
      ->excludes(result)
      ->needs(input)
      ->option_text("FILE");
  app.add_option("--niqe", options.niqe, "judge by NIQE too, or instead, with the model in this file")
      ->option_text("FILE");
  auto* photographs = app.add_option("--fit-niqe", options.photographs,
                                     "fit a model of NIQE on a folder of good photographs");
  photographs->check(CLI::ExistingDirectory)
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
      ->check(CLI::Range(1, 1000))
      ->needs(sheet)
      ->option_text("N");
  app.add_option("--width", options.sheet_width, "of a picture on the sheet, at most (default: 320)")
      ->check(CLI::Range(16, 4096))
      ->needs(sheet)
      ->option_text("N");
  options.compute.add_to(app);
  app.add_flag("--quiet", options.quiet, "no progress line, only errors and the table")->option_text(" ");
  return tools::run(app, argc, argv, [&] { return evaluate(options, app); });
}
