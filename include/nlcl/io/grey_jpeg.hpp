// A JPEG of one component, out of what an encoder makes that only knows colour.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/jpeg_bits.hpp"
#include "nlcl/io/pixels.hpp"

namespace nlcl::detail {

// A colour JPEG is groups of blocks: those of the luminance, and one of each chroma. Of grey pixels the latter are empty, and
// each is four bits: no difference, and the end of the block. Without them a grey JPEG is left, if the blocks of the luminance
// come in the order in which that has them, row by row of the image.
class GreyBlocks {
 public:
  // Of groups with `side` x `side` blocks of luminance.
  GreyBlocks(const Image& grey, Index side)
      : height_(grey.height), width_(grey.width), side_(side), across_((width_ + 7) / 8) {
    pixels_ = {groups() * side * 8, side * 8, 1, {}};
    pixels_.pixels.resize(static_cast<std::size_t>(pixels_.height * pixels_.width));
    for (Index block = 0; block < count(); ++block) {
      const Index group = block / (side * side), place = block % (side * side);
      for (Index row = 0; row < 8; ++row) {
        const Index y = std::min(block / across_ * 8 + row, height_ - 1), left = block % across_ * 8;
        const Index to = ((group * side + place / side) * 8 + row) * pixels_.width + place % side * 8;
        for (Index x = 0; x < 8; ++x)  // the last row and column go on for ever
          pixels_.pixels[static_cast<std::size_t>(to + x)] =
              grey.pixels[static_cast<std::size_t>(y * width_ + std::min(left + x, width_ - 1))];
      }
    }
  }

  // The blocks of the image in groups, one group below the other.
  const Image& pixels() const { return pixels_; }

  // The grey JPEG of the image. `colour` is a baseline JPEG of pixels(), JFIF in front, whose tables come in the usual order.
  // Throws FormatError if it has colours.
  std::vector<std::byte> jpeg(ByteSpan colour) const {
    constexpr std::size_t jfif_end = 2 + 18, quantisation = 1 + 64, dc_codes = 1 + 16 + 12,
                          ac_codes = 1 + 16 + 162;
    std::vector<std::byte> out = copy_of(colour.first(jfif_end));
    HuffmanLookup dc, ac;
    ByteReader reader(colour, "jpeg");
    reader.seek(jfif_end);
    for (int marker = 0; marker != 0xda;) {
      reader.skip(1);
      marker = reader.byte();
      const ByteSpan data = reader.take(reader.big<std::uint16_t>() - std::size_t{2});
      if (marker == 0xdb) append_jpeg_segment(out, "\xdb", "", data.first(quantisation));
      if (marker == 0xc0) {
        std::vector<std::byte> frame = bytes_of_numbers({8});
        append_big(frame, static_cast<std::uint16_t>(height_));
        append_big(frame, static_cast<std::uint16_t>(width_));
        append(frame, bytes_of_numbers({1, 1, 0x11, 0}));
        append_jpeg_segment(out, "\xc0", "", frame);
      }
      if (marker == 0xc4) {
        append_jpeg_segment(out, "\xc4", "", data.first(dc_codes + ac_codes));
        define(dc, data.first(dc_codes));
        define(ac, data.subspan(dc_codes, ac_codes));
      }
    }
    append_jpeg_segment(out, "\xda", "", bytes_of_numbers({1, 1, 0, 0, 63, 0}));

    JpegBits bits;
    std::size_t position = reader.position();
    bits.load(colour, position);
    JpegBitWriter writer(out);
    for (Index block = 0; block < count(); ++block) {
      const std::size_t begin = bits.position();
      bits.skip(take_symbol(bits, dc));
      skip_baseline_ac(bits, ac);
      writer.put(bits, begin, bits.position());
      if ((block + 1) % (side_ * side_) == 0)
        require<FormatError>(bits.take(8) == 0, "jpeg: colours in a grey image");
    }
    writer.flush();
    append(out, "\xff\xd9");
    return out;
  }

 private:
  Index count() const { return across_ * ((height_ + 7) / 8); }
  Index groups() const { return (count() + side_ * side_ - 1) / (side_ * side_); }

  static std::vector<std::byte> bytes_of_numbers(std::initializer_list<int> numbers) {
    std::vector<std::byte> bytes;
    bytes.reserve(numbers.size());
    for (const int number : numbers) bytes.push_back(static_cast<std::byte>(number));
    return bytes;
  }

  // Its class and number, how many codes there are of 1 to 16 bits, and their symbols.
  static void define(HuffmanLookup& table, ByteSpan data) {
    std::array<int, 16> counts{};
    std::ranges::transform(data.subspan(1, 16), counts.begin(),
                           [](std::byte count) { return std::to_integer<int>(count); });
    table.define(counts, data.subspan(17));
  }

  Index height_, width_, side_, across_;  // of the last two: blocks in a group, and in a row of the image
  Image pixels_;
};

}  // namespace nlcl::detail
