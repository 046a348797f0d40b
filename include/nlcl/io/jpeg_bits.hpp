// What a JPEG is read and written with: segments, and for its entropy-coded data Huffman tables and bits one after the other.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl::detail {

inline constexpr std::size_t max_jpeg_segment = 65533;  // bytes behind the length, which counts itself

inline void append_jpeg_segment(std::vector<std::byte>& out, std::string_view marker, std::string_view prefix,
                                ByteSpan data) {
  append(out, "\xff");
  append(out, marker);
  append_big(out, static_cast<std::uint16_t>(2 + prefix.size() + data.size()));
  append(out, prefix);
  append(out, data);
}

struct JpegCode {
  std::uint32_t bits = 0;
  int length = 0;  // 0: there is none
};

// A Huffman table as a decoder wants it: for every 16 bits that can follow, the length of the code they begin
// with and its symbol. Empty: not defined yet.
class HuffmanLookup {
 public:
  bool empty() const { return entries_.empty(); }

  // `counts`: how many codes there are of 1 to 16 bits.
  void define(const std::array<int, 16>& counts, ByteSpan symbols) {
    // With 256 symbols the last one collides with the mark that the decoder uses for "no short code".
    require<FormatError>(symbols.size() < 256, "jpeg: a Huffman table of ", symbols.size(), " symbols");
    entries_.assign(65536, 0);
    code_of_zero_ = {};
    std::size_t next = 0, symbol = 0;
    for (std::size_t length = 1; length <= 16; ++length) {
      const std::size_t span = std::size_t{1} << (16 - length);
      for (int i = 0; i < counts[length - 1]; ++i) {
        require<FormatError>(next + span <= entries_.size(),
                             "jpeg: a Huffman table with more codes than there can be");
        const auto entry =
            static_cast<std::uint16_t>((length << 8) | std::to_integer<std::size_t>(symbols[symbol++]));
        std::fill_n(entries_.begin() + static_cast<std::ptrdiff_t>(next), span, entry);
        if ((entry & 0xff) == 0)
          code_of_zero_ = {static_cast<std::uint32_t>(next / span), static_cast<int>(length)};
        next += span;
      }
    }
  }

  int length(std::uint32_t bits) const { return entries_[bits] >> 8; }  // 0: no code
  int symbol(std::uint32_t bits) const { return entries_[bits] & 0xff; }
  JpegCode code_of_zero() const { return code_of_zero_; }

 private:
  std::vector<std::uint16_t> entries_;
  JpegCode code_of_zero_;
};

// The bits of one restart interval.
class JpegBits {
 public:
  // Takes entropy-coded bytes from `file` at `position`, which is left at the marker that ends them, or at the end of the
  // file. FF 00 is a byte FF.
  void load(ByteSpan file, std::size_t& position) {
    bytes_.clear();
    bit_ = 0;
    for (;;) {
      const auto from = file.begin() + static_cast<std::ptrdiff_t>(position);
      const auto marker = std::find(from, file.end(), std::byte{0xff});
      bytes_.insert(bytes_.end(), from, marker);
      auto code = marker;
      while (code != file.end() && *code == std::byte{0xff}) ++code;
      position = static_cast<std::size_t>(marker - file.begin());
      if (code == file.end() || *code != std::byte{0}) break;
      bytes_.push_back(std::byte{0xff});
      position = static_cast<std::size_t>(code - file.begin()) + 1;
    }
    size_ = 8 * bytes_.size();
    bytes_.resize(bytes_.size() + 3);  // so that peek() may look beyond the end
  }

  std::size_t position() const { return bit_; }
  int bit(std::size_t at) const { return std::to_integer<int>(bytes_[at / 8]) >> (7 - at % 8) & 1; }

  std::uint32_t peek16() const {
    const std::byte* at = bytes_.data() + bit_ / 8;
    const auto value = std::to_integer<std::uint32_t>(at[0]) << 16 |
                       std::to_integer<std::uint32_t>(at[1]) << 8 | std::to_integer<std::uint32_t>(at[2]);
    return value >> (8 - bit_ % 8) & 0xffff;
  }

  void skip(int count) {
    bit_ += static_cast<std::size_t>(count);
    require<FormatError>(bit_ <= size_, "jpeg: truncated, the data of a scan end too early");
  }

  int take(int count) {
    const auto value = static_cast<int>(peek16() >> (16 - count));
    skip(count);
    return value;
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t bit_ = 0, size_ = 0;
};

inline int take_symbol(JpegBits& bits, const HuffmanLookup& table) {
  const std::uint32_t ahead = bits.peek16();
  require<FormatError>(table.length(ahead) > 0, "jpeg: an unknown Huffman code");
  bits.skip(table.length(ahead));
  return table.symbol(ahead);
}

// All of a baseline block but its first coefficient.
inline void skip_baseline_ac(JpegBits& bits, const HuffmanLookup& table) {
  for (int k = 1; k < 64;) {
    const int code = take_symbol(bits, table), size = code & 15;
    if (size == 0 && code != 0xf0) return;
    bits.skip(size);
    k += (code >> 4) + 1;
  }
}

// Appends bits; a byte FF becomes FF 00.
class JpegBitWriter {
 public:
  explicit JpegBitWriter(std::vector<std::byte>& out) : out_(out) {}

  void put(int bit) {
    byte_ = byte_ << 1 | bit;
    if (++count_ < 8) return;
    out_.push_back(static_cast<std::byte>(byte_));
    if (byte_ == 0xff) out_.push_back(std::byte{0});
    byte_ = count_ = 0;
  }
  void put(JpegCode code) {
    for (int i = code.length - 1; i >= 0; --i) put(static_cast<int>(code.bits >> i & 1));
  }
  void put(const JpegBits& bits, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) put(bits.bit(i));
  }

  // Ones up to a whole byte.
  void flush() {
    while (count_ > 0) put(1);
  }
  void restart(int number) {
    flush();
    out_.push_back(std::byte{0xff});
    out_.push_back(static_cast<std::byte>(0xd0 + number));
  }

 private:
  std::vector<std::byte>& out_;
  int byte_ = 0, count_ = 0;
};

}  // namespace nlcl::detail
