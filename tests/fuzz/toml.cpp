// Any bytes as a configuration; what is read reads the same when it is written again.
#include "nlcl/io/toml.hpp"

#include <cstdint>
#include <cstdlib>

#include "nlcl/io/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    for (const nlcl::TomlEntry& entry :
         nlcl::parse_toml(nlcl::text_of(std::as_bytes(std::span(data, size))))) {
      const auto again = nlcl::parse_toml(nlcl::toml_line(entry));
      if (again.size() != 1 || again[0].name != entry.name || again[0].value != entry.value) std::abort();
    }
  } catch (const nlcl::FormatError&) {
  }
  return 0;
}
