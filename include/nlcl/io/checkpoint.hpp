// A checkpoint of either format: the content decides when reading, the extension when writing.
#pragma once

#include <algorithm>
#include <filesystem>

#include "nlcl/io/safetensors.hpp"
#include "nlcl/io/state_file.hpp"
#include "nlcl/io/torch_checkpoint.hpp"

namespace nlcl {

// PyTorch's form is a zip archive, or a pickle in old files.
inline bool is_torch_checkpoint(ByteSpan file) {
  return detail::is_zip(file) || detail::is_legacy_torch_checkpoint(file);
}

// Throws as the parsers of the formats, and FormatError for what cannot be either.
inline StateFile parse_checkpoint(ByteSpan file) {
  if (is_torch_checkpoint(file)) return parse_torch_checkpoint(file);
  constexpr std::size_t header = 9;  // of safetensors: the length of a JSON object, and its opening brace
  require<FormatError>(file.size() >= header && text_of(file)[header - 1] == '{',
                       "neither a PyTorch nor a safetensors checkpoint");
  return parse_safetensors(file);
}

// Throws IoError, or FormatError with the path.
inline StateFile read_checkpoint(const std::filesystem::path& path) {
  return parse_file(path, parse_checkpoint);
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
