// The weights that lie within a program, by name. The table is made from files of models/ by tools/embed.cmake.
#pragma once

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checkpoint.hpp"

namespace tools {

struct BuiltInWeights {
  std::string_view name, purpose;
  nlcl::ByteSpan file;
};

// Never empty: the first are taken where none are asked for.
std::span<const BuiltInWeights> built_in_weights();

// A name of the table, or else a file; `./NAME` is one in any case. `key` and errors are as for nlcl::read_checkpoint().
inline nlcl::StateFile read_weights(const std::filesystem::path& weights, std::string_view key = {}) {
  const auto table = built_in_weights();
  const auto found = std::ranges::find(table, weights.string(), &BuiltInWeights::name);
  return found != table.end() ? nlcl::parse_checkpoint(found->file, key)
                              : nlcl::read_checkpoint(weights, key);
}

}  // namespace tools
