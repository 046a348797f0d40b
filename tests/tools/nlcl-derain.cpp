#include <algorithm>
#include <chrono>
#include <thread>

#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/version.hpp"
#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;

namespace {

// A folder with the weights of two generators, which are as random as their images.
class Bench : public Workplace {
 public:
  Bench() : back_(Random(1)), rain_(Random(2)) {
    write_checkpoint(*this / "back.pth", state_of(back_));
    write_checkpoint(*this / "rain.safetensors", state_of(rain_));
  }

  Tensor<float> back(const Image& image) const { return GeneratorPlan(back_)(to_tensor(image)); }
  Tensor<float> rain(const Image& image) const { return GeneratorPlan(rain_)(to_tensor(image)); }

 private:
  Generator<float> back_, rain_;
};

// A header of 18 bytes, and the pixels from the bottom row up in blue, green, red.
std::vector<std::byte> encode_tga(const Image& image) {
  std::vector<std::byte> file(18);
  file[2] = std::byte{2};
  file[12] = static_cast<std::byte>(image.width);
  file[14] = static_cast<std::byte>(image.height);
  file[16] = std::byte{24};
  for (Index y = image.height - 1; y >= 0; --y)
    for (Index x = 0; x < image.width; ++x)
      for (Index c = 2; c >= 0; --c)
        file.push_back(
            static_cast<std::byte>(image.pixels[static_cast<std::size_t>((y * image.width + x) * 3 + c)]));
  return file;
}

// The JPEG with an EXIF segment behind its first two bytes that says how it is to be turned.
std::vector<std::byte> with_orientation(const std::vector<std::byte>& jpeg, char orientation) {
  std::string exif(
      "\xff\xe1\0\x22"
      "Exif\0\0"
      "MM\0*\0\0\0\x8"
      "\0\x1"
      "\x1\x12\0\x3\0\0\0\x1\0\0\0\0"
      "\0\0\0\0",
      36);
  exif[29] = orientation;
  std::vector<std::byte> file(jpeg.begin(), jpeg.begin() + 2);
  append(file, exif);
  append(file, ByteSpan(jpeg).subspan(2));
  return file;
}

// The first bytes of a PNG, as far as the decoder reads when it is told of so many pixels.
std::vector<std::byte> png_header(std::uint32_t height, std::uint32_t width) {
  std::vector<std::byte> chunk;
  append(chunk, "IHDR");
  append_big(chunk, width);
  append_big(chunk, height);
  append(chunk, std::string_view("\x8\x2\0\0\0", 5));
  std::vector<std::byte> file;
  append(file, std::string_view("\x89PNG\r\n\x1a\n\0\0\0\xd", 12));
  append(file, chunk);
  append_big(file, crc32(chunk));
  return file;
}

bool is_jpeg_file(const Workplace& place, const std::string& name) {
  return place.content(name).starts_with("\xff\xd8\xff");
}

}  // namespace

TEST_CASE("nlcl-derain: one image", "[tools]") {
  const Bench bench;
  const Image image = random_image(13, 18, 3);
  bench.write("a.png", image);
  const std::vector<std::uint8_t> expected = to_image(bench.back(image)).pixels;

  SECTION("has the pixels of the generator") {
    check_silent(bench("nlcl-derain -i a.png -o clean.png -w back.pth"));
    CHECK(bench.image("clean.png").pixels == expected);
    CHECK(bench.names(".") == Names{"a.png", "back.pth", "clean.png", "rain.safetensors"});
  }
  SECTION("with long names and any number of threads") {
    for (const char* threads : {"1", "2", "5"}) {
      check_silent(bench(
          text("nlcl-derain --input a.png --output clean.png --weights back.pth --device cpu --threads ",
               threads, " --quiet")));
      CHECK(bench.image("clean.png").pixels == expected);
    }
  }
  SECTION("replaces an older result") {
    bench.write("clean.png", "older");
    check_silent(bench("nlcl-derain -i a.png -o clean.png -w back.pth"));
    CHECK(bench.image("clean.png").pixels == expected);
  }
  SECTION("through pipes") {
    check_silent(bench("cat a.png | nlcl-derain -i - -o - -w back.pth | cat >clean.png"));
    CHECK(bench.image("clean.png").pixels == expected);
    check_silent(bench("nlcl-derain -i - -o - -f jpg -w back.pth <a.png >clean"));
    CHECK(is_jpeg_file(bench, "clean"));
  }
  SECTION("next to what it was") {
    check_silent(bench("nlcl-derain -i a.png -o clean.png -w back.pth --compare both.png"));
    CHECK(bench.image("clean.png").pixels == expected);
    const Image both = bench.image("both.png");  // with white between and around
    REQUIRE(both.height == 13 + 2 * 4);
    REQUIRE(both.width == 2 * 18 + 3 * 4);
    const auto matches = [&](const std::vector<std::uint8_t>& pixels, Index left) {
      for (Index i = 0; i < 13; ++i)
        if (!std::equal(pixels.begin() + i * 18 * 3, pixels.begin() + (i + 1) * 18 * 3,
                        both.pixels.begin() + ((4 + i) * both.width + left) * 3))
          return false;
      return true;
    };
    CHECK(matches(image.pixels, 4));
    CHECK(matches(expected, 4 + 18 + 4));
    CHECK(std::all_of(both.pixels.begin(), both.pixels.begin() + 4 * both.width * 3,
                      [](std::uint8_t level) { return level == 255; }));
  }
  SECTION("to a device") {
    check_silent(bench("nlcl-derain -i a.png -o /dev/null -f png -w back.pth"));
    CHECK(fs::is_character_file("/dev/null"));
  }
  SECTION("says on request what it took") {
    const Run run = bench("nlcl-derain -i a.png -o clean.png -w back.pth -v");
    CHECK(run.code == 0);
    CHECK(run.out == "");
    CHECK_THAT(run.err, Catch::Matches("a\\.png: 13 x 18 pixels, [0-9.]+ s, [0-9.]+ MB\n"));
  }
}

TEST_CASE("nlcl-derain: help and version", "[tools]") {
  const Workplace place;
  const Run help = place("nlcl-derain --help"), short_help = place("nlcl-derain -h");
  CHECK(help.code == 0);
  CHECK(help.err == "");
  CHECK(short_help.out == help.out);
  for (const char* option :
       {"-i,--input", "-o,--output", "-w,--weights", "--weights-list", "--rain ", "--rain-weights",
        "-f,--format", "-q,--quality", "-j,--threads", "--device", "--skip-existing", "--quiet",
        "-v,--verbose", "--version", "Exit codes", "four times as bright"})
    CHECK_THAT(help.out, Catch::Contains(option));
  CHECK(place("nlcl-derain --version").out == text("nlcl-derain ", version, '\n'));
}

TEST_CASE("nlcl-derain: wrong usage is told before any work", "[tools]") {
  const Bench bench;
  bench.write("a.png", random_image(4, 5, 3));
  bench.write("folder/a.png", random_image(4, 5, 3));
  bench.write("empty/notes.txt", "no image");
  bench.write("text", "this is no checkpoint");
  StateFile incomplete = read_checkpoint(bench / "back.pth");
  incomplete.tensors.pop_back();
  write_checkpoint(bench / "incomplete.pth", incomplete);

  const std::string ok = "nlcl-derain -w back.pth ";
  check_mistakes(
      bench,
      {
          {"nlcl-derain", 2, "no image is given"},
          {ok + "-i a.png -o b.png --fast", 2, "--fast"},
          {ok + "-i a.png -o b.png c.png", 2, "c.png"},
          {ok + "-i none.png -o b.png", 2, "no such file or folder: none.png"},
          {ok + "-i a.png -o b.gif", 2, "b.gif: the name ends in '.gif'"},
          {ok + "-i a.png -o b", 2, "b: the name ends in ''"},
          {ok + "-i a.png -o none/b.png", 2, "cannot write to the folder none: No such file"},
          {ok + "-i a.png -o folder", 2, "a.png is a file and folder is a folder"},
          {ok + "-i folder -o a.png", 2, "folder is a folder and a.png is not"},
          {ok + "-i folder -o new.png", 2, "folder is a folder and new.png is not"},
          {ok + "-i folder -o -", 2, "folder is a folder and - is not"},
          {ok + "-i folder -o a.png/out", 2, "cannot write to the folder a.png/out: Not a directory"},
          {ok + "-i folder -o /proc/out", 2, "cannot write to the folder /proc/out"},
          {ok + "-i empty -o out", 2, "no images (.png, .jpg, .jpeg,"},
          {ok + "-i a.png -o a.png", 2, "a.png would overwrite an input"},
          {ok + "-i a.png -o folder/../a.png", 2, "would overwrite an input"},
          {ok + "-i folder -o folder", 2, "folder/a.png would overwrite an input"},
          {ok + "-i a.png -o b.png --rain-weights rain.safetensors", 2, "--rain-weights requires --rain"},
          {ok + "-i a.png -o b.png --rain ./b.png --rain-weights rain.safetensors", 2,
           "several results of a.png would be written to ./b.png"},
          {ok + "-i a.png -o - --rain - --rain-weights rain.safetensors", 2, "several results of a.png"},
          {ok + "-i a.png -o b.png --rain r.gif --rain-weights rain.safetensors", 2,
           "r.gif: the name ends in '.gif'"},
          {ok + "-i a.png -o b.png --rain folder --rain-weights rain.safetensors", 2, "folder is a folder"},
          {ok + "-i folder -o out --rain a.png --rain-weights rain.safetensors", 2, "a.png is not"},
          {ok + "-i a.png -o b.png --compare b.png", 2, "several results of a.png"},
          {ok + "-i a.png -o b.png --compare folder", 2, "folder is a folder"},
          {ok + "-i a.png -o b.png --rain r.png --rain-weights none", 2, "cannot read none: No such file"},
          {ok + "-i a.png -o b.png -f gif", 2, "--format: expected png, jpg,"},
          {ok + "-i a.png -o b.jpg -q 0", 2, "--quality: expected a whole number from 1 to 100, is 0"},
          {ok + "-i a.png -o b.jpg -q 101", 2, "--quality: expected a whole number from 1 to 100, is 101"},
          {ok + "-i a.png -o b.jpg -q good", 2, "--quality"},
          {ok + "-i a.png -o b.png -j 0", 2, "--threads: expected a whole number from 1 to 1024, is 0"},
          {ok + "-i a.png -o b.png -j two", 2, "--threads"},
          {ok + "-i a.png -o b.png --quiet -v", 2, "excludes"},
          {"nlcl-derain -i a.png -o b.png -w none.pth", 2, "cannot read none.pth: No such file"},
          {"nlcl-derain -i a.png -o b.png -w folder", 2, "cannot read folder: is a directory"},
          {"nlcl-derain -i a.png -o b.png -w text", 2,
           "text: neither a PyTorch nor a safetensors checkpoint"},
          {"nlcl-derain -i a.png -o b.png -w incomplete.pth", 2,
           "incomplete.pth: checkpoint: no tensor 'gen.18.bias'"},
          {ok + "-i a.png -o b.png --device cuda:99", 3, "cuda:99 is not available"},
          {ok + "-i a.png -o b.png --device gpu", 3, "'gpu', expected cpu or cuda:N"},
      });
}

TEST_CASE("nlcl-derain: an image that fails", "[tools]") {
  const Bench bench;
  bench.write("a.png", random_image(4, 5, 3));
  bench.write("broken.png", bench.content("a.png").substr(0, 60));
  bench.write("text.jpg", "this is no image");
  bench.write("huge.png", png_header(100'000, 100'000));

  const std::string ok = "nlcl-derain -w back.pth -o b.png ";
  check_mistakes(bench, {
                            {ok + "-i broken.png", 1, "broken.png: png: truncated"},
                            {ok + "-i text.jpg", 1, "text.jpg: image: neither PNG, JPEG,"},
                            {ok + "-i huge.png", 1, "huge.png: png: 100000 x 100000 pixels, at most"},
                            {ok + "-i - <broken.png", 1, "standard input: png: truncated"},
                            {ok + "-i -", 1, "standard input: image: the file is empty"},
                        });
  if (fs::exists("/dev/full")) {
    check_error(bench("nlcl-derain -w back.pth -i a.png -o - >/dev/full"), 1,
                "a.png: cannot write to standard output: No space left");
    check_error(bench("nlcl-derain -w back.pth -i a.png -o /dev/full -f png"), 1,
                "a.png: cannot write /dev/full: No space left");
  }
}

TEST_CASE("nlcl-derain: weights that give no numbers", "[tools]") {
  const Bench bench;
  bench.write("a.png", random_image(4, 5, 3));
  Generator<float> generator;
  generator.tail.bias.mutable_data()[0] = NAN;
  write_checkpoint(bench / "nan.pth", state_of(generator));
  check_mistakes(bench, {{"nlcl-derain -w nan.pth -i a.png -o b.png", 1, "a.png: image: value 0"}});
}

TEST_CASE("nlcl-derain: more memory than there is", "[tools]") {
  const Bench bench;
  bench.write("large.png", {2000, 2000, 1, std::vector<std::uint8_t>(4'000'000)});
  bench.write("folder/a.png", random_image(4, 5, 3));
  fs::rename(bench / "large.png", bench / "folder/large.png");
  const std::string limit = "ulimit -v 1000000 && ";
  if (bench(limit + "nlcl-derain --version").code != 0) {
    WARN("skipped: the memory of a program cannot be limited here");
    return;
  }
  check_error(bench(limit + "nlcl-derain -w back.pth -i folder/large.png -o b.png"), 3,
              "folder/large.png: 2000 x 2000 pixels need 1.1");
  check_error(bench(limit + "nlcl-derain -w back.pth -i folder -o out"), 3,
              "folder/large.png: 2000 x 2000 pixels");
  CHECK(bench.names("out") == Names{"a.png"});
}

TEST_CASE("nlcl-derain: a folder", "[tools]") {
  const Bench bench;
  const Image image = random_image(9, 7, 3, 1), tga = random_image(5, 6, 3, 2),
              grey = random_image(8, 8, 1, 3);
  bench.write("in/one.PNG", image);
  bench.write("in/two.Jpeg", encode_jpeg(image));
  bench.write("in/three.tga", encode_tga(tga));
  bench.write("in/four.v2.png", grey);
  bench.write("in/notes.txt", "no image");
  bench.write("in/sub/five.png", image);
  bench.write("in/sub.png/six.png", image);
  const Names results{"four.v2.png", "one.png", "three.png", "two.png"};

  SECTION("all images of it, and no others") {
    check_silent(bench("nlcl-derain -i in -o new/out -w back.pth"));
    CHECK(bench.names("new/out") == results);
    CHECK(bench.image("new/out/one.png").pixels == to_image(bench.back(image)).pixels);
    CHECK(bench.image("new/out/three.png").pixels == to_image(bench.back(tga)).pixels);
    CHECK(bench.image("new/out/four.v2.png").pixels == to_grey(to_image(bench.back(grey))).pixels);
  }
  SECTION("both layers") {
    check_silent(bench("nlcl-derain -i in/ -o out -w back.pth --rain rain --rain-weights rain.safetensors"));
    CHECK(bench.names("out") == results);
    CHECK(bench.names("rain") == results);
  }
  SECTION("next to what they were") {
    check_silent(bench("nlcl-derain -i in -o out -w back.pth --compare both"));
    CHECK(bench.names("both") == results);
    CHECK(bench.image("both/four.v2.png").width == 2 * 8 + 3 * 4);
  }
  SECTION("the broken ones are named, the others done") {
    bench.write("in/apart.png", bench.content("in/one.PNG").substr(0, 99));
    fs::create_symlink("nowhere", bench / "in/link.png");
    const Run run = bench("nlcl-derain -i in -o out -w back.pth --quiet");
    CHECK(run.code == 1);
    CHECK(run.out == "");
    CHECK_THAT(run.err,
               Catch::Matches("nlcl-derain: in/apart\\.png: png: .*\n"
                              "nlcl-derain: cannot read in/link\\.png: No such file or directory\n"));
    CHECK(bench.names("out") == results);
  }
  SECTION("as JPEG") {
    check_silent(bench("nlcl-derain -i in -o out -w back.pth -f jpg"));
    CHECK(bench.names("out") == Names{"four.v2.jpg", "one.jpg", "three.jpg", "two.jpg"});
    CHECK(is_jpeg_file(bench, "out/one.jpg"));
  }
  SECTION("without those that are there") {
    bench.write("out/one.png", "older");
    const Run run = bench("nlcl-derain -i in -o out -w back.pth --skip-existing -v");
    CHECK(run.code == 0);
    CHECK_THAT(run.err, Catch::Contains("in/one.PNG: exists already\n"));
    CHECK(std::ranges::count(run.err, '\n') == 4);
    CHECK(bench.content("out/one.png") == "older");
    CHECK(bench.names("out") == results);
    // A result is there when all its layers are.
    const std::string rain = " --rain rain --rain-weights rain.safetensors";
    check_silent(bench("nlcl-derain -i in -o out -w back.pth --skip-existing" + rain));
    CHECK(bench.image("out/one.png").pixels == to_image(bench.back(image)).pixels);
    CHECK(bench.names("rain") == results);
  }
  SECTION("two that would have one name") {
    bench.write("in/two.png", image);
    check_error(bench("nlcl-derain -i in -o out -w back.pth"), 2,
                "in/two.Jpeg and in/two.png would be written to out/two.png");
    CHECK_FALSE(fs::exists(bench / "out"));
  }
}

TEST_CASE("nlcl-derain: a folder that cannot be written to", "[tools]") {
  const Bench bench;
  bench.write("in/a.png", random_image(4, 5, 3));
  fs::create_directory(bench / "locked");
  fs::permissions(bench / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  for (const char* folder : {"locked", "locked/new"})
    check_error(bench.as_ordinary_user(text("nlcl-derain -i in -w back.pth -o ", folder)), 2,
                text("folder ", folder, ": Permission"));
  CHECK(bench.names("locked").empty());
}

TEST_CASE("nlcl-derain: formats", "[tools]") {
  const Bench bench;
  bench.write("a.png", random_image(24, 24, 4));
  const auto derain = [&](const std::string& options) {
    check_silent(bench("nlcl-derain -i a.png -w back.pth " + options));
  };
  derain("-o b.JPG");
  CHECK(is_jpeg_file(bench, "b.JPG"));
  CHECK(bench.image("b.JPG").channels == 3);
  derain("-o b.jpeg -q 95");
  CHECK(bench.content("b.jpeg") == bench.content("b.JPG"));
  derain("-o b.jpeg --quality 10");
  CHECK(bench.content("b.jpeg").size() < bench.content("b.JPG").size());
  derain("-o b.jpeg --format png");
  derain("-o b.PNG");
  CHECK(bench.content("b.jpeg") == bench.content("b.PNG"));
}

TEST_CASE("nlcl-derain: grey stays grey, and alpha stays", "[tools]") {
  const Bench bench;
  for (const Index channels : {1, 2, 3, 4}) {
    INFO(channels);
    const Image image = random_image(7, 9, channels);
    const Image colour = to_image(bench.back(image));
    bench.write("a.png", image);
    check_silent(bench("nlcl-derain -i a.png -o b.png -w back.pth"));
    CHECK(bench.image("b.png").channels == channels);
    CHECK(bench.image("b.png").pixels ==
          with_alpha_of(channels < 3 ? to_grey(colour) : colour, image).pixels);
    check_silent(bench("nlcl-derain -i a.png -o b.jpg -w back.pth"));
    CHECK(is_jpeg_file(bench, "b.jpg"));
  }
}

TEST_CASE("nlcl-derain: photographs are turned upright", "[tools]") {
  const Bench bench;
  const Image image = random_image(16, 24, 3);
  bench.write("flat.jpg", encode_jpeg(image));
  bench.write("turned.jpg", with_orientation(encode_jpeg(image), 6));
  const Image flat = bench.image("flat.jpg"), turned = bench.image("turned.jpg");
  REQUIRE(turned.height == flat.width);
  check_silent(bench("nlcl-derain -i turned.jpg -o b.png -w back.pth"));
  CHECK(bench.image("b.png").height == 24);
  CHECK(bench.image("b.png").pixels == to_image(bench.back(turned)).pixels);
}

TEST_CASE("nlcl-derain: the rain layer", "[tools]") {
  const Bench bench;
  const Image image = random_image(12, 12, 3);
  bench.write("a.png", image);
  check_silent(
      bench("nlcl-derain -i a.png -o b.png -w back.pth --rain r.png --rain-weights rain.safetensors"));
  CHECK(bench.image("b.png").pixels == to_image(bench.back(image)).pixels);
  const Image picture = bench.image("r.png");
  const Tensor<float> rain = bench.rain(image);
  std::set<int> levels;
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) {
    const int level = picture.pixels[i];
    CHECK(std::abs(level - 4 * 127.5 * std::clamp(rain.values()[i], 0.0f, 0.5f)) <= 0.501);
    levels.insert(level);
  }
  CHECK(levels.size() > 20);

  check_silent(
      bench("nlcl-derain -i a.png -o - -w back.pth --rain r.jpg --rain-weights rain.safetensors >c.png"));
  CHECK(bench.content("c.png") == bench.content("b.png"));
  CHECK(is_jpeg_file(bench, "r.jpg"));
}

TEST_CASE("nlcl-derain: an interrupt leaves complete files only", "[tools]") {
  const Bench bench;
  constexpr std::size_t count = 40;
  for (std::size_t i = 0; i < count; ++i)
    bench.write(text("in/", 100 + i, ".png"), random_image(96, 96, 3, i));
  const pid_t program = bench.start("exec nlcl-derain -i in -o out -w back.pth");
  wait_until([&] { return fs::exists(bench / "out/100.png"); });
  kill(program, SIGINT);
  const Run run = bench.wait(program);

  const Names results = bench.names("out");
  CHECK(results.size() < count);
  check_error(run, 130, text("stopped after ", results.size(), " of ", count, " images"));
  for (const std::string& name : results) {
    CHECK_THAT(name, Catch::EndsWith(".png"));
    CHECK(bench.image("out/" + name).height == 96);
  }
}

TEST_CASE("nlcl-derain: progress is shown on a terminal", "[tools]") {
  const Bench bench;
  for (int i = 0; i < 3; ++i) bench.write(text("in/", i, ".png"), random_image(8, 8, 3));
  bench.write("in/broken.png", "");
  const Terminal terminal;
  if (!terminal.is_open()) {
    WARN("skipped: there are no terminals here");
    return;
  }
  const auto said = [&](const std::string& options) {
    CHECK(bench(text("nlcl-derain -i in -o out -w back.pth ", options, " 2>", terminal.name())).code == 1);
    return terminal.read();
  };
  CHECK_THAT(said(""), Catch::Contains("0 of 4 images") && Catch::Contains("1 of 4 images, 0.") &&
                           Catch::Contains(" s each, 0 s left") &&
                           Catch::Contains("\r\033[Knlcl-derain: in/broken.png: image: the file is empty") &&
                           Catch::Contains("4 of 4 images, 0.") && Catch::EndsWith(" s each\r\n"));
  CHECK_THAT(said("--quiet"), Catch::StartsWith("nlcl-derain: in/broken.png:"));
}

// The published results were cut to 8 bits where we round: equal, or one above.
TEST_CASE("nlcl-derain: the published results", "[tools][official]") {
  const fs::path official = shared_path("official");
  if (!fs::exists(official)) {
    WARN("skipped: the published weights and images are not in " << official.string());
    return;
  }
  const Workplace place;
  fs::create_directory(place / "in");
  for (const char* name : {"Eg1", "Eg2", "Eg3", "Eg4"})
    fs::create_symlink(official / "images" / text(name, ".rainy.png"), place / text("in/", name, ".png"));
  check_silent(place(text("nlcl-derain -i in -o out -w ", (official / "latest_net_Back.pth").string())));
  for (const char* name : {"Eg1", "Eg2", "Eg3", "Eg4"}) {
    INFO(name);
    const Image ours = read_image(place / text("out/", name, ".png"));
    const Image published = read_image(official / "images" / text(name, ".derained.png"));
    REQUIRE(ours.pixels.size() == published.pixels.size());
    std::size_t others = 0;
    int farthest = 0;
    for (std::size_t i = 0; i < ours.pixels.size(); ++i) {
      const int difference = ours.pixels[i] - published.pixels[i];
      others += difference != 0 && difference != 1;
      farthest = std::max(farthest, std::abs(difference));
    }
    CHECK(others <= ours.pixels.size() / 10'000);
    CHECK(farthest <= 2);
  }

  REQUIRE(
      place(text("nlcl-convert ", (official / "latest_net_Back.pth").string(), " back.safetensors")).code ==
      0);
  check_silent(place("nlcl-derain -i in/Eg1.png -o again.png -w back.safetensors"));
  CHECK(place.content("again.png") == place.content("out/Eg1.png"));
}
