// Patterns of file names, for shells that leave them as they are.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tools {

inline bool is_pattern(std::string_view name) { return name.find_first_of("*?[") != std::string_view::npos; }

// Whether a name is of the pattern: `*` any characters, `?` one, `[a-z]` one of these, `[!a-z]` one of the others. A bracket
// that nothing closes stands for itself.
inline bool matches_pattern(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*')
    return matches_pattern(pattern.substr(1), name) ||
           (!name.empty() && matches_pattern(pattern, name.substr(1)));
  if (name.empty()) return false;
  std::size_t taken = 1;
  bool matches = pattern.front() == '?' || pattern.front() == name.front();
  const std::size_t end = pattern.front() == '[' ? pattern.find(']', 2) : std::string_view::npos;
  if (end != std::string_view::npos) {
    const bool is_negated = pattern[1] == '!' || pattern[1] == '^';
    bool is_in = false;
    for (std::size_t at = is_negated ? 2 : 1; at < end; ++at) {
      const bool is_range = at + 2 < end && pattern[at + 1] == '-';
      const auto first = static_cast<unsigned char>(pattern[at]);
      const auto last = static_cast<unsigned char>(pattern[is_range ? at + 2 : at]);
      const auto character = static_cast<unsigned char>(name.front());
      is_in = is_in || (first <= character && character <= last);
      if (is_range) at += 2;
    }
    matches = is_in != is_negated;
    taken = end + 1;
  }
  return matches && matches_pattern(pattern.substr(taken), name.substr(1));
}

// The files and folders that a path with patterns in any of its parts names, sorted. As in a shell a name that begins with a
// point is only found by a pattern that does. What cannot be read is not there.
inline std::vector<std::filesystem::path> paths_of(const std::filesystem::path& pattern) {
  namespace fs = std::filesystem;
  std::vector<fs::path> found{""};
  for (const fs::path& part : pattern) {
    const std::string wanted = part.string();
    std::vector<fs::path> next;
    std::error_code ignored;
    for (const fs::path& folder : found) {
      if (!is_pattern(wanted)) {
        if (fs::exists(folder / part, ignored)) next.push_back(folder / part);
        continue;
      }
      for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, ignored)) {
        const std::string name = entry.path().filename().string();
        if ((name.front() != '.' || wanted.front() == '.') && matches_pattern(wanted, name))
          next.push_back(folder / entry.path().filename());
      }
    }
    found = std::move(next);
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace tools
