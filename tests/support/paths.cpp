#include "support/paths.hpp"

#include <cstdlib>

namespace nlcl::test {
namespace {

// The folder that the build knows, unless a variable names another: tests may run on another machine than they were built on.
std::filesystem::path folder(const char* variable, const char* built) {
  const char* given = std::getenv(variable);
  return given != nullptr ? given : built;
}

}  // namespace

std::filesystem::path source_path(const std::filesystem::path& relative) {
  return folder("NLCL_SOURCE_DIR", NLCL_SOURCE_DIR) / relative;
}
std::filesystem::path program_path(const std::filesystem::path& relative) {
  return folder("NLCL_BIN_DIR", NLCL_BIN_DIR) / relative;
}
std::filesystem::path shared_path(const std::filesystem::path& relative) {
  return folder("NLCL_SHARED_DIR", NLCL_SHARED_DIR) / relative;
}

}  // namespace nlcl::test
