// Bytes in order: a reader that never leaves its span, the matching writer, and the checksum of zip and PNG.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"

namespace nlcl {

static_assert(std::endian::native == std::endian::little,
              "nlcl reads and writes its files as they lie in memory");

using ByteSpan = std::span<const std::byte>;

inline ByteSpan bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

inline std::string_view text_of(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::vector<std::byte> copy_of(ByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

// Reads numbers and blocks one after the other. Everything throws FormatError at the end of the bytes; `what`
// begins the message.
class ByteReader {
 public:
  ByteReader(ByteSpan bytes, std::string_view what) : bytes_(bytes), what_(what) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  ByteSpan take(std::size_t count) {
    require<FormatError>(count <= remaining(), what_, ": truncated, ", count, " bytes expected at offset ",
                         position_, ", there are ", remaining());
    const ByteSpan block = bytes_.subspan(position_, count);
    position_ += count;
    return block;
  }
  void skip(std::size_t count) { take(count); }
  void seek(std::size_t position) {
    position_ = 0;
    take(position);
  }

  template <std::unsigned_integral T>
  T little() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  template <std::unsigned_integral T>
  T big() {
    T value = 0;
    for (std::byte b : take(sizeof(T))) value = static_cast<T>((value << 8) | std::to_integer<T>(b));
    return value;
  }
  int byte() { return std::to_integer<int>(take(1)[0]); }

 private:
  ByteSpan bytes_;
  std::string_view what_;
  std::size_t position_ = 0;
};

inline void append(std::vector<std::byte>& out, ByteSpan bytes) {
  out.resize(out.size() + bytes.size());
  std::ranges::copy(bytes, out.end() - static_cast<std::ptrdiff_t>(bytes.size()));
}
inline void append(std::vector<std::byte>& out, std::string_view text) { append(out, bytes_of(text)); }

template <std::unsigned_integral T>
void append_little(std::vector<std::byte>& out, T value) {
  append(out, std::as_bytes(std::span(&value, 1)));
}
template <std::unsigned_integral T>
void append_big(std::vector<std::byte>& out, T value) {
  for (int shift = 8 * static_cast<int>(sizeof(T)) - 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::byte>(value >> shift));
}

// CRC-32 as zip and PNG use it: polynomial 0xedb88320, bits reflected.
inline std::uint32_t crc32(ByteSpan bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> result{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      result[i] = i;
      for (int bit = 0; bit < 8; ++bit) result[i] = (result[i] >> 1) ^ ((result[i] & 1) * 0xedb88320u);
    }
    return result;
  }();
  std::uint32_t crc = 0xffffffffu;
  for (std::byte b : bytes) crc = table[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

}  // namespace nlcl
