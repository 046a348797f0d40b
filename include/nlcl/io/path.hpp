// Names of files as text, in UTF-8.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace nlcl {

// The path of a name, which may be any bytes where file systems have them. On Windows std::filesystem takes a std::string to be
// in the system's code page, in which most names cannot be said; path.string() is UTF-8 also there, with libstdc++.
inline std::filesystem::path path_of(std::string_view name) {
  return std::u8string(name.begin(), name.end());
}

}  // namespace nlcl
