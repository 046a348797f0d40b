// A checkpoint of either format: the content decides when reading, the extension when writing.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "nlcl/io/safetensors.hpp"
#include "nlcl/io/state_file.hpp"
#include "nlcl/io/torch_checkpoint.hpp"

namespace nlcl {

// PyTorch's form is a zip archive, or a pickle in old files.
inline bool is_torch_checkpoint(ByteSpan file) {
  return detail::is_zip(file) || detail::is_legacy_torch_checkpoint(file);
}

// All of a file, or what the key names of it: a state dict, or the tensors whose names begin with it and a dot. Throws as
// the parsers of the formats, and FormatError for what cannot be either.
inline StateFile parse_checkpoint(ByteSpan file, std::string_view key = {}) {
  if (is_torch_checkpoint(file)) return parse_torch_checkpoint(file, key);
  constexpr std::size_t header = 9;  // of safetensors: the length of a JSON object, and its opening brace
  require<FormatError>(file.size() >= header && text_of(file)[header - 1] == '{',
                       "neither a PyTorch nor a safetensors checkpoint");
  return part_of(without_prefix(parse_safetensors(file), data_parallel_prefix), key);
}

// Throws IoError, or FormatError with the path.
inline StateFile read_checkpoint(const std::filesystem::path& path, std::string_view key = {}) {
  return parse_file(path, [key](ByteSpan file) { return parse_checkpoint(file, key); });
}

// .pth or .pt: PyTorch, without the metadata; .safetensors. Throws FormatError for another extension, and
// IoError.
inline void write_checkpoint(const std::filesystem::path& path, const StateFile& file) {
  const std::filesystem::path extension = path.extension();
  if (extension == ".safetensors") return write_safetensors(path, file);
  require<FormatError>(extension == ".pth" || extension == ".pt", "cannot write ", path.string(),
                       ": the extension is '", extension.string(), "', expected .pth, .pt or .safetensors");
  write_torch_checkpoint(path, file);
}

}  // namespace nlcl
