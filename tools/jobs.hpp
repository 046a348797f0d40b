// Which images a program is to take, and where their results go: what it is given names images, folders, patterns, or
// standard input.
#pragma once

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "glob.hpp"
#include "images.hpp"
#include "nlcl/io/image_format.hpp"
#include "nlcl/io/path.hpp"

namespace tools {

// An image that is to be taken.
struct FoundImage {
  fs::path file;
  fs::path name;          // in a folder of results: as in the folder that was given
  bool is_named = false;  // by itself, not by a folder or a pattern
};

// What was given, as the images that it means.
struct Inputs {
  std::vector<FoundImage> images;
  bool is_one = false;  // a single file or standard input: a result may be a file
  std::string foreign;  // FoundFiles::foreign(), of all folders and patterns
};

// What the name of a result ends in that lies beside its image.
inline const std::string result_suffix = "-derained";

inline bool is_result_name(const fs::path& file) { return file.stem().string().ends_with(result_suffix); }

// photo-derained.jpg beside photo.jpg. `part`: what of it, if not all.
inline fs::path place_beside(const fs::path& image, const std::string& part, const std::string& extension) {
  return image.parent_path() / nlcl::path_of(image.stem().string() + part + result_suffix + extension);
}

// `output` as a folder of results, or as the file of one result?
inline bool is_meant_as_folder(const fs::path& output) {
  std::error_code ignored;
  if (output == standard_stream || fs::is_other(output, ignored)) return false;
  return is_folder(output) || !output.has_filename() || (!is_there(output) && !output.has_extension());
}

namespace detail {

// In a folder and all folders in it, but for the `left_out` ones. Links to folders are not followed:
// there may be circles of them.
inline FoundFiles files_under(const fs::path& folder, const std::set<fs::path>& left_out) {
  FoundFiles files;
  std::error_code error, ignored;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const bool is_subfolder = entry->is_directory(ignored);
    if (is_subfolder && left_out.contains(place_of(entry->path())))
      entry.disable_recursion_pending();
    else if (!is_subfolder)
      files.add(entry->path());
  }
  return found_in(folder, std::move(files), error);
}

}  // namespace detail

// The images that `names` mean, each of them once, in the order of the names. A folder means those in it, with `recursive`
// also those of its subfolders but for the folders of `results`. Throws UsageError for a name that means nothing.
inline Inputs find_images(const std::vector<fs::path>& names, bool recursive,
                          const std::vector<fs::path>& results) {
  Inputs inputs;
  inputs.is_one = names.size() == 1;
  std::set<fs::path> folders_of_results;
  for (const fs::path& result : results)
    if (!result.empty()) folders_of_results.insert(place_of(result));

  FoundFiles all;
  std::set<fs::path> seen;
  const auto add = [&](FoundImage image) {
    if (seen.insert(image.file.lexically_normal()).second) inputs.images.push_back(std::move(image));
  };
  for (const fs::path& name : names) {
    if (is_folder(name)) {
      inputs.is_one = false;
      const FoundFiles files = recursive ? detail::files_under(name, folders_of_results) : files_in(name);
      for (const fs::path& image : files.images()) add({image, image.lexically_relative(name)});
      all.add(files);
    } else if (name == standard_stream || is_there(name)) {
      nlcl::require<UsageError>(name != standard_stream || names.size() == 1,
                                "standard input has no name: it is taken alone, not with other images");
      add({name, name.filename(), true});
    } else {
      nlcl::require<UsageError>(is_pattern(name.string()), check_exists(name.string()));
      inputs.is_one = false;
      FoundFiles files;
      for (const fs::path& file : paths_of(name))
        if (!is_folder(file)) files.add(file);
      files.require_images("no image is named " + name.string());
      for (const fs::path& image : files.images()) add({image, image.filename()});
      all.add(files);
    }
  }
  inputs.foreign = all.foreign();
  return inputs;
}

// Leaves out what earlier calls wrote beside images, unless it is named by itself and no image that it comes from is. Throws
// UsageError when nothing is left.
inline void leave_out_results(Inputs& inputs) {
  if (inputs.is_one) return;
  const auto has_source = [&](const fs::path& result) {
    const std::string stem = result.stem().string();
    const std::string source = stem.substr(0, stem.size() - result_suffix.size());
    return std::ranges::any_of(inputs.images, [&](const FoundImage& other) {
      return other.file.parent_path() == result.parent_path() && other.file.stem().string() == source;
    });
  };
  std::vector<FoundImage> kept;
  for (const FoundImage& image : inputs.images)
    if (!is_result_name(image.file) || (image.is_named && !has_source(image.file))) kept.push_back(image);
  nlcl::require<UsageError>(!kept.empty(), inputs.images.front().file.string(),
                            ": a result of an earlier call, as are all images that are named");
  inputs.images = std::move(kept);
}

}  // namespace tools
