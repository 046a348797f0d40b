// What programs share that turn images into images: one file into some, or all of a folder into some folders.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "common.hpp"
#include "nlcl/io/image.hpp"

namespace tools {

namespace fs = std::filesystem;

inline const fs::path standard_stream = "-";
inline const std::set<std::string> image_extensions{".png", ".jpg", ".jpeg", ".bmp", ".tga"};

inline std::string extension_of(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

// Those of the folder itself, by name.
inline std::vector<fs::path> images_in(const fs::path& folder) {
  std::vector<fs::path> images;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (image_extensions.contains(extension_of(entry.path())) && !entry.is_directory())
      images.push_back(entry.path());
  nlcl::require<UsageError>(!error, "cannot read the folder ", folder.string(), ": ", error.message());
  nlcl::require<UsageError>(!images.empty(), "no images (.png, .jpg, .jpeg, .bmp, .tga) in the folder ",
                            folder.string());
  std::ranges::sort(images);
  return images;
}

// Input and outputs are all files or all folders.
inline void check_kinds(const fs::path& input, const std::vector<fs::path>& outputs) {
  const bool is_folder = fs::is_directory(input);
  for (const fs::path& output : outputs) {
    const bool is_image = output == standard_stream || image_extensions.contains(extension_of(output));
    const bool could_be_folder = fs::is_directory(output) || (!fs::exists(output) && !is_image);
    nlcl::require<UsageError>(is_folder ? could_be_folder : !fs::is_directory(output), input.string(),
                              is_folder ? " is a folder and " : " is a file and ", output.string(),
                              is_folder ? " is not" : " is a folder");
  }
}

// The same for all names of a file that is there or could be.
inline fs::path place_of(const fs::path& path) { return fs::weakly_canonical(fs::absolute(path)); }

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
inline void prepare_place(const fs::path& output, bool is_folder) {
  std::error_code error;
  if (output == standard_stream || fs::is_other(output, error)) return;  // a device
  error.clear();
  if (is_folder) fs::create_directories(output, error);
  const fs::path folder = is_folder ? output : output.has_parent_path() ? output.parent_path() : ".";
  if (!error && access(folder.c_str(), W_OK) != 0) error = {errno, std::generic_category()};
  nlcl::require<UsageError>(!error, "cannot write to the folder ", folder.string(), ": ", error.message());
}

// For CLI11's check(): what is wrong with the name of an input, nothing if it is there.
inline std::string check_exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? "" : "no such file or folder: " + path;
}

// One job after the other: body(job) says whether it took time, or throws what is wrong with the job, which describe(error,
// job) puts into words. The others are done all the same. Stops after the current image when asked to. Returns the exit
// code.
template <class Job>
int for_each_image(const std::string& program, const std::vector<Job>& jobs, const Progress& progress,
                   const auto& describe, const auto& body) {
  int code = all_done;
  std::size_t done = 0, computed = 0;
  for (const Job& job : jobs) {
    if (stop_signal) {
      progress.say(nlcl::text(program, ": stopped after ", done, " of ", jobs.size(), " images"));
      return 128 + stop_signal;
    }
    progress.show(done++, computed);
    try {
      computed += body(job) ? 1 : 0;
    } catch (const std::exception& error) {
      progress.say(program + ": " + describe(error, job));
      code = std::max<int>(code, code_of(error));
    }
  }
  progress.show(done, computed);
  return code;
}

// Three channels: what the model and its user see of an image.
inline nlcl::Image colours_of(const nlcl::Image& image) {
  nlcl::Image colours = without_alpha(image);
  if (colours.channels == 3) return colours;
  nlcl::Image result{colours.height, colours.width, 3, {}};
  result.pixels.reserve(3 * colours.pixels.size());
  for (const std::uint8_t level : colours.pixels) result.pixels.insert(result.pixels.end(), 3, level);
  return result;
}

// The pictures in a grid, on white.
inline nlcl::Image sheet_of(const std::vector<std::vector<nlcl::Image>>& rows) {
  constexpr nlcl::Index gap = 4;
  nlcl::Index width = 0, height = gap;
  for (const std::vector<nlcl::Image>& row : rows) {
    for (const nlcl::Image& picture : row) width = std::max(width, picture.width);
    height += row.front().height + gap;
  }
  const nlcl::Index whole = gap + static_cast<nlcl::Index>(rows.front().size()) * (width + gap);
  nlcl::Image sheet{height, whole, 3,
                    std::vector<std::uint8_t>(static_cast<std::size_t>(height * whole * 3), 255)};
  nlcl::Index top = gap;
  for (const std::vector<nlcl::Image>& row : rows) {
    nlcl::Index left = gap;
    for (const nlcl::Image& picture : row) {
      for (nlcl::Index y = 0; y < picture.height; ++y)
        std::copy_n(picture.pixels.begin() + y * picture.width * 3, picture.width * 3,
                    sheet.pixels.begin() + ((top + y) * whole + left) * 3);
      left += width + gap;
    }
    top += row.front().height + gap;
  }
  return sheet;
}

}  // namespace tools
