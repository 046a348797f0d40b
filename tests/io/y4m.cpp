#include "nlcl/io/y4m.hpp"

#include <catch2/catch.hpp>
#include <sstream>
#include <string>

#include "nlcl/core/random.hpp"
#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Frames of any bytes under a header; with more than 8 bits only the upper ones may be set.
std::string video_of(const std::string& header, int frames) {
  const VideoFormat format = parse_video_header(header);
  Random random(1);
  std::string file = header + '\n';
  for (int i = 0; i < frames; ++i) {
    file += i % 2 == 0 ? "FRAME\n" : "FRAME Xany=thing\n";
    for (Index k = 0; k < format.samples(); ++k) {
      const auto sample = static_cast<int>(random.below(1u << format.bits));
      file += static_cast<char>(sample & 255);
      if (format.bits > 8) file += static_cast<char>(sample >> 8);
    }
  }
  return file;
}

std::string through_reader_and_writer(const std::string& file) {
  std::istringstream in(file);
  std::ostringstream out;
  VideoReader reader(in);
  VideoWriter writer(out, reader.format());
  for (VideoFrame frame; reader.read(frame);) writer.write(frame);
  return out.str();
}

// What is wrong with a video that has been read to its end, or to the error.
std::string fault_of(const std::string& file) {
  return message_of<FormatError>([&] { through_reader_and_writer(file); });
}

}  // namespace

TEST_CASE("video comes out as it went in", "[io]") {
  for (const char* header :
       {"YUV4MPEG2 W5 H3 F25:1 Ip A1:1", "YUV4MPEG2 W6 H4 F30000:1001 C420jpeg", "YUV4MPEG2 H4 W5 C420mpeg2",
        "YUV4MPEG2 W5 H4 C422 XYSCSS=422", "YUV4MPEG2 W5 H3 C444 XCOLORRANGE=FULL", "YUV4MPEG2 W5 H3 Cmono",
        "YUV4MPEG2 W5 H3 C420p10 XCOLORRANGE=LIMITED", "YUV4MPEG2 W5 H3 C422p10", "YUV4MPEG2 W5 H3 C444p12",
        "YUV4MPEG2 W5 H3 Cmono10", "YUV4MPEG2  W1 H1 C420p16 "}) {
    CAPTURE(header);
    const std::string file = video_of(header, 3);
    CHECK(through_reader_and_writer(file) == file);
  }
}

TEST_CASE("what the header of a video says", "[io]") {
  const VideoFormat odd = parse_video_header("YUV4MPEG2 W5 H3 F25:1");
  CHECK((odd.width == 5 && odd.height == 3 && odd.bits == 8 && !odd.is_full_range && !odd.is_interlaced));
  CHECK((odd.chroma_width() == 3 && odd.chroma_height() == 2 && odd.frame_bytes() == 15 + 2 * 6));
  const VideoFormat ten = parse_video_header("YUV4MPEG2 W5 H3 C422p10 It XCOLORRANGE=FULL");
  CHECK((ten.bits == 10 && ten.is_full_range && ten.is_interlaced));
  CHECK((ten.chroma_width() == 3 && ten.chroma_height() == 3 && ten.frame_bytes() == 2 * (15 + 2 * 9)));
  const VideoFormat full = parse_video_header("YUV4MPEG2 W5 H3 C444");
  CHECK(full.frame_bytes() == 3 * 15);
  CHECK(parse_video_header("YUV4MPEG2 W5 H3 Cmono").frame_bytes() == 15);
}

TEST_CASE("video that is none, or cut off", "[io]") {
  const auto refused = [](const std::string& header) {
    return message_of<FormatError>([&] { parse_video_header(header); });
  };
  CHECK(refused("RIFF") == "y4m: begins with 'RIFF', expected 'YUV4MPEG2'");
  CHECK(refused("YUV4MPEG2W5") == "y4m: begins with 'YUV4MPEG2W5', expected 'YUV4MPEG2'");
  CHECK(refused("YUV4MPEG2 W5") == "y4m: no size in the header, expected W and H");
  for (const char* tag : {"W", "W0", "W-5", "Wide", "W5x", "W99999999999999999999"})
    CHECK(refused(std::string("YUV4MPEG2 H3 ") + tag) ==
          text("y4m: tag '", tag, "', expected a number of pixels"));
  CHECK(refused("YUV4MPEG2 W99999999 H99999999") ==
        "y4m: frames of 99999999 x 99999999 pixels, at most 268435456 are allowed");
  for (const char* tag : {"C", "C411", "C444alpha", "C420p8", "C420p17", "C420p1", "Cmono9x", "C420q10"})
    CHECK_THAT(refused(std::string("YUV4MPEG2 W5 H3 ") + tag),
               Catch::StartsWith(text("y4m: tag '", tag, "' is not supported, expected 420, ")));

  const std::string file = video_of("YUV4MPEG2 W5 H3", 2);
  const std::string as_ffmpeg = ", as ffmpeg writes with -f yuv4mpegpipe";
  CHECK(fault_of("") == "y4m: begins with '', expected 'YUV4MPEG2'" + as_ffmpeg);
  CHECK(fault_of(std::string("a\0b", 3)) == "y4m: begins with 'a', expected 'YUV4MPEG2'" + as_ffmpeg);
  CHECK(fault_of(std::string(50'000, 'x')) ==
        "y4m: begins with 'xxxxxxxxx', expected 'YUV4MPEG2'" + as_ffmpeg);
  CHECK(fault_of("YUV4MPEG2 W5") == "y4m: the header is cut off");
  CHECK(fault_of("YUV4MPEG2 " + std::string(5000, 'x')) == "y4m: the header is longer than 4096 bytes");
  CHECK(fault_of(file + "FRAM") == "y4m: the header of frame 3 is cut off");
  CHECK(fault_of(file + "FRAMES\n") == "y4m: frame 3 begins with 'FRAMES', expected 'FRAME'");
  CHECK(fault_of(file.substr(0, file.size() - 1)) == "y4m: frame 2 is cut off, it has 26 of 27 bytes");
  CHECK(fault_of(file) == "no error");
}

TEST_CASE("a video that cannot be written", "[io]") {
  std::ostringstream out;
  VideoWriter writer(out, parse_video_header("YUV4MPEG2 W2 H2 Cmono"));
  CHECK(message_of<ShapeError>([&] {
          writer.write({"FRAME", {1, 2, 3}});
        }) == "y4m: a frame of 3 samples, expected 4");
  writer.write({"FRAME", {1, 2, 3, 4}});
  out.setstate(std::ios::badbit);
  CHECK_THROWS_AS(writer.write({"FRAME", {1, 2, 3, 4}}), IoError);
  CHECK(writer.frames() == 1);
}
