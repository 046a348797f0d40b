// Video as it goes through pipes: YUV4MPEG2, what `ffmpeg -f yuv4mpegpipe` and the encoders read and write.
//
//     YUV4MPEG2 W640 H360 F25:1 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\n      the header, tags in any order
//     FRAME\n                                                                before each frame, may have tags too
//     all of Y, then all of Cb, then all of Cr, rows from the top, without gaps; more than 8 bits in two bytes, the low one first
//
// Tags are kept as they are. What they do not say is assumed: 4:2:0 with 8 bits, and limited range (16 to 235) unless
// XCOLORRANGE=FULL. The matrix between RGB and YCbCr has no tag; video_matrix() has the convention. The format is that of
// the mjpegtools, yuv4mpeg(5); XCOLORRANGE is ffmpeg's.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/number.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/file.hpp"

namespace nlcl {

// What the header says of every frame.
struct VideoFormat {
  std::string header;  // the line as it was read, without its end
  Index width = 0, height = 0;
  int bits = 8;                           // of a sample, 8 to 16
  bool has_chroma = true;                 // else Y alone
  int chroma_right = 1, chroma_down = 1;  // a sample of chroma covers 2^right x 2^down pixels
  bool is_full_range = false;
  bool is_interlaced = false;

  Index chroma_width() const { return has_chroma ? ((width - 1) >> chroma_right) + 1 : 0; }
  Index chroma_height() const { return has_chroma ? ((height - 1) >> chroma_down) + 1 : 0; }
  Index samples() const { return width * height + 2 * chroma_width() * chroma_height(); }
  std::size_t frame_bytes() const { return static_cast<std::size_t>(samples()) * (bits > 8 ? 2 : 1); }
};

struct VideoFrame {
  std::string header;                  // from FRAME to the end of the line
  std::vector<std::uint16_t> samples;  // Y, Cb, Cr
};

namespace detail {

inline constexpr const char* video_format_name = "YUV4MPEG2";
inline constexpr std::size_t max_video_line = 4096;
inline constexpr Index max_video_pixels = Index{1} << 28;

// Up to its end, which is taken but not returned; nothing at the end of the stream. Throws FormatError for a line that does
// not end.
inline std::string video_line(std::istream& in, const std::string& what) {
  std::string line;
  for (int c = in.get(); c != std::istream::traits_type::eof(); c = in.get()) {
    if (c == '\n') return line;
    line += static_cast<char>(c);
    require<FormatError>(line.size() < max_video_line, "y4m: ", what, " is longer than ", max_video_line,
                         " bytes");
  }
  require<FormatError>(line.empty(), "y4m: ", what, " is cut off");
  return line;
}

inline Index video_side(std::string_view tag) {
  const auto side = number_in<Index>(tag.substr(1));
  require<FormatError>(side && *side > 0, "y4m: tag '", tag, "', expected a number of pixels");
  return *side;
}

// The line behind the name of the format, which is looked at before all else: what is no video need not have lines.
inline std::string video_header(std::istream& in) {
  std::string name(std::string_view(video_format_name).size(), '\0');
  in.read(name.data(), static_cast<std::streamsize>(name.size()));
  name.resize(static_cast<std::size_t>(in.gcount()));
  require<FormatError>(name == video_format_name, "y4m: begins with '", name.c_str(), "', expected '",
                       video_format_name, "', as ffmpeg writes with -f yuv4mpegpipe");
  return name + video_line(in, "the header");
}

// C420jpeg, C422p10, Cmono, ...
inline void read_colour_tag(std::string_view tag, VideoFormat& format) {
  struct Kind {
    std::string_view name;
    bool has_chroma;
    int right, down;
  };
  static constexpr std::array<Kind, 7> kinds{{{"420jpeg", true, 1, 1},
                                              {"420mpeg2", true, 1, 1},
                                              {"420paldv", true, 1, 1},
                                              {"420", true, 1, 1},
                                              {"422", true, 1, 0},
                                              {"444", true, 0, 0},
                                              {"mono", false, 0, 0}}};
  const auto refuse = [&] {
    throw FormatError(
        text("y4m: tag '", tag,
             "' is not supported, expected 420, 422, 444 or mono, with 8 to 16 bits as in 420p10"));
  };
  const std::string_view name = tag.substr(1);
  const auto kind = std::ranges::find_if(kinds, [&](const Kind& k) { return name.starts_with(k.name); });
  if (kind == kinds.end()) refuse();
  format.has_chroma = kind->has_chroma;
  format.chroma_right = kind->right;
  format.chroma_down = kind->down;
  std::string_view bits = name.substr(kind->name.size());
  if (bits.empty()) return;
  if (bits.front() == 'p') bits.remove_prefix(1);  // mono has none
  format.bits = number_in<int>(bits).value_or(0);
  if (format.bits < 9 || format.bits > 16) refuse();
}

}  // namespace detail

// Throws FormatError for a line that is no such header, and for sides and colours that cannot be.
inline VideoFormat parse_video_header(const std::string& line) {
  VideoFormat format;
  format.header = line;
  std::string_view rest = line;
  const std::size_t name = rest.find(' ');
  require<FormatError>(rest.substr(0, name) == detail::video_format_name, "y4m: begins with '",
                       rest.substr(0, name), "', expected '", detail::video_format_name, "'");
  for (rest = name < rest.size() ? rest.substr(name) : ""; !rest.empty();) {
    const std::string_view tag = rest.substr(1, rest.find(' ', 1) - 1);  // without a space: all that is left
    rest.remove_prefix(1 + tag.size());
    if (tag.empty()) continue;
    if (tag.front() == 'W') format.width = detail::video_side(tag);
    if (tag.front() == 'H') format.height = detail::video_side(tag);
    if (tag.front() == 'C') detail::read_colour_tag(tag, format);
    if (tag.front() == 'I') format.is_interlaced = tag != "Ip" && tag != "I?";
    if (tag == "XCOLORRANGE=FULL") format.is_full_range = true;
  }
  require<FormatError>(format.width > 0 && format.height > 0, "y4m: no size in the header, expected W and H");
  require<FormatError>(format.height <= detail::max_video_pixels / format.width, "y4m: frames of ",
                       format.width, " x ", format.height, " pixels, at most ", detail::max_video_pixels,
                       " are allowed");
  return format;
}

class VideoReader {
 public:
  // Reads the header. Throws FormatError for one that is none. The stream must outlive the reader.
  explicit VideoReader(std::istream& in) : in_(in), format_(parse_video_header(detail::video_header(in))) {}

  const VideoFormat& format() const { return format_; }

  // Whether there is another frame. Throws FormatError for one that is cut off or is none, with its number, from 1.
  bool read(VideoFrame& frame) {
    ++number_;
    frame.header = detail::video_line(in_, text("the header of frame ", number_));
    if (frame.header.empty() && in_.eof()) return false;
    require<FormatError>(frame.header == "FRAME" || frame.header.starts_with("FRAME "), "y4m: frame ",
                         number_, " begins with '", frame.header.substr(0, 10), "', expected 'FRAME'");
    bytes_.resize(format_.frame_bytes());
    in_.read(reinterpret_cast<char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
    require<FormatError>(static_cast<std::size_t>(in_.gcount()) == bytes_.size(), "y4m: frame ", number_,
                         " is cut off, it has ", in_.gcount(), " of ", bytes_.size(), " bytes");
    frame.samples.resize(static_cast<std::size_t>(format_.samples()));
    if (format_.bits == 8)
      std::ranges::copy(bytes_, frame.samples.begin());
    else
      for (std::size_t i = 0; i < frame.samples.size(); ++i)
        frame.samples[i] = static_cast<std::uint16_t>(bytes_[2 * i] | bytes_[2 * i + 1] << 8);
    return true;
  }

 private:
  std::istream& in_;
  VideoFormat format_;
  Index number_ = 0;
  std::vector<std::uint8_t> bytes_;
};

class VideoWriter {
 public:
  // The stream must outlive the writer, which writes the header with the first frame.
  VideoWriter(std::ostream& out, VideoFormat format) : out_(out), format_(std::move(format)) {}

  // Returns when all of the frame has been taken. Throws IoError, ShapeError for a frame of another size.
  void write(const VideoFrame& frame) {
    require<ShapeError>(frame.samples.size() == static_cast<std::size_t>(format_.samples()),
                        "y4m: a frame of ", frame.samples.size(), " samples, expected ", format_.samples());
    bytes_.clear();
    if (frames_ == 0) append(format_.header);
    append(frame.header);
    for (const std::uint16_t sample : frame.samples) {
      bytes_.push_back(static_cast<char>(sample));
      if (format_.bits > 8) bytes_.push_back(static_cast<char>(sample >> 8));
    }
    errno = 0;
    out_.write(bytes_.data(), static_cast<std::streamsize>(bytes_.size())).flush();
    require<IoError>(!out_.fail(), detail::os_reason());
    ++frames_;
  }

  // That have been written, each of them whole.
  Index frames() const { return frames_; }

 private:
  void append(const std::string& line) {
    bytes_.insert(bytes_.end(), line.begin(), line.end());
    bytes_.push_back('\n');
  }

  std::ostream& out_;
  VideoFormat format_;
  Index frames_ = 0;
  std::vector<char> bytes_;
};

}  // namespace nlcl
