// One scan of a JPEG: which coefficients of which components it has, and its entropy-coded blocks, which are walked as a
// decoder does it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/jpeg_bits.hpp"

namespace nlcl::detail {

struct JpegComponent {
  int id = 0, h = 1, v = 1;              // sampling factors
  Index blocks_x = 0, blocks_y = 0;      // 8x8 blocks that cover the image
  Index padded_x = 0;                    // blocks in a row of whole MCUs
  std::vector<std::uint64_t> nonzero{};  // progressive: which coefficients of each block are not zero so far
  std::array<int, 64> bits_to_come = [] {  // of each coefficient; negative: no scan had it
    std::array<int, 64> none{};
    none.fill(-1);
    return none;
  }();
  std::size_t dc_table = 0, ac_table = 0;
  int dc = 0;

  bool is_scanned() const { return bits_to_come[0] >= 0; }
  bool is_complete() const {
    return std::ranges::all_of(bits_to_come, [](int bits) { return bits == 0; });
  }
};

struct JpegFrame {
  bool is_progressive = false;
  std::vector<JpegComponent> components{};
  Index mcus_x = 0, mcus_y = 0;  // groups of blocks that belong together in an interleaved scan
  std::array<HuffmanLookup, 4> dc_tables{}, ac_tables{};
  Index restart_interval = 0;  // in such groups; 0: the scan is one

  bool has_all(bool (JpegComponent::*is_there)() const) const {
    return !components.empty() && std::ranges::all_of(components, is_there);
  }
};

// The marker that follows, FF and a byte, which bytes that belong to no segment may precede, and FF any number of times.
// Negative at the end of the file.
inline int next_jpeg_marker(ByteReader& reader, std::size_t& skipped) {
  int marker = 0;
  std::size_t passed = 0;
  while (reader.remaining() > 0) {
    const int before = marker;
    marker = reader.byte();
    if (before == 0xff && marker != 0xff && marker != 0) {
      skipped += passed > 0 ? passed - 1 : 0;
      return marker;
    }
    passed += marker != 0xff || before != 0xff;
  }
  return -1;
}

class JpegScan {
 public:
  // `header` is the segment. Throws FormatError for components, coefficients or tables that the frame does not have.
  JpegScan(ByteSpan header, JpegFrame& frame) : frame_(frame) {
    ByteReader body(header, "jpeg");
    const int count = body.byte();
    require<FormatError>(count >= 1 && count <= 4, "jpeg: a scan of ", count, " components");
    for (int i = 0; i < count; ++i) {
      const int id = body.byte();
      const auto found = std::ranges::find(frame_.components, id, &JpegComponent::id);
      require<FormatError>(
          found != frame_.components.end() && std::ranges::find(selected_, &*found) == selected_.end(),
          "jpeg: a scan of component ", id, ", which is unknown or occurs twice");
      const int tables = body.byte();
      found->dc_table = static_cast<std::size_t>(tables >> 4);
      found->ac_table = static_cast<std::size_t>(tables & 15);
      selected_.push_back(&*found);
    }
    first_ = body.byte();
    last_ = body.byte();
    const int precision = body.byte();
    high_ = precision >> 4;
    low_ = precision & 15;
    require<FormatError>(body.remaining() == 0, "jpeg: ", body.remaining(),
                         " bytes too many in a scan header");
    if (frame_.is_progressive) {
      require<FormatError>(first_ <= last_ && last_ <= 63 && high_ <= 13 && low_ <= 13,
                           "jpeg: a scan of coefficients ", first_, " to ", last_, ", bits ", high_, " to ",
                           low_);
      require<FormatError>(last_ == 0 || (first_ > 0 && count == 1), "jpeg: a scan of ", count,
                           " components, coefficients ", first_, " to ", last_);
    } else {
      require<FormatError>(first_ == 0 && high_ == 0 && low_ == 0,
                           "jpeg: a progressive scan in a baseline file");
      last_ = 63;
    }
    for (const JpegComponent* component : selected_) check_tables(*component);

    units_x_ = count == 1 ? selected_[0]->blocks_x : frame_.mcus_x;
    units_ = units_x_ * (count == 1 ? selected_[0]->blocks_y : frame_.mcus_y);
  }

  // From the first entropy-coded byte on; the reader is left at the marker behind the last.
  void walk(ByteSpan file, ByteReader& reader) {
    start_interval(file, reader);
    for (unit_ = 0; unit_ < units_; ++unit_) {
      unit_bit_ = bits_.position();
      if (begins_interval(unit_)) {
        require<FormatError>(skip_restart_marker(reader), "jpeg: no restart marker after ", unit_,
                             " units of a scan");
        start_interval(file, reader);
      }
      for_each_block(unit_, [&](JpegComponent& component, Index y, Index x) { block(component, y, x); });
    }
    if (skip_restart_marker(reader)) start_interval(file, reader);  // a needless one at the end is common
    for (JpegComponent* component : selected_)
      std::fill(component->bits_to_come.begin() + first_, component->bits_to_come.begin() + last_ + 1, low_);
  }

  // ---- After walk() has thrown ----

  // Whether blocks of one colour could follow: this is the first scan of its components, which has whole blocks or the first
  // bits of their first coefficient.
  bool can_be_filled() const {
    return first_ == 0 && high_ == 0 && selected_.size() == frame_.components.size() &&
           std::ranges::all_of(selected_, [&](const JpegComponent* c) {
             return dc(*c).code_of_zero().length > 0 &&
                    (frame_.is_progressive || ac(*c).code_of_zero().length > 0);
           });
  }

  // The entropy-coded bytes from `begin`, as far as they could be read, and the rest of the scan in one colour.
  void append_filled(std::vector<std::byte>& out, ByteSpan file, std::size_t begin) const {
    append(out, file.subspan(begin, interval_begin_ - begin));
    JpegBitWriter writer(out);
    writer.put(bits_, 0, unit_bit_);
    for (Index unit = unit_; unit < units_; ++unit) {
      if (unit > interval_unit_ && begins_interval(unit))
        writer.restart(static_cast<int>((unit / frame_.restart_interval - 1) % 8));
      for_each_block(unit, [&](const JpegComponent& component, Index, Index) {
        writer.put(dc(component).code_of_zero());                              // no difference
        if (!frame_.is_progressive) writer.put(ac(component).code_of_zero());  // the end of the block
      });
    }
    writer.flush();
  }

  // How much of the scan there was.
  double part_read() const { return static_cast<double>(unit_) / static_cast<double>(units_); }

 private:
  const HuffmanLookup& dc(const JpegComponent& component) const {
    return frame_.dc_tables[component.dc_table];
  }
  const HuffmanLookup& ac(const JpegComponent& component) const {
    return frame_.ac_tables[component.ac_table];
  }

  bool begins_interval(Index unit) const {
    return frame_.restart_interval > 0 && unit > 0 && unit % frame_.restart_interval == 0;
  }

  void for_each_block(Index unit, const auto& body) const {
    const Index y = unit / units_x_, x = unit % units_x_;
    if (selected_.size() == 1) return body(*selected_[0], y, x);
    for (JpegComponent* c : selected_)
      for (int i = 0; i < c->v; ++i)
        for (int j = 0; j < c->h; ++j) body(*c, y * c->v + i, x * c->h + j);
  }

  void check_tables(const JpegComponent& component) const {
    const bool needs_dc = first_ == 0 && high_ == 0;
    const bool needs_ac = !frame_.is_progressive || first_ > 0;
    require<FormatError>(
        component.dc_table <= 3 && (!needs_dc || !frame_.dc_tables[component.dc_table].empty()) &&
            component.ac_table <= 3 && (!needs_ac || !frame_.ac_tables[component.ac_table].empty()),
        "jpeg: a scan uses the Huffman tables ", component.dc_table, " and ", component.ac_table,
        ", which are not defined");
  }

  void start_interval(ByteSpan file, ByteReader& reader) {
    interval_begin_ = reader.position();
    std::size_t position = interval_begin_;
    interval_unit_ = unit_;
    unit_bit_ = 0;
    bits_.load(file, position);
    reader.seek(position);
    end_of_band_run_ = 0;
    for (JpegComponent& component : frame_.components) component.dc = 0;
  }

  static bool skip_restart_marker(ByteReader& reader) {
    const std::size_t position = reader.position();
    std::size_t skipped = 0;
    const int marker = next_jpeg_marker(reader, skipped);
    if (skipped == 0 && marker >= 0xd0 && marker <= 0xd7) return true;
    reader.seek(position);
    return false;
  }

  int symbol(const HuffmanLookup& table) { return take_symbol(bits_, table); }

  void block(JpegComponent& c, Index y, Index x) {
    if (!frame_.is_progressive) {
      dc_difference(c);
      return skip_baseline_ac(bits_, ac(c));
    }
    std::uint64_t& nonzero = c.nonzero[static_cast<std::size_t>(y * c.padded_x + x)];
    if (first_ == 0) {
      if (high_ > 0) return bits_.skip(1);
      nonzero = 0;
      return dc_difference(c);
    }
    if (high_ == 0) return first_ac(ac(c), nonzero);
    refine_ac(ac(c), nonzero);
  }

  void dc_difference(JpegComponent& c) {
    const int size = symbol(dc(c));
    require<FormatError>(size <= 15, "jpeg: a DC difference of ", size, " bits");
    const int value = bits_.take(size);
    c.dc += size > 0 && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
    require<FormatError>(std::abs(c.dc) <= 32767, "jpeg: a DC value of ", c.dc);
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

  JpegFrame& frame_;
  std::vector<JpegComponent*> selected_;
  int first_ = 0, last_ = 63, high_ = 0, low_ = 0;  // coefficients and bits
  Index units_x_ = 0, units_ = 0;                   // groups of blocks, in a row and in all
  Index unit_ = 0, interval_unit_ = 0;              // the current one, and the first of the restart interval
  std::size_t interval_begin_ = 0,
              unit_bit_ = 0;  // of the restart interval in the file, of the unit in the interval
  int end_of_band_run_ = 0;   // blocks that have no more new coefficients in this band
  JpegBits bits_;
};

}  // namespace nlcl::detail
