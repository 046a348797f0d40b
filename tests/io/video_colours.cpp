#include "nlcl/io/video_colours.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "nlcl/core/random.hpp"
#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

VideoFrame random_frame(const VideoFormat& format, std::uint64_t seed) {
  Random random(seed);
  VideoFrame frame{"FRAME", {}};
  for (Index i = 0; i < format.samples(); ++i)
    frame.samples.push_back(static_cast<std::uint16_t>(random.below(1u << format.bits)));
  return frame;
}

const std::vector<std::string> formats{"YUV4MPEG2 W7 H5 C420",
                                       "YUV4MPEG2 W6 H4 C420p10",
                                       "YUV4MPEG2 W7 H4 C422",
                                       "YUV4MPEG2 W5 H3 C422p10",
                                       "YUV4MPEG2 W5 H3 C444",
                                       "YUV4MPEG2 W5 H3 C444p10",
                                       "YUV4MPEG2 W7 H5 C420 XCOLORRANGE=FULL",
                                       "YUV4MPEG2 W5 H3 Cmono"};

}  // namespace

// Levels of the colour bars with 100 %, ITU-R BT.471 and the tables of BT.601 and BT.709, 8 bits of limited range.
TEST_CASE("colours of video are those of the standards", "[io]") {
  struct Bar {
    VideoMatrix matrix;
    std::array<std::uint16_t, 3> samples;
    std::array<float, 3> rgb;
  };
  const VideoFormat format = parse_video_header("YUV4MPEG2 W1 H1 C444");
  for (const Bar& bar : {Bar{bt601, {235, 128, 128}, {1, 1, 1}}, Bar{bt601, {16, 128, 128}, {0, 0, 0}},
                         Bar{bt601, {81, 90, 240}, {1, 0, 0}}, Bar{bt601, {145, 54, 34}, {0, 1, 0}},
                         Bar{bt601, {41, 240, 110}, {0, 0, 1}}, Bar{bt709, {63, 102, 240}, {1, 0, 0}},
                         Bar{bt709, {173, 42, 26}, {0, 1, 0}}, Bar{bt709, {32, 240, 118}, {0, 0, 1}},
                         Bar{bt2020, {74, 97, 240}, {1, 0, 0}}}) {
    CAPTURE(bar.matrix.name, bar.samples);
    const Tensor<float> found =
        VideoColours(format, bar.matrix).rgb({"FRAME", {bar.samples.begin(), bar.samples.end()}});
    for (Index c = 0; c < 3; ++c)  // the samples are rounded
      CHECK((found.data()[c] + 1) / 2 == Approx(bar.rgb[static_cast<std::size_t>(c)]).margin(0.006));
  }
  const VideoFormat full = parse_video_header("YUV4MPEG2 W3 H1 Cmono XCOLORRANGE=FULL"),
                    deep = parse_video_header("YUV4MPEG2 W3 H1 Cmono10");
  const Tensor<float> of_full = VideoColours(full, bt601).rgb({"FRAME", {0, 51, 255}}),
                      of_deep = VideoColours(deep, bt601).rgb({"FRAME", {64, 502, 940}});
  for (const Index c : {0, 1, 2}) {
    CHECK(of_full.data()[c] == -1);
    CHECK(of_full.data()[3 + c] == Approx(-0.6));
    CHECK(of_full.data()[6 + c] == Approx(1));
    CHECK(of_deep.data()[c] == -1);
    CHECK(of_deep.data()[3 + c] == Approx(0).margin(1e-6));
    CHECK(of_deep.data()[6 + c] == Approx(1));
  }
}

TEST_CASE("what does not change in a video keeps its samples", "[io]") {
  for (const std::string& header : formats) {
    CAPTURE(header);
    const VideoFormat format = parse_video_header(header);
    const VideoColours colours(format, bt709);
    const VideoFrame frame = random_frame(format, 1);
    VideoFrame same = frame;
    colours.add(Tensor<float>::zeros({1, format.height, format.width, 3}), same);
    CHECK(same.samples == frame.samples);

    // One pixel that does: its own sample, and those of chroma that cover it.
    const Index x = format.width - 1, y = format.height - 1;
    Tensor<float> change = Tensor<float>::zeros({1, format.height, format.width, 3});
    change.mutable_data()[change.size() - 3] =
        frame.samples[static_cast<std::size_t>(y * format.width + x)] > (1 << (format.bits - 1)) ? -0.8f
                                                                                                 : 0.8f;
    colours.add(change, same);
    const Index pixels = format.width * format.height,
                chroma = format.chroma_width() * format.chroma_height();
    for (Index i = 0; i < format.samples(); ++i) {
      const bool is_touched = i == pixels - 1 || i == pixels + chroma - 1 || i == pixels + 2 * chroma - 1;
      if (!is_touched)
        CHECK(same.samples[static_cast<std::size_t>(i)] == frame.samples[static_cast<std::size_t>(i)]);
    }
    CHECK(same.samples[static_cast<std::size_t>(pixels - 1)] !=
          frame.samples[static_cast<std::size_t>(pixels - 1)]);
  }
}

// Where chroma is not shared, the change is just what the new colours say, but for the rounding of either.
TEST_CASE("a change of colours becomes one of samples", "[io]") {
  for (const char* header : {"YUV4MPEG2 W9 H8 C444", "YUV4MPEG2 W9 H8 C444p10 XCOLORRANGE=FULL"})
    for (const VideoMatrix& matrix : {bt601, bt709, bt2020}) {
      CAPTURE(header, matrix.name);
      const VideoFormat format = parse_video_header(header);
      const VideoColours colours(format, matrix);
      VideoFrame frame{"FRAME", {}};
      Random random(3);  // near grey, where every sample is a colour
      for (Index i = 0; i < format.samples(); ++i)
        frame.samples.push_back(static_cast<std::uint16_t>((108 + random.below(40)) << (format.bits - 8)));
      const Tensor<float> o = colours.rgb(frame);
      Tensor<float> change(o.shape());
      for (Index i = 0; i < change.size(); ++i)
        change.mutable_data()[i] = 0.2f * static_cast<float>(random.uniform()) - 0.1f;
      colours.add(change, frame);
      const Tensor<float> b = colours.rgb(frame);
      const double level = 2.5 / (1 << format.bits);  // half a sample of each, as it counts in a colour
      for (Index i = 0; i < change.size(); ++i)
        CHECK(b.data()[i] == Approx(o.data()[i] + change.data()[i]).margin(2 * level));
    }
}

TEST_CASE("the matrix of a video", "[io]") {
  const auto of_size = [](const char* size) {
    return video_matrix("auto", parse_video_header(text("YUV4MPEG2 ", size))).name;
  };
  CHECK(of_size("W720 H576") == "bt601");
  CHECK(of_size("W1280 H544") == "bt709");
  CHECK(of_size("W960 H720") == "bt709");
  const VideoFormat format = parse_video_header("YUV4MPEG2 W2 H1");
  CHECK(video_matrix("bt2020", format).red == 0.2627);
  CHECK(message_of<FormatError>([&] { video_matrix("bt470", format); }) ==
        "matrix 'bt470', expected auto, bt601, bt709 or bt2020");
  VideoFrame frame = random_frame(format, 1);
  const VideoColours colours(format, bt601);
  CHECK(message_of<ShapeError>([&] {
          colours.add(Tensor<float>({1, 2, 1, 3}), frame);
        }) == "video: a change of shape [1,2,1,3], expected [1,1,2,3]");
  CHECK(message_of<FormatError>([&] {
          colours.add(Tensor<float>::full({1, 1, 2, 3}, NAN), frame);
        }) == "video: the change of sample 0 is not a number");
}
