// Any bytes: either a FormatError, or a file that survives being written and read again.
#include "nlcl/io/safetensors.hpp"

#include <cstdint>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const nlcl::StateFile file = nlcl::parse_safetensors(std::as_bytes(std::span(data, size)));
    const auto bytes = nlcl::to_safetensors_bytes(file);
    if (nlcl::to_safetensors_bytes(nlcl::parse_safetensors(bytes)) != bytes) std::abort();
    for (const nlcl::RawTensor& tensor : file.tensors) nlcl::to_tensor(tensor);
  } catch (const nlcl::Error&) {
  }
  return 0;
}
