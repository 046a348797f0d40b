// Video through nlcl-derain, as it goes through pipes.
#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/io/video_colours.hpp"
#include "nlcl/io/y4m.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* header = "YUV4MPEG2 W36 H20 F30000:1001 Ip A1:1 C420mpeg2 XYSCSS=420MPEG2";
constexpr std::size_t frame_size = 6 + 36 * 20 * 3 / 2;

struct Video {
  VideoFormat format;
  std::vector<VideoFrame> frames;
};

Video parse_video(const std::string& file) {
  std::istringstream in(file);
  VideoReader reader(in);
  Video video{reader.format(), {}};
  for (VideoFrame frame; reader.read(frame);) video.frames.push_back(frame);
  return video;
}

std::string random_video(int frames) {
  std::string file = std::string(header) + '\n';
  for (int i = 0; i < frames; ++i) {
    file += "FRAME\n";
    const Image samples = random_image(30, 36, 1, static_cast<std::uint64_t>(i));
    file.append(samples.pixels.begin(), samples.pixels.end());
  }
  return file;
}

// Of the samples, at the most. The program's sums are those of another compilation: a sample may be rounded otherwise.
int distance(const VideoFrame& a, const VideoFrame& b) {
  int farthest = a.samples.size() == b.samples.size() ? 0 : INT_MAX;
  for (std::size_t i = 0; i < a.samples.size() && farthest < INT_MAX; ++i)
    farthest = std::max(farthest, std::abs(a.samples[i] - b.samples[i]));
  return farthest;
}

// With the weights of a generator that changes every colour.
class Studio : public Workplace {
 public:
  Studio() : generator_(Random(1)) {
    write_checkpoint(*this / "w.pth", state_of(generator_));
    write("in.y4m", random_video(5));
  }

  VideoFrame derained(VideoFrame frame, float strength) const {
    const VideoFormat format = parse_video_header(header);
    const VideoColours colours(format, bt601);
    const Tensor<float> o = colours.rgb(frame), b = GeneratorPlan(generator_)(o);
    Tensor<float> change(o.shape());
    for (Index i = 0; i < o.size(); ++i)
      change.mutable_data()[i] = strength * (std::clamp(b.data()[i], -1.0f, 1.0f) - o.data()[i]);
    colours.add(change, frame);
    return frame;
  }

 private:
  Generator<float> generator_;
};

}  // namespace

TEST_CASE("nlcl-derain: a video", "[tools]") {
  const Studio studio;
  const Video before = parse_video(studio.content("in.y4m"));
  for (const char* threads : {"1", "2", "3"})
    for (const float strength : {1.0f, 0.5f}) {
      CAPTURE(threads, strength);
      check_silent(studio(text("cat in.y4m | nlcl-derain --video - -o - -w w.pth -s ", strength, " -j ",
                               threads, " | cat >out.y4m")));
      const std::string file = studio.content("out.y4m");
      CHECK_THAT(file, Catch::StartsWith(std::string(header) + "\nFRAME\n"));
      const Video after = parse_video(file);
      REQUIRE(after.frames.size() == before.frames.size());
      for (std::size_t i = 0; i < before.frames.size(); ++i)
        CHECK(distance(after.frames[i], studio.derained(before.frames[i], strength)) <= 1);
    }
  const std::string by_pipe = studio.content("out.y4m");
  check_silent(studio("nlcl-derain --video in.y4m -o file.y4m -w w.pth -s 0.5 --matrix bt601"));
  CHECK(studio.content("file.y4m") == by_pipe);
  check_silent(studio("nlcl-derain --video in.y4m -o other.y4m -w w.pth -s 0.5 --matrix bt709"));
  CHECK(studio.content("other.y4m") != by_pipe);
  const Run said = studio("nlcl-derain --video in.y4m -w w.pth -v >out.y4m");
  CHECK_THAT(said.err, Catch::Matches("in\\.y4m: 5 frames of 36 x 20 pixels, [0-9.]+ a second\n"));
}

TEST_CASE("nlcl-derain: a video that is dry comes back byte by byte", "[tools]") {
  const Workplace place;
  place.write("in.y4m", random_video(3));
  check_silent(place("nlcl-derain --video in.y4m -o out.y4m -s 0"));
  CHECK(place.content("out.y4m") == place.content("in.y4m"));
}

TEST_CASE("nlcl-derain: a video that breaks off", "[tools]") {
  const Studio studio;
  const std::string whole = studio.content("in.y4m"), derain = "nlcl-derain -w w.pth --video ";
  check_silent(studio(derain + "in.y4m -o whole.y4m"));
  const std::string results = studio.content("whole.y4m");
  studio.write("cut.y4m", whole.substr(0, whole.size() - 1));
  check_error(studio(derain + "cut.y4m -o out.y4m"), 1,
              "cut.y4m: y4m: frame 5 is cut off, it has 1079 of 1080");
  CHECK(studio.content("out.y4m") ==
        results.substr(0, results.size() - frame_size));  // what was whole is done

  check_error(studio(derain + "- -o out.y4m </dev/null"), 1, "standard input: y4m: begins with ''");
  check_error(studio(derain + "w.pth -o out.y4m"), 1, "w.pth: y4m: begins with 'PK");
  CHECK(studio.content("out.y4m").size() ==
        results.size() - frame_size);  // nothing is lost to what is no video
  for (const auto& [command, expected] : std::vector<std::pair<std::string, std::string>>{
           {derain + "in.y4m -o in.y4m", "in.y4m would overwrite an input"},
           {derain + "none.y4m", "no such file or folder: none.y4m"},
           {derain + "in.y4m cut.y4m", "--video takes one video, not 2"},
           {derain + "in.y4m -o none/out.y4m", "cannot write to the folder none"},
           {derain + "in.y4m --compare b.png", "--compare excludes --video"},
           {derain + "in.y4m --matrix bt470", "--matrix"},
           {"nlcl-derain a.png --matrix bt709", "--matrix requires --video"}})
    check_error(studio(command), 2, expected);
}

TEST_CASE("nlcl-derain: a video whose reader goes, or that is stopped", "[tools]") {
  const Studio studio;
  studio.write("long.y4m", random_video(4000));
  const Run gone =
      studio("{ nlcl-derain -w w.pth --video long.y4m; echo $? >code; } | head -c 5000 >head.y4m");
  CHECK(studio.content("code") == "1\n");
  CHECK_THAT(gone.err,
             Catch::Matches("nlcl-derain: long\\.y4m: cannot write to standard output: Broken pipe; "
                            "[0-9]+ frames are written\n"));

  const pid_t program = studio.start("exec nlcl-derain -w w.pth --video long.y4m -o out.y4m");
  wait_until([&] { return fs::exists(studio / "out.y4m") && fs::file_size(studio / "out.y4m") > 5000; });
  kill(program, SIGTERM);
  check_error(studio.wait(program), 143, "stopped after ");
  const std::string out = studio.content("out.y4m");
  CHECK((out.size() - std::string(header).size() - 1) % frame_size == 0);
  CHECK(parse_video(out).frames.size() < 4000);
}

TEST_CASE("tools/derain-video.sh: rate, size, colours and sound stay", "[tools]") {
  const Studio studio;
  if (studio("command -v ffmpeg ffprobe >/dev/null").code != 0) {
    WARN("skipped: there is no ffmpeg here");
    return;
  }
  const Run made = studio(
      "ffmpeg -v error -i in.y4m -f lavfi -i sine=440 -shortest -c:v ffv1 -c:a pcm_s16le "
      "-colorspace bt709 -color_range tv in.mkv");
  CHECK(made.err == "");
  const std::string script =
      "NLCL_DERAIN=nlcl-derain '" + source_path("tools/derain-video.sh").string() + "' ";
  check_silent(studio(script + "in.mkv out.mkv -w w.pth"));
  const auto about = [&](const std::string& file) {
    return studio(
               "ffprobe -v error -count_frames -show_entries "
               "stream=width,height,pix_fmt,r_frame_rate,color_space,color_range,nb_read_frames,sample_rate "
               "-of compact " +
               file + "; ffmpeg -v error -i " + file + " -map 0:a -c copy -f md5 -")
        .out;
  };
  CHECK_THAT(about("in.mkv"), Catch::Contains("nb_read_frames=5") && Catch::Contains("color_space=bt709"));
  CHECK(about("out.mkv") == about("in.mkv"));
  const Names before = studio.names(".");
  CHECK(studio(script + "in.mkv in.mkv").code == 2);
  CHECK(studio(script + "in.y4m none.mkv --strength 7").code != 0);
  CHECK(studio(script + "w.pth none.mkv").code == 1);
  CHECK(studio.names(".") == before);
}
