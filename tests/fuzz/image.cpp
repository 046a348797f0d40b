// Any bytes as an image. The checksums of a PNG are made right first, since a mutation rarely does that.
#include "nlcl/io/image.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace {

void repair_checksums(std::vector<std::byte>& file) {
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::size_t size = nlcl::ByteReader(nlcl::ByteSpan(file).subspan(at), "png").big<std::uint32_t>();
    if (size > file.size() - at - 12) return;
    std::vector<std::byte> checksum;
    nlcl::append_big(checksum, nlcl::crc32(nlcl::ByteSpan(file).subspan(at + 4, 4 + size)));
    std::ranges::copy(checksum, file.begin() + static_cast<std::ptrdiff_t>(at + 8 + size));
    at += 12 + size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const nlcl::ByteSpan bytes = std::as_bytes(std::span(data, size));
  std::vector<std::byte> file(bytes.begin(), bytes.end());
  if (nlcl::text_of(file).starts_with("\x89PNG")) repair_checksums(file);
  const bool is_tolerant = size % 2 == 0;
  try {
    const nlcl::Photo photo = nlcl::decode_photo(file, {.max_pixels = 1 << 16, .is_tolerant = is_tolerant});
    const nlcl::Photo result = nlcl::with_colours(photo, nlcl::to_tensor(photo));
    for (const nlcl::ImageFormat& format : nlcl::image_formats())
      if (format.encode) nlcl::decode_photo(nlcl::encode_photo(result, format));
  } catch (const nlcl::Error&) {
  }
  return 0;
}
