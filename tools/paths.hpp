// What programs ask about names of files and folders. What cannot be asked about, as what lies in a folder that may not be
// entered, is no folder and not there.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "nlcl/io/path.hpp"

namespace tools {

namespace fs = std::filesystem;

inline bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}
inline bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// For CLI11's check(): what is wrong with the name of an input, nothing if it is there.
inline std::string check_exists(const std::string& path) {
  std::error_code error;
  if (fs::exists(nlcl::path_of(path), error)) return "";
  return error ? "cannot read " + path + ": " + error.message() : "no such file or folder: " + path;
}
inline std::string check_file(const std::string& path) {
  return is_folder(nlcl::path_of(path)) ? "expected a file, is a folder: " + path : check_exists(path);
}
inline std::string check_folder(const std::string& path) {
  const std::string missing = check_exists(path);
  return !missing.empty() || is_folder(nlcl::path_of(path)) ? missing
                                                            : "expected a folder, is a file: " + path;
}

// The same for all names of a file that is there or could be. A pipe lies nowhere, nor does anything in a folder that has
// been removed: what cannot be resolved stands for itself.
inline fs::path place_of(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  const fs::path place = error ? path : fs::weakly_canonical(absolute, error);
  return error ? path.lexically_normal() : place;
}

}  // namespace tools
