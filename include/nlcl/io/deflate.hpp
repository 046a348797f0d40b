// The compression of zlib, by stb: what PNG stores pixels and some of its texts with, and zip its entries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/stb.hpp"

namespace nlcl::detail {

// A zlib stream. Throws FormatError if it is damaged, truncated, or more than `limit` bytes come out of it.
inline std::vector<std::byte> inflated(ByteSpan stream, std::size_t limit) {
  decoder_limit = 2 * limit + 16384;  // it grows by doubling
  int size = 0;
  const std::unique_ptr<char, decltype(&std::free)> out(
      stream.size() <= std::numeric_limits<int>::max()
          ? stbi_zlib_decode_malloc(reinterpret_cast<const char*>(stream.data()),
                                    static_cast<int>(stream.size()), &size)
          : nullptr,
      &std::free);
  require<FormatError>(out && static_cast<std::size_t>(size) <= limit, "zlib: ", stream.size(),
                       " bytes are damaged, or hold more than ", limit);
  const auto* const begin = reinterpret_cast<const std::byte*>(out.get());
  return {begin, begin + size};
}

// Zeros, with a place in memory also where there are none: stb adds to that place before it compares.
inline std::vector<std::byte> room_for(std::size_t size) {
  std::vector<std::byte> room;
  room.reserve(std::max<std::size_t>(size, 1));
  room.resize(size);
  return room;
}

struct InflatedPart {
  std::vector<std::byte> bytes;  // zero behind those that are there
  std::size_t there = 0;
};

// The first `size` bytes of what a stream holds that may be cut short anywhere.
inline InflatedPart inflated_part(ByteSpan stream, std::size_t size) {
  require<FormatError>(std::max(stream.size(), size) <= std::numeric_limits<int>::max(),
                       "zlib: ", stream.size(), " bytes that hold ", size, " are too many");
  InflatedPart part{room_for(size)};
  stbi_zlib_decode_buffer(reinterpret_cast<char*>(part.bytes.data()), static_cast<int>(size),
                          reinterpret_cast<const char*>(stream.data()), static_cast<int>(stream.size()));
  const auto last =
      std::find_if(part.bytes.rbegin(), part.bytes.rend(), [](std::byte b) { return b != std::byte{0}; });
  part.there = static_cast<std::size_t>(part.bytes.rend() - last);
  return part;
}

// What `size` bytes were deflated to, without the frame of zlib, as an entry of a zip archive. Throws FormatError if other
// than these come out.
inline std::vector<std::byte> inflated_entry(ByteSpan stream, std::size_t size) {
  constexpr std::size_t most = std::size_t{1} << 30;
  require<FormatError>(std::max(stream.size(), size) <= most, "deflate: ", stream.size(), " bytes that hold ",
                       size, " are too many");
  std::vector<std::byte> framed(stream.begin(), stream.end());
  framed.resize(stream.size() + 4);  // stb reads on to where zlib has its checksum
  std::vector<std::byte> out = room_for(size);
  const int found = stbi_zlib_decode_noheader_buffer(
      reinterpret_cast<char*>(out.data()), static_cast<int>(size),
      reinterpret_cast<const char*>(framed.data()), static_cast<int>(framed.size()));
  require<FormatError>(found >= 0 && static_cast<std::size_t>(found) == size, "deflate: ", stream.size(),
                       " bytes are damaged, or do not hold ", size);
  return out;
}

// Throws FormatError beyond 1 GiB, where the sizes that stb counts in an int might end, and MemoryError.
inline std::vector<std::byte> deflated(ByteSpan bytes) {
  require<FormatError>(bytes.size() <= std::size_t{1} << 30, "zlib: ", bytes.size(), " bytes are too many");
  int size = 0;
  auto* const input =
      reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));  // it is only read
  const std::unique_ptr<unsigned char, decltype(&std::free)> out(
      stbi_zlib_compress(input, static_cast<int>(bytes.size()), &size, 8), &std::free);
  require<MemoryError>(out != nullptr, "zlib: no memory to compress ", bytes.size(), " bytes");
  const auto* const begin = reinterpret_cast<const std::byte*>(out.get());
  return {begin, begin + size};
}

}  // namespace nlcl::detail
