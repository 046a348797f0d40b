// PPM, PGM and PAM: a few words and then the levels, which is why programs hand images to each other in them. 8 or 16 bits,
// and any largest level.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/number.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/photo.hpp"
#include "nlcl/io/pixels.hpp"

namespace nlcl::detail {

struct PnmHeader {
  Index height = 0, width = 0, channels = 0;
  int white = 0;  // the largest level
};

inline bool is_white_space(char c) {
  return std::string_view(" \t\r\n\v\f").find(c) != std::string_view::npos;
}

// The next word; # begins a comment that ends with the line. One byte of white space behind the word is taken too.
inline std::string pnm_word(ByteReader& reader) {
  std::string word;
  for (;;) {
    char c = static_cast<char>(reader.byte());
    if (c == '#' && word.empty())
      while (c != '\n') c = static_cast<char>(reader.byte());
    if (!is_white_space(c)) {
      require<FormatError>(word.size() < 64, "pnm: a word of more than 64 bytes in the header");
      word += c;
    } else if (!word.empty()) {
      return word;
    }
  }
}

inline Index pnm_number(ByteReader& reader, const char* what) {
  const std::string word = pnm_word(reader);
  const auto value = number_in<Index>(word);
  require<FormatError>(value.has_value(), "pnm: the ", what, " is '", word, "', expected a number");
  return *value;
}

// P5 and P6: width, height and largest level. P7: lines of a name and a value, up to ENDHDR.
inline PnmHeader read_pnm_header(ByteReader& reader) {
  PnmHeader header;
  const std::string kind = pnm_word(reader);
  Index white = 0;
  if (kind != "P7") {
    header.channels = kind == "P6" ? 3 : 1;
    header.width = pnm_number(reader, "width");
    header.height = pnm_number(reader, "height");
    white = pnm_number(reader, "largest level");
  } else {
    std::string tuple;
    for (std::string name = pnm_word(reader); name != "ENDHDR"; name = pnm_word(reader)) {
      if (name == "TUPLTYPE")
        tuple = pnm_word(reader);
      else if (name == "WIDTH")
        header.width = pnm_number(reader, "width");
      else if (name == "HEIGHT")
        header.height = pnm_number(reader, "height");
      else if (name == "DEPTH")
        header.channels = pnm_number(reader, "depth");
      else if (name == "MAXVAL")
        white = pnm_number(reader, "largest level");
      else
        throw FormatError("pam: '" + name + "' in the header, which is not known");
    }
    const bool is_of_light = tuple.empty() || tuple.starts_with("RGB") || tuple.starts_with("GRAYSCALE") ||
                             tuple.starts_with("BLACKANDWHITE");
    require<FormatError>(is_of_light && header.channels >= 1 && header.channels <= 4,
                         "pam: ", header.channels, " channels of '", tuple,
                         "', expected grey or RGB, with or without alpha");
  }
  require<FormatError>(white >= 1 && white <= 65535, "pnm: a largest level of ", white,
                       ", expected 1 to 65535");
  header.white = static_cast<int>(white);
  return header;
}

// Levels of one byte, or of two with the upper one first; scaled if white is another one.
template <class Level>
BasicImage<Level> pnm_pixels(const PnmHeader& header, ByteSpan bytes) {
  BasicImage<Level> image{header.height, header.width, header.channels, {}};
  image.pixels.resize(static_cast<std::size_t>(image.height * image.width * image.channels));
  ByteReader reader(bytes, "pnm");
  for (std::size_t i = 0; i < bytes.size() / sizeof(Level); ++i) {
    const auto level = std::min<std::uint32_t>(reader.big<Level>(), static_cast<std::uint32_t>(header.white));
    const auto white = static_cast<std::uint32_t>(header.white);
    image.pixels[i] =
        static_cast<Level>((level * static_cast<std::uint32_t>(image.white) + white / 2) / white);
  }
  return image;
}

inline Photo decode_pnm(ByteSpan file, const DecodeOptions& options) {
  ByteReader reader(file, "pnm");
  const PnmHeader header = read_pnm_header(reader);
  check_dimensions("pnm", header.height, header.width, options.max_pixels);
  const std::size_t level = header.white > 255 ? 2 : 1;
  const std::size_t size = level * static_cast<std::size_t>(header.height * header.width * header.channels);
  const std::size_t there = options.is_tolerant ? std::min(size, reader.remaining()) : size;
  const ByteSpan bytes = reader.take(there);

  Photo photo{level == 2 ? std::variant<Image, DeepImage>(pnm_pixels<std::uint16_t>(header, bytes))
                         : pnm_pixels<std::uint8_t>(header, bytes)};
  if (there < size)
    photo.warnings.push_back(text("pnm: truncated, ", 100 - 100 * there / size, " % of it is lost"));
  if (reader.remaining() > 0)
    photo.warnings.push_back(text("pnm: ", reader.remaining(), " bytes behind the image are not read"));
  return photo;
}

inline void append_levels(std::vector<std::byte>& out, const Photo& photo) {
  std::visit(
      [&](const auto& image) {
        for (const auto level : image.pixels) append_big(out, level);
      },
      photo.image);
}

// A PPM, or a PGM of a grey photograph. Throws FormatError for an alpha channel.
inline std::vector<std::byte> encode_ppm(const Photo& photo, const EncodeOptions&) {
  require<FormatError>(!photo.has_alpha(), "ppm: has no alpha channel, write a PAM or take without_alpha()");
  std::vector<std::byte> out;
  append(out, text(photo.channels() == 1 ? "P5" : "P6", '\n', photo.width(), ' ', photo.height(), '\n',
                   photo.bits() == 16 ? 65535 : 255, '\n'));
  append_levels(out, photo);
  return out;
}

inline std::vector<std::byte> encode_pam(const Photo& photo, const EncodeOptions&) {
  static constexpr std::array<const char*, 4> tuples{"GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA"};
  std::vector<std::byte> out;
  append(out, text("P7\nWIDTH ", photo.width(), "\nHEIGHT ", photo.height(), "\nDEPTH ", photo.channels(),
                   "\nMAXVAL ", photo.bits() == 16 ? 65535 : 255, "\nTUPLTYPE ",
                   tuples[static_cast<std::size_t>(photo.channels()) - 1], "\nENDHDR\n"));
  append_levels(out, photo);
  return out;
}

}  // namespace nlcl::detail
