// What programs share that turn images into images: one file into some, or all of a folder into some folders.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common.hpp"
#include "nlcl/io/image_format.hpp"
#include "paths.hpp"
#include "system.hpp"

namespace tools {

inline const fs::path standard_stream = "-";

// As messages name what is read.
inline std::string input_name(const fs::path& input) {
  return input == standard_stream ? "standard input" : input.string();
}

// What was found in a place, by its names.
class FoundFiles {
 public:
  void add(const fs::path& file) {
    if (nlcl::image_format_of(file))
      images_.push_back(file);
    else if (const auto* format = nlcl::foreign_image_format_of_extension(nlcl::extension_of(file)))
      foreign_.push_back(format);
  }
  void add(const FoundFiles& other) {
    images_.insert(images_.end(), other.images_.begin(), other.images_.end());
    foreign_.insert(foreign_.end(), other.foreign_.begin(), other.foreign_.end());
  }

  // By name.
  std::vector<fs::path> images() const {
    std::vector<fs::path> sorted = images_;
    std::ranges::sort(sorted);
    return sorted;
  }

  // The pictures of formats that are not read: how many of each, and what converts one. Empty: there are none.
  std::string foreign() const {
    std::vector<std::string> kinds;
    for (const nlcl::ForeignImageFormat& format : nlcl::foreign_image_formats())
      if (const auto count = std::ranges::count(foreign_, &format))
        kinds.push_back(nlcl::text(count, ' ', format.name, " (", format.command, ")"));
    return nlcl::listed(kinds, " and ");
  }

  // Throws UsageError that there are `none`, and what there is instead.
  void require_images(const std::string& none) const {
    const std::string others = foreign();
    nlcl::require<UsageError>(!images_.empty(), none, others.empty() ? "" : ", only ", others);
  }

 private:
  std::vector<fs::path> images_;
  std::vector<const nlcl::ForeignImageFormat*> foreign_;
};

// What was found in a folder. Throws UsageError if that ended with an error, or there are no images.
inline FoundFiles found_in(const fs::path& folder, FoundFiles files, const std::error_code& error) {
  nlcl::require<UsageError>(!error, "cannot read the folder ", folder.string(), ": ", error.message());
  files.require_images(
      nlcl::text("no images (", nlcl::image_extensions(), ") in the folder ", folder.string()));
  return files;
}

// In the folder itself.
inline FoundFiles files_in(const fs::path& folder) {
  FoundFiles files;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    if (!is_folder(entry->path())) files.add(entry->path());
  return found_in(folder, std::move(files), error);
}
inline std::vector<fs::path> images_in(const fs::path& folder) { return files_in(folder).images(); }

// A folder, or a name that nobody has and that is not an image's.
inline bool could_be_folder(const fs::path& path) {
  const bool is_image = path == standard_stream || nlcl::image_format_of(path);
  return is_folder(path) || (!is_there(path) && !is_image);
}

// Input and outputs are all files or all folders; an empty one is not asked for.
inline void check_kinds(const fs::path& input, const std::vector<fs::path>& outputs) {
  const bool are_folders = is_folder(input);
  for (const fs::path& output : outputs)
    nlcl::require<UsageError>(output.empty() || (are_folders ? could_be_folder(output) : !is_folder(output)),
                              input.string(), are_folders ? " is a folder and " : " is a file and ",
                              output.string(), are_folders ? " is not" : " is a folder");
}

// Nothing is written twice, nor over what is read. A job has an `input` and `outputs()`.
template <class Job>
void check_collisions(const std::vector<Job>& jobs) {
  std::set<fs::path> inputs;
  std::map<fs::path, fs::path> outputs;  // and the input that each belongs to
  for (const Job& job : jobs)
    if (job.input != standard_stream) inputs.insert(place_of(job.input));
  for (const Job& job : jobs)
    for (const fs::path& output : job.outputs()) {
      const fs::path place = place_of(output);
      nlcl::require<UsageError>(!inputs.contains(place), output.string(), " would overwrite an input");
      const auto [other, is_new] = outputs.emplace(place, job.input);
      nlcl::require<UsageError>(
          is_new, job.input == other->second ? "several results of " : other->second.string() + " and ",
          job.input.string(), " would be written to ", output.string());
    }
}

// The folder of the results exists, or is created for a folder of images, and can be written to.
inline void prepare_place(const fs::path& output, bool is_for_folder) {
  std::error_code error;
  if (output == standard_stream || fs::is_other(output, error)) return;  // a device
  error.clear();
  if (is_for_folder) fs::create_directories(output, error);
  const fs::path folder = is_for_folder ? output : output.has_parent_path() ? output.parent_path() : ".";
  if (!error) error = check_writable(folder);
  nlcl::require<UsageError>(!error, "cannot write to the folder ", folder.string(), ": ", error.message());
}

// Each of the files that is asked for can be written, and none is written twice or over what is read.
inline void check_files(const std::vector<fs::path>& outputs, const std::vector<fs::path>& inputs) {
  std::set<fs::path> read, written;
  for (const fs::path& input : inputs)
    if (!input.empty()) read.insert(place_of(input));
  for (const fs::path& output : outputs) {
    if (output.empty()) continue;
    const fs::path place = place_of(output);
    nlcl::require<UsageError>(!is_folder(output), output.string(), " is a folder, expected a file");
    nlcl::require<UsageError>(!read.contains(place), output.string(), " would overwrite an input");
    nlcl::require<UsageError>(written.insert(place).second, output.string(), " would be written twice");
    prepare_place(output, false);
  }
}

// The name of a file that is not asked for, or ends in this.
inline void check_extension(const fs::path& output, const std::string& extension) {
  const std::string found = nlcl::extension_of(output);
  nlcl::require<UsageError>(output.empty() || found == extension, output.string(), ": the name ends in '",
                            found, "', expected ", extension);
}

// The format of an image that is to be written, by its name. `instead` is what the message offers besides.
inline const nlcl::ImageFormat& written_format(const fs::path& output, const char* instead = "") {
  const nlcl::ImageFormat* const format = nlcl::image_format_of(output);
  nlcl::require<UsageError>(format && format->encode, output.string(), ": the name ends in '",
                            nlcl::extension_of(output), "', expected ", nlcl::written_image_extensions(),
                            instead);
  return *format;
}

// One job after the other: body(job) says whether it took time, or throws what is wrong with the job, which describe(error,
// job) puts into words. The others are done all the same. Stops after the current image when asked to, and within it if the body
// throws Stopped. Returns the exit code.
template <class Job>
int for_each_image(const std::string& program, const std::vector<Job>& jobs, const Progress& progress,
                   const auto& describe, const auto& body) {
  int code = all_done;
  std::size_t done = 0, computed = 0;
  const auto stopped = [&] {
    progress.say(nlcl::text(program, ": stopped after ", done, " of ", jobs.size(), " images"));
    return exit_code_of_stop();
  };
  for (const Job& job : jobs) {
    if (stop_signal) return stopped();
    progress.show(done, computed);
    try {
      computed += body(job) ? 1 : 0;
      ++done;
    } catch (const Stopped&) {
      return stopped();
    } catch (const std::exception& error) {
      ++done;
      progress.say(program + ": " + describe(error, job));
      code = std::max<int>(code, code_of(error));
    }
  }
  progress.show(done, computed);
  return code;
}

}  // namespace tools
