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
#include <iomanip>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/checked_image.hpp"
#include "nlcl/io/jpeg_bits.hpp"
#include "nlcl/io/jpeg_scan.hpp"

namespace nlcl::detail {

class JpegCheck {
 public:
  JpegCheck(ByteSpan file, const DecodeOptions& options)
      : file_(file), reader_(file, "jpeg"), options_(options) {}

  // Throws FormatError for a file that is damaged, incomplete, too large or of a kind that the decoder does
  // not know.
  CheckedImage run() {
    require<FormatError>(next_marker() == 0xd8 && reader_.position() == 2, "jpeg: no start of image");
    append(image_.file, "\xff\xd8");
    for (int marker = next_marker(); marker != 0xd9; marker = next_marker()) {
      if (marker < 0) {
        require<FormatError>(frame_.has_all(&JpegComponent::is_complete), "jpeg: truncated, no end of image");
        image_.warnings.emplace_back("jpeg: no end of image, though all of its pixels are there");
        break;
      }
      begin_ = reader_.position();
      part(marker);
      if (is_for_decoder(marker)) keep(marker, begin_, reader_.position());
    }
    append(image_.file, "\xff\xd9");
    require<FormatError>(!frame_.components.empty(), "jpeg: no frame");
    for (const JpegComponent& component : frame_.components)
      require<FormatError>(component.is_scanned(), "jpeg: component ", component.id, " has no scan");
    if (skipped_ > 0)
      image_.warnings.push_back(text("jpeg: ", skipped_, " bytes between its segments belong to none"));
    return std::move(image_);
  }

  // ---- After run() has thrown ----

  // Whether all components were there before the scan that was cut short, or the rest of that can be made up.
  bool can_be_completed() const {
    return frame_.has_all(&JpegComponent::is_scanned) || (scan_ && scan_->can_be_filled());
  }

  // The image with the rest of the scan in one colour, or without that scan if it would only have added detail.
  CheckedImage completed() {
    std::string lost = "some of its detail";
    if (!frame_.has_all(&JpegComponent::is_scanned)) {
      keep(0xda, begin_, scan_begin_);
      scan_->append_filled(image_.file, file_, scan_begin_);
      lost = text(std::fixed, std::setprecision(0), 100 - 100 * scan_->part_read(), " % of it");
    }
    append(image_.file, "\xff\xd9");
    image_.warnings.push_back("jpeg: truncated, " + lost + " is lost");
    return std::move(image_);
  }

 private:
  // The next one's code; negative at the end of the file.
  int next_marker() { return next_jpeg_marker(reader_, skipped_); }

  // The decoder gets no more than it needs: neither what belongs to no segment nor what is not about pixels.
  static bool is_for_decoder(int marker) {
    return marker < 0xe1 || marker == 0xee;
  }  // the latter says what colours are

  void keep(int marker, std::size_t begin, std::size_t end) {
    append(image_.file, text('\xff', static_cast<char>(marker)));
    append(image_.file, file_.subspan(begin, end - begin));
  }

  void part(int marker) {
    switch (marker) {
      case 0xc0:
      case 0xc1:
      case 0xc2:
        return frame(noted_segment(marker), marker == 0xc2);
      case 0xc4:
        return huffman_tables(segment());
      case 0xdb:
        return quantisation_tables(noted_segment(marker));
      case 0xda:
        return scan(segment());
      case 0xdd: {
        ByteReader body(segment(), "jpeg");
        frame_.restart_interval = body.big<std::uint16_t>();
        return require<FormatError>(body.remaining() == 0, "jpeg: a restart interval of more than two bytes");
      }
      default:
        require<FormatError>((marker >= 0xe0 && marker <= 0xef) || marker == 0xfe || marker == 0xdc,
                             "jpeg: marker ", marker, " is not supported");
        noted_segment(marker);
    }
  }

  // Files of more scans than this are not made to be looked at: each one costs time in proportion to the
  // image.
  static constexpr int max_scans = 100;

  ByteSpan segment() {
    const auto size = reader_.big<std::uint16_t>();
    require<FormatError>(size >= 2, "jpeg: a segment of ", size, " bytes");
    return reader_.take(size - 2u);
  }

  ByteSpan noted_segment(int marker) {
    const ByteSpan data = segment();
    image_.blocks.push_back({std::string(1, static_cast<char>(marker)), data});
    return data;
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
      auto& tables = kind >> 4 ? frame_.ac_tables : frame_.dc_tables;
      tables[static_cast<std::size_t>(kind & 15)].define(counts, body.take(total));
    }
  }

  void frame(ByteSpan bytes, bool is_progressive) {
    require<FormatError>(frame_.components.empty(), "jpeg: two frames in one file");
    frame_.is_progressive = is_progressive;
    ByteReader body(bytes, "jpeg");
    const int precision = body.byte();
    require<FormatError>(precision == 8, "jpeg: ", precision, " bits per sample, only 8 are supported");
    image_.height = body.big<std::uint16_t>();
    image_.width = body.big<std::uint16_t>();
    check_dimensions("jpeg", image_.height, image_.width, options_.max_pixels);
    const int count = body.byte();
    int h_max = 1, v_max = 1;
    require<FormatError>(count == 1 || count == 3 || count == 4, "jpeg: ", count, " components");
    image_.is_cmyk = count == 4;
    for (int i = 0; i < count; ++i) {
      JpegComponent component;
      component.id = body.byte();
      const int sampling = body.byte();
      component.h = sampling >> 4;
      component.v = sampling & 15;
      const int table = body.byte();
      require<FormatError>(
          component.h >= 1 && component.h <= 4 && component.v >= 1 && component.v <= 4 && table <= 3,
          "jpeg: component ", component.id, " has sampling ", component.h, " x ", component.v,
          " and quantisation table ", table);
      h_max = std::max(h_max, component.h);
      v_max = std::max(v_max, component.v);
      frame_.components.push_back(component);
    }
    require<FormatError>(body.remaining() == 0, "jpeg: ", body.remaining(),
                         " bytes too many in the frame header");

    const auto ceil_divide = [](Index a, Index b) { return (a + b - 1) / b; };
    frame_.mcus_x = ceil_divide(image_.width, 8 * h_max);
    frame_.mcus_y = ceil_divide(image_.height, 8 * v_max);
    Index blocks = 0;
    for (JpegComponent& c : frame_.components) {
      require<FormatError>(h_max % c.h == 0 && v_max % c.v == 0, "jpeg: sampling ", c.h, " x ", c.v,
                           " is no whole part of ", h_max, " x ", v_max);
      c.blocks_x = ceil_divide(ceil_divide(image_.width * c.h, h_max), 8);
      c.blocks_y = ceil_divide(ceil_divide(image_.height * c.v, v_max), 8);
      c.padded_x = frame_.mcus_x * c.h;
      blocks += c.blocks_x * c.blocks_y;
    }
    require<FormatError>(static_cast<std::size_t>(blocks) <= 8 * file_.size(), "jpeg: ", image_.height, " x ",
                         image_.width, " pixels cannot come from ", file_.size(),
                         " bytes");  // a block takes a bit
    if (frame_.is_progressive)
      for (JpegComponent& c : frame_.components)
        c.nonzero.assign(static_cast<std::size_t>(c.padded_x * frame_.mcus_y * c.v), 0);
  }

  void scan(ByteSpan header) {
    require<FormatError>(!frame_.components.empty(), "jpeg: a scan before the frame");
    require<FormatError>(++scans_ <= max_scans, "jpeg: more than ", max_scans, " scans");
    scan_.emplace(header, frame_);
    scan_begin_ = reader_.position();
    scan_->walk(file_, reader_);
    scan_.reset();
  }

  ByteSpan file_;
  ByteReader reader_;
  DecodeOptions options_;
  CheckedImage image_;
  JpegFrame frame_;
  int scans_ = 0;
  std::optional<JpegScan> scan_;  // while it is walked
  std::size_t begin_ = 0;         // of the segment, behind its marker
  std::size_t scan_begin_ = 0;    // of the entropy-coded bytes
  std::size_t skipped_ = 0;       // bytes between segments
};

inline CheckedImage check_jpeg(ByteSpan file, const DecodeOptions& options) {
  JpegCheck check(file, options);
  try {
    return check.run();
  } catch (const FormatError&) {
    if (!options.is_tolerant || !check.can_be_completed()) throw;
  }
  CheckedImage image = check.completed();
  JpegCheck(image.file, options).run();  // what was made up has to obey the same rules
  return image;
}

}  // namespace nlcl::detail
