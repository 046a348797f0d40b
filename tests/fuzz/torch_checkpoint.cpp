// Any bytes as an archive, and, since a mutation rarely gets past the checksums of one, as the pickle of a
// sound archive.
#include "nlcl/io/torch_checkpoint.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace {

void parse(nlcl::ByteSpan archive) {
  try {
    const nlcl::StateFile file = nlcl::parse_torch_checkpoint(archive);
    nlcl::parse_torch_checkpoint(nlcl::to_torch_checkpoint_bytes(file));
    for (const nlcl::RawTensor& tensor : file.tensors) nlcl::to_tensor(tensor);
  } catch (const nlcl::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const nlcl::ByteSpan bytes = std::as_bytes(std::span(data, size));
  parse(bytes);
  static const std::vector<std::byte> storage(96);
  const nlcl::ZipEntry entries[] = {{"a/data.pkl", bytes}, {"a/data/0", storage}, {"a/data/1", storage}};
  parse(nlcl::to_zip_bytes(entries));
  return 0;
}
