// What must hold before a JPEG goes to the decoder.
//
// stb_image takes a damaged file as far as it gets: where the data end too early it decodes bits that are not
// there and returns the image half grey, and older versions write beyond their tables. So the file is walked
// here first, exactly as the decoder will walk it: every segment, every Huffman code of every scan, but no
// pixel. A file that passes is complete, and the decoder never leaves the ground that has been walked.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl::detail {

// Height, width, and how the pixels are to be turned (EXIF, 1 to 8, 1: not at all).
struct JpegInfo {
  Index height = 0, width = 0;
  int orientation = 1;
};

// The orientation in an APP1 segment. A segment that makes no sense is ignored, as every viewer does.
inline int exif_orientation(ByteSpan segment) {
  constexpr std::size_t prefix = 6;  // "Exif", two zeros, then a TIFF header
  const std::string_view head = text_of(segment.first(std::min<std::size_t>(segment.size(), prefix + 4)));
  const bool little = head == std::string_view("Exif\0\0II*\0", 10);
  if (!little && head != std::string_view("Exif\0\0MM\0*", 10)) return 1;
  ByteReader reader(segment.subspan(prefix), "exif");
  const auto u16 = [&] { return little ? reader.little<std::uint16_t>() : reader.big<std::uint16_t>(); };
  const auto u32 = [&] { return little ? reader.little<std::uint32_t>() : reader.big<std::uint32_t>(); };
  try {
    reader.skip(4);
    reader.seek(u32());
    for (int entries = u16(); entries > 0; --entries) {
      const int tag = u16(), type = u16();
      const auto count = u32();
      const int value = u16();
      reader.skip(2);
      if (tag == 0x0112) return type == 3 && count == 1 && value >= 1 && value <= 8 ? value : 1;
    }
  } catch (const FormatError&) {
  }
  return 1;
}

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
    std::size_t next = 0, symbol = 0;
    for (std::size_t length = 1; length <= 16; ++length) {
      const std::size_t span = std::size_t{1} << (16 - length);
      for (int i = 0; i < counts[length - 1]; ++i) {
        require<FormatError>(next + span <= entries_.size(),
                             "jpeg: a Huffman table with more codes than there can be");
        const auto entry =
            static_cast<std::uint16_t>((length << 8) | std::to_integer<std::size_t>(symbols[symbol++]));
        std::fill_n(entries_.begin() + static_cast<std::ptrdiff_t>(next), span, entry);
        next += span;
      }
    }
  }

  int length(std::uint32_t bits) const { return entries_[bits] >> 8; }  // 0: no code
  int symbol(std::uint32_t bits) const { return entries_[bits] & 0xff; }

 private:
  std::vector<std::uint16_t> entries_;
};

// The bits of one restart interval.
class JpegBits {
 public:
  // Takes entropy-coded bytes from `file` at `position`, which is left at the marker that ends them. FF 00 is
  // a byte FF.
  void load(ByteSpan file, std::size_t& position) {
    bytes_.clear();
    bit_ = 0;
    for (;;) {
      const auto from = file.begin() + static_cast<std::ptrdiff_t>(position);
      const auto marker = std::find(from, file.end(), std::byte{0xff});
      bytes_.insert(bytes_.end(), from, marker);
      auto code = marker;
      while (code != file.end() && *code == std::byte{0xff}) ++code;
      require<FormatError>(code != file.end(), "jpeg: truncated, no end of image");
      position = static_cast<std::size_t>(marker - file.begin());
      if (*code != std::byte{0}) break;
      bytes_.push_back(std::byte{0xff});
      position = static_cast<std::size_t>(code - file.begin()) + 1;
    }
    size_ = 8 * bytes_.size();
    bytes_.resize(bytes_.size() + 3);  // so that peek() may look beyond the end
  }

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

class JpegCheck {
 public:
  JpegCheck(ByteSpan file, Index max_pixels) : file_(file), reader_(file, "jpeg"), max_pixels_(max_pixels) {}

  // Throws FormatError for a file that is damaged, incomplete, too large or of a kind that the decoder does
  // not know.
  JpegInfo run() {
    require<FormatError>(next_marker() == 0xd8, "jpeg: no start of image");
    for (;;) {
      const int marker = next_marker();
      if (marker == 0xd9) break;
      switch (marker) {
        case 0xc0:
        case 0xc1:
        case 0xc2:
          frame(segment(), marker == 0xc2);
          break;
        case 0xc4:
          huffman_tables(segment());
          break;
        case 0xdb:
          quantisation_tables(segment());
          break;
        case 0xda:
          scan(segment());
          break;
        case 0xdd: {
          ByteReader body(segment(), "jpeg");
          restart_interval_ = body.big<std::uint16_t>();
          require<FormatError>(body.remaining() == 0, "jpeg: a restart interval of more than two bytes");
          break;
        }
        case 0xe1:
          if (const int orientation = exif_orientation(segment()); info_.orientation == 1)
            info_.orientation = orientation;
          break;
        default:
          require<FormatError>((marker >= 0xe0 && marker <= 0xef) || marker == 0xfe || marker == 0xdc,
                               "jpeg: marker ", marker, " is not supported");
          segment();
      }
    }
    require<FormatError>(!components_.empty(), "jpeg: no frame");
    for (const Component& component : components_)
      require<FormatError>(component.is_scanned, "jpeg: component ", component.id, " has no scan");
    return info_;
  }

 private:
  struct Component {
    int id = 0, h = 1, v = 1;          // sampling factors
    Index blocks_x = 0, blocks_y = 0;  // 8x8 blocks that cover the image
    Index padded_x = 0;                // blocks in a row of whole MCUs
    std::vector<std::uint64_t>
        nonzero{};  // progressive: which coefficients of each block are not zero so far
    std::size_t dc_table = 0, ac_table = 0;
    int dc = 0;
    bool is_scanned = false;
  };

  // Files of more scans than this are not made to be looked at: each one costs time in proportion to the
  // image.
  static constexpr int max_scans = 100;

  int next_marker() {
    require<FormatError>(reader_.byte() == 0xff, "jpeg: no marker at offset ", reader_.position() - 1);
    int marker = 0xff;
    while (marker == 0xff) marker = reader_.byte();
    return marker;
  }

  ByteSpan segment() {
    const auto size = reader_.big<std::uint16_t>();
    require<FormatError>(size >= 2, "jpeg: a segment of ", size, " bytes");
    return reader_.take(size - 2u);
  }

  void quantisation_tables(ByteSpan bytes) {
    ByteReader body(bytes, "jpeg");
    while (body.remaining() > 0) {
      const int kind = body.byte();
      require<FormatError>(kind >> 4 <= 1 && (kind & 15) <= 3, "jpeg: quantisation table ", kind);
      body.skip(kind >> 4 ? 128 : 64);
    }
  }

  void huffman_tables(ByteSpan bytes) {
    ByteReader body(bytes, "jpeg");
    while (body.remaining() > 0) {
      const int kind = body.byte();
      require<FormatError>(kind >> 4 <= 1 && (kind & 15) <= 3, "jpeg: Huffman table ", kind);
      std::array<int, 16> counts;
      std::size_t total = 0;
      for (int& count : counts) {
        count = body.byte();
        total += static_cast<std::size_t>(count);
      }
      auto& tables = kind >> 4 ? ac_tables_ : dc_tables_;
      tables[static_cast<std::size_t>(kind & 15)].define(counts, body.take(total));
    }
  }

  void frame(ByteSpan bytes, bool is_progressive) {
    require<FormatError>(components_.empty(), "jpeg: two frames in one file");
    is_progressive_ = is_progressive;
    ByteReader body(bytes, "jpeg");
    const int precision = body.byte();
    require<FormatError>(precision == 8, "jpeg: ", precision, " bits per sample, only 8 are supported");
    info_.height = body.big<std::uint16_t>();
    info_.width = body.big<std::uint16_t>();
    require<FormatError>(info_.height > 0 && info_.width > 0, "jpeg: ", info_.height, " x ", info_.width,
                         " pixels");
    require<FormatError>(info_.height <= max_pixels_ / info_.width, "jpeg: ", info_.height, " x ",
                         info_.width, " pixels, at most ", max_pixels_, " are allowed");
    const int count = body.byte();
    require<FormatError>(count == 1 || count == 3 || count == 4, "jpeg: ", count, " components");
    for (int i = 0; i < count; ++i) {
      Component component;
      component.id = body.byte();
      const int sampling = body.byte();
      component.h = sampling >> 4;
      component.v = sampling & 15;
      const int table = body.byte();
      require<FormatError>(
          component.h >= 1 && component.h <= 4 && component.v >= 1 && component.v <= 4 && table <= 3,
          "jpeg: component ", component.id, " has sampling ", component.h, " x ", component.v,
          " and quantisation table ", table);
      h_max_ = std::max(h_max_, component.h);
      v_max_ = std::max(v_max_, component.v);
      components_.push_back(component);
    }
    require<FormatError>(body.remaining() == 0, "jpeg: ", body.remaining(),
                         " bytes too many in the frame header");

    const auto ceil_divide = [](Index a, Index b) { return (a + b - 1) / b; };
    mcus_x_ = ceil_divide(info_.width, 8 * h_max_);
    mcus_y_ = ceil_divide(info_.height, 8 * v_max_);
    Index blocks = 0;
    for (Component& c : components_) {
      require<FormatError>(h_max_ % c.h == 0 && v_max_ % c.v == 0, "jpeg: sampling ", c.h, " x ", c.v,
                           " is no whole part of ", h_max_, " x ", v_max_);
      c.blocks_x = ceil_divide(ceil_divide(info_.width * c.h, h_max_), 8);
      c.blocks_y = ceil_divide(ceil_divide(info_.height * c.v, v_max_), 8);
      c.padded_x = mcus_x_ * c.h;
      blocks += c.blocks_x * c.blocks_y;
    }
    require<FormatError>(static_cast<std::size_t>(blocks) <= 8 * file_.size(), "jpeg: ", info_.height, " x ",
                         info_.width, " pixels cannot come from ", file_.size(),
                         " bytes");  // a block takes a bit
    if (is_progressive_)
      for (Component& c : components_)
        c.nonzero.assign(static_cast<std::size_t>(c.padded_x * mcus_y_ * c.v), 0);
  }

  void scan(ByteSpan bytes) {
    require<FormatError>(!components_.empty(), "jpeg: a scan before the frame");
    require<FormatError>(++scans_ <= max_scans, "jpeg: more than ", max_scans, " scans");
    ByteReader body(bytes, "jpeg");
    const int count = body.byte();
    require<FormatError>(count >= 1 && count <= 4, "jpeg: a scan of ", count, " components");
    std::vector<Component*> selected;
    for (int i = 0; i < count; ++i) {
      const int id = body.byte();
      const auto found = std::ranges::find(components_, id, &Component::id);
      require<FormatError>(
          found != components_.end() && std::ranges::find(selected, &*found) == selected.end(),
          "jpeg: a scan of component ", id, ", which is unknown or occurs twice");
      const int tables = body.byte();
      found->dc_table = static_cast<std::size_t>(tables >> 4);
      found->ac_table = static_cast<std::size_t>(tables & 15);
      found->is_scanned = true;
      selected.push_back(&*found);
    }
    first_ = body.byte();
    last_ = body.byte();
    const int precision = body.byte();
    high_ = precision >> 4;
    low_ = precision & 15;
    require<FormatError>(body.remaining() == 0, "jpeg: ", body.remaining(),
                         " bytes too many in a scan header");
    if (is_progressive_) {
      require<FormatError>(first_ <= last_ && last_ <= 63 && high_ <= 13 && low_ <= 13,
                           "jpeg: a scan of coefficients ", first_, " to ", last_, ", bits ", high_, " to ",
                           low_);
      require<FormatError>(last_ == 0 || (first_ > 0 && count == 1), "jpeg: a scan of ", count,
                           " components, coefficients ", first_, " to ", last_);
    } else {
      require<FormatError>(first_ == 0 && high_ == 0 && low_ == 0,
                           "jpeg: a progressive scan in a baseline file");
    }
    for (const Component* component : selected) check_tables(*component);

    start_interval();
    const Component& only = *selected[0];
    const Index units_x = count == 1 ? only.blocks_x : mcus_x_;
    const Index units_y = count == 1 ? only.blocks_y : mcus_y_;
    for (Index unit = 0; unit < units_x * units_y; ++unit) {
      if (restart_interval_ > 0 && unit > 0 && unit % restart_interval_ == 0) {
        require<FormatError>(skip_restart_marker(), "jpeg: no restart marker after ", unit,
                             " units of a scan");
        start_interval();
      }
      const Index y = unit / units_x, x = unit % units_x;
      if (count == 1) {
        block(*selected[0], y, x);
      } else {
        for (Component* c : selected)
          for (int i = 0; i < c->v; ++i)
            for (int j = 0; j < c->h; ++j) block(*c, y * c->v + i, x * c->h + j);
      }
    }
    if (skip_restart_marker()) start_interval();  // a needless one at the end is common
  }

  void check_tables(const Component& component) const {
    const bool needs_dc = first_ == 0 && high_ == 0;
    const bool needs_ac = !is_progressive_ || first_ > 0;
    require<FormatError>(component.dc_table <= 3 && (!needs_dc || !dc_tables_[component.dc_table].empty()) &&
                             component.ac_table <= 3 &&
                             (!needs_ac || !ac_tables_[component.ac_table].empty()),
                         "jpeg: a scan uses the Huffman tables ", component.dc_table, " and ",
                         component.ac_table, ", which are not defined");
  }

  void start_interval() {
    std::size_t position = reader_.position();
    bits_.load(file_, position);
    reader_.seek(position);
    end_of_band_run_ = 0;
    for (Component& component : components_) component.dc = 0;
  }

  bool skip_restart_marker() {
    const std::size_t position = reader_.position();
    const int marker = next_marker();
    if (marker >= 0xd0 && marker <= 0xd7) return true;
    reader_.seek(position);
    return false;
  }

  int symbol(const HuffmanLookup& table) {
    const std::uint32_t ahead = bits_.peek16();
    require<FormatError>(table.length(ahead) > 0, "jpeg: an unknown Huffman code");
    bits_.skip(table.length(ahead));
    return table.symbol(ahead);
  }

  void block(Component& c, Index y, Index x) {
    if (!is_progressive_) {
      dc_difference(c);
      return baseline_ac(ac_tables_[c.ac_table]);
    }
    std::uint64_t& nonzero = c.nonzero[static_cast<std::size_t>(y * c.padded_x + x)];
    if (first_ == 0) {
      if (high_ > 0) return bits_.skip(1);
      nonzero = 0;
      return dc_difference(c);
    }
    if (high_ == 0) return first_ac(ac_tables_[c.ac_table], nonzero);
    refine_ac(ac_tables_[c.ac_table], nonzero);
  }

  void dc_difference(Component& c) {
    const int size = symbol(dc_tables_[c.dc_table]);
    require<FormatError>(size <= 15, "jpeg: a DC difference of ", size, " bits");
    const int value = bits_.take(size);
    c.dc += size > 0 && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
    require<FormatError>(std::abs(c.dc) <= 32767, "jpeg: a DC value of ", c.dc);
  }

  void baseline_ac(const HuffmanLookup& table) {
    for (int k = 1; k < 64;) {
      const int code = symbol(table), size = code & 15;
      if (size == 0 && code != 0xf0) return;
      bits_.skip(size);
      k += (code >> 4) + 1;
    }
  }

  void first_ac(const HuffmanLookup& table, std::uint64_t& nonzero) {
    if (end_of_band_run_ > 0) {
      --end_of_band_run_;
      return;
    }
    for (int k = first_; k <= last_;) {
      const int code = symbol(table), run = code >> 4, size = code & 15;
      if (size == 0 && run < 15) {
        end_of_band_run_ = (1 << run) + bits_.take(run) - 1;
        return;
      }
      k += run;
      if (size > 0) {
        require<FormatError>(k <= 63 && size + low_ <= 15, "jpeg: coefficient ", k, " of ", size + low_,
                             " bits");
        bits_.skip(size);
        nonzero |= std::uint64_t{1} << k;
      }
      ++k;
    }
  }

  // One more bit for the coefficients that are not zero, and new coefficients of one bit between them.
  void refine_ac(const HuffmanLookup& table, std::uint64_t& nonzero) {
    const auto is_nonzero = [&](int k) { return (nonzero >> k & 1) != 0; };
    int k = first_;
    while (k <= last_ && end_of_band_run_ == 0) {
      const int code = symbol(table), size = code & 15;
      int run = code >> 4;
      if (size == 0 && run < 15) {
        end_of_band_run_ = (1 << run) + bits_.take(run);
        break;
      }
      require<FormatError>(size <= 1, "jpeg: a refinement of ", size, " bits");
      bits_.skip(size);  // its sign
      for (; k <= last_; ++k) {
        if (is_nonzero(k)) {
          bits_.skip(1);
        } else if (run-- == 0) {
          if (size == 1) nonzero |= std::uint64_t{1} << k;
          ++k;
          break;
        }
      }
    }
    if (end_of_band_run_ > 0) {
      for (; k <= last_; ++k)
        if (is_nonzero(k)) bits_.skip(1);
      --end_of_band_run_;
    }
  }

  ByteSpan file_;
  ByteReader reader_;
  Index max_pixels_;
  JpegInfo info_;
  bool is_progressive_ = false;
  std::vector<Component> components_;
  int h_max_ = 1, v_max_ = 1;
  Index mcus_x_ = 0, mcus_y_ = 0;  // groups of blocks that belong together in an interleaved scan
  std::array<HuffmanLookup, 4> dc_tables_, ac_tables_;
  Index restart_interval_ = 0;
  int scans_ = 0;
  int first_ = 0, last_ = 63, high_ = 0, low_ = 0;  // coefficients and bits of the scan
  int end_of_band_run_ = 0;                         // blocks that have no more new coefficients in this band
  JpegBits bits_;
};

}  // namespace nlcl::detail
