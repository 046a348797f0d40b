// The structure of TIFF, in which EXIF data are kept too: directories of numbered fields.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl::detail {

struct TiffField {
  int tag = 0, type = 0;
  std::uint32_t count = 0;
  std::size_t at = 0;  // of its value, or of the value's offset if four bytes do not hold it
};

struct TiffDirectory {
  std::vector<TiffField> fields;
  std::size_t next_at = 0;  // of the next directory's offset; 0 there: this one is the last

  const TiffField* find(int tag) const {
    for (const TiffField& field : fields)
      if (field.tag == tag) return &field;
    return nullptr;
  }
};

// Everything throws FormatError beyond the end of the bytes.
class Tiff {
 public:
  // A byte order and the number 42, with which also most raw formats of cameras begin.
  static bool is_tiff(ByteSpan bytes) {
    const std::string_view begin = text_of(bytes);
    return begin.starts_with(std::string_view("II*\0", 4)) || begin.starts_with(std::string_view("MM\0*", 4));
  }

  // Throws FormatError unless is_tiff().
  explicit Tiff(ByteSpan bytes) : bytes_(bytes) {
    require<FormatError>(is_tiff(bytes), "tiff: no header");
    is_little_ = text_of(bytes).starts_with("II");
  }

  TiffDirectory directory(std::size_t offset) const {
    TiffDirectory directory;
    const int count = number<std::uint16_t>(offset);
    offset += 2;
    for (int i = 0; i < count; ++i, offset += 12)
      directory.fields.push_back({number<std::uint16_t>(offset), number<std::uint16_t>(offset + 2),
                                  number<std::uint32_t>(offset + 4), offset + 8});
    directory.next_at = offset;
    return directory;
  }
  TiffDirectory first_directory() const { return directory(number<std::uint32_t>(4)); }

  template <std::unsigned_integral T>
  T number(std::size_t at) const {
    ByteReader reader(bytes_, "tiff");
    reader.seek(at);
    return is_little_ ? reader.little<T>() : reader.big<T>();
  }

  // Writes a number of two bytes into `bytes`, which are those of this structure.
  void set(std::vector<std::byte>& bytes, std::size_t at, std::uint16_t value) const {
    const auto low = static_cast<std::byte>(value), high = static_cast<std::byte>(value >> 8);
    bytes.at(at) = is_little_ ? low : high;
    bytes.at(at + 1) = is_little_ ? high : low;
  }

 private:
  ByteSpan bytes_;
  bool is_little_ = true;
};

}  // namespace nlcl::detail
