// Where the tests find files: the only place that knows, so that no other object depends on where the sources lie.
#pragma once

#include <filesystem>

namespace nlcl::test {

std::filesystem::path source_path(const std::filesystem::path& relative = {});  // to the top of the sources
std::filesystem::path program_path(
    const std::filesystem::path& relative = {});  // to the folder of the programs
std::filesystem::path shared_path(
    const std::filesystem::path& relative = {});  // to published weights and rain images

}  // namespace nlcl::test
