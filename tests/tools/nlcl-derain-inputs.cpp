// What nlcl-derain takes and where it puts the results: one word, several images, folders, patterns.
#include <algorithm>
#include <chrono>
#include <thread>

#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/io/pixels.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "nlcl/pages/layer_pictures.hpp"
#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;

namespace {

// Two images, one of them a JPEG, in a folder with another folder.
class Photographs : public Workplace {
 public:
  Photographs() {
    write("photos/one.jpg", encode_jpeg(picture));
    write("photos/two.png", picture);
    write("photos/sub/three.png", picture);
    write("photos/notes.txt", "no image");
  }

  const Image picture = random_image(9, 11, 3);
};

}  // namespace

TEST_CASE("nlcl-derain: one word", "[tools]") {
  const Photographs place;
  SECTION("writes beside the image, by the weights that are built in") {
    place.write("photo.jpg", encode_jpeg(place.picture));
    check_silent(place("nlcl-derain photo.jpg"));
    CHECK(place.names(".") == Names{"photo-derained.jpg", "photo.jpg", "photos"});
    const std::string real = (source_path("models") / "real.safetensors").string();
    check_silent(place("nlcl-derain -i photo.jpg -o by-file.jpg -w " + real));
    CHECK(place.content("photo-derained.jpg") == place.content("by-file.jpg"));
    check_silent(place("nlcl-derain photo.jpg -w real -o by-name.jpg"));
    CHECK(place.content("photo-derained.jpg") == place.content("by-name.jpg"));
  }
  SECTION("keeps the format and its spelling where it can be written") {
    place.write("a.JPG", encode_jpeg(place.picture));
    place.write("b.b.jpeg", encode_jpeg(place.picture));
    fs::copy(place / "photos/two.png", place / "named by nobody");
    check_silent(place("nlcl-derain a.JPG b.b.jpeg 'named by nobody'"));
    check_silent(place("nlcl-derain a.JPG -f png"));
    CHECK(place.names(".") == Names{"a.JPG", "a-derained.JPG", "a-derained.png", "b.b.jpeg",
                                    "b.b-derained.jpeg", "named by nobody", "named by nobody-derained.png",
                                    "photos"});
  }
  SECTION("a hyphen is standard input, and then standard output") {
    check_silent(place("nlcl-derain - <photos/two.png >result"));
    check_silent(place("nlcl-derain photos/two.png -o - >other"));
    check_silent(place("nlcl-derain - -o file.png <photos/two.png"));
    CHECK(place.image("result").pixels == place.image("file.png").pixels);
    CHECK(place.content("result") == place.content("other"));
  }
  SECTION("a name that looks like an option or a pattern") {
    place.write("-x.png", place.picture);
    place.write("[y]*.png", place.picture);
    check_silent(place("nlcl-derain -- -x.png"));
    check_silent(place("nlcl-derain '[y]*.png'"));
    CHECK(place.names(".") == Names{"-x.png", "-x-derained.png", "[y]*.png", "[y]*-derained.png", "photos"});
  }
}

TEST_CASE("nlcl-derain: the weights that are built in", "[tools]") {
  const Run list = Workplace()("nlcl-derain --weights-list");
  CHECK(list.code == 0);
  CHECK(list.err == "");
  CHECK_THAT(list.out, Catch::StartsWith("real ") && Catch::EndsWith("\n"));
}

TEST_CASE("nlcl-derain: several images", "[tools]") {
  const Photographs place;
  const std::string derain = "nlcl-derain ";
  SECTION("beside themselves") {
    check_silent(place(derain + "photos/one.jpg photos/sub/three.png ./photos/one.jpg"));
    CHECK(place.names("photos") == Names{"notes.txt", "one-derained.jpg", "one.jpg", "sub", "two.png"});
    CHECK(place.names("photos/sub") == Names{"three-derained.png", "three.png"});
  }
  SECTION("into a folder, under their names") {
    check_silent(place(derain + "photos/one.jpg photos/sub -o new/out --compare both --rain rain"));
    for (const char* folder : {"new/out", "both", "rain"})
      CHECK(place.names(folder) == Names{"one.jpg", "three.png"});
    check_silent(place(derain + "photos/one.jpg -o alone"));
    check_silent(place(derain + "photos/two.png -o alone/ -f jpg"));
    CHECK(place.names("alone") == Names{"one.jpg", "two.jpg"});
  }
  SECTION("by patterns that no shell has seen") {
    place.write("photos/.hidden.png", place.picture);
    const auto found = [&](const std::string& patterns) {
      std::error_code ignored;
      fs::remove_all(place / "out", ignored);
      check_silent(place(derain + patterns + " -o out"));
      return place.names("out");
    };
    CHECK(found("'photos/*.png'") == Names{"two.png"});
    CHECK(found("'photos/*'") == Names{"one.jpg", "two.png"});
    CHECK(found("'*/???.[!j]*'") == Names{"two.png"});
    CHECK(found("'phot[n-p]s/[!a-o]*' 'ph*/s?b/*'") == Names{"three.png", "two.png"});
    CHECK(found("'photos/.*'") == Names{".hidden.png"});
    check_error(place(derain + "'photos/*.bmp'"), 2, "no image is named photos/*.bmp");
  }
  SECTION("with subfolders, in their shape") {
    for (int call = 0; call < 2; ++call)  // the second does not take what the first has written
      check_silent(place(derain + "-r photos -o photos/clean --rain photos/rain"));
    for (const char* folder : {"photos/clean", "photos/rain"}) {
      CHECK(place.names(folder) == Names{"one.jpg", "sub", "two.png"});
      CHECK(place.names(folder + std::string("/sub")) == Names{"three.png"});
    }
    check_silent(place(derain + "--recursive photos/sub"));
    CHECK(place.names("photos/sub") == Names{"three-derained.png", "three.png"});
  }
  SECTION("but none that is the result of an earlier call") {
    for (const char* all : {"photos", "photos/*.jpg photos/*.png", "'photos/*'"}) {
      check_silent(place(derain + all));
      CHECK(place.names("photos") ==
            Names{"notes.txt", "one-derained.jpg", "one.jpg", "sub", "two-derained.png", "two.png"});
    }
    check_silent(place(derain + "photos/one-derained.jpg"));  // it is asked for
    CHECK(fs::exists(place / "photos/one-derained-derained.jpg"));
    for (const char* name : {"photos/one.jpg", "photos/two.png"}) fs::remove(place / name);
    check_error(place(derain + "photos"), 2, "photos/one-derained-derained.jpg: a result of an earlier call");
  }
}

TEST_CASE("nlcl-derain: images that cannot be taken as they are named", "[tools]") {
  const Photographs place;
  place.write("a.png", place.picture);
  place.write("a.tga.png", place.picture);
  fs::create_directory(place / "empty");
  check_mistakes(
      place,
      {
          {"nlcl-derain none.png", 2, "no such file or folder: none.png"},
          {"nlcl-derain a.png none.png", 2, "no such file or folder: none.png"},
          {"nlcl-derain a.png - <a.png", 2, "standard input has no name"},
          {"nlcl-derain empty", 2, "no images (.png, .jpg, .jpeg,"},
          {"nlcl-derain -r empty", 2, "in the folder empty"},
          {"nlcl-derain a.png -i a.png", 2, "a.png: images are named by -i or without it, not both"},
          {"nlcl-derain a.png -o b.gif", 2, "b.gif: the name ends in '.gif'"},
          {"nlcl-derain a.png -o none/b.png", 2, "cannot write to the folder none: No such file"},
          {"nlcl-derain a.png -o .", 2, "./a.png would overwrite an input"},
          {"nlcl-derain photos -o photos", 2, "would overwrite an input"},
          {"nlcl-derain photos -o clean.png", 2, "clean.png: expected a folder for 2 images"},
          {"nlcl-derain a.png photos/two.png -o -", 2, "-: expected a folder for 2 images"},
          {"nlcl-derain photos --rain a.png", 2, "a.png: expected a folder for 2 images"},
          {"nlcl-derain a.png -o b.png --compare b.png", 2, "several results of a.png"},
          {"nlcl-derain photos/two.png photos/sub a.png -o out -f jpg --rain out", 2,
           "several results of photos/two.png would be written to out/two.jpg"},
          {"nlcl-derain a.png -w rain100l", 2, "cannot read rain100l: No such file"},
          {"nlcl-derain --region 0,0,5 a.png", 2, "--region 0,0,5: expected X,Y,W,H"},
          {"nlcl-derain a.png --region 0,0,5,5,5", 2, "--region 0,0,5,5,5: expected X,Y,W,H"},
          {"nlcl-derain a.png --region 0,0,0,5", 2, "--region 0,0,0,5: expected X,Y,W,H"},
          {"nlcl-derain a.png --region 8,0,4,5", 1,
           "a.png: region: 8,0,4,5 (left,top,width,height), the image is 11 wide and 9 high"},
          {"nlcl-derain a.png --memory 1xB", 2, "--memory: expected a size, as in 500MB or 1.5GB, is 1xB"},
          {"nlcl-derain a.png --memory 98", 1, "a.png: png: 9 x 11 pixels, at most 98 are allowed"},
          {"nlcl-derain a.png --memory 50KB", 3, "a.png: 9 x 11 pixels need "},
          {"nlcl-derain a.png --strength 1.6", 2, "--strength"},
          {"nlcl-derain a.png --strength -0.1", 2, "--strength"},
      });
}

TEST_CASE("nlcl-derain: how much is taken off, and the rain as what is", "[tools]") {
  const Workplace place;
  Generator<float> generator{Random(1)};
  write_checkpoint(place / "back.pth", state_of(generator));
  const Image image = random_image(13, 18, 3);
  place.write("a.png", image);
  const Tensor<float> o = to_tensor(image), b = GeneratorPlan(generator)(o);
  for (const float strength : {0.0f, 0.4f, 1.0f, 1.5f}) {
    CAPTURE(strength);
    check_silent(place(text("nlcl-derain a.png -w back.pth -o b.png --rain r.png -s ", strength)));
    Tensor<float> expected = o.clone(), rain = o.clone();
    for (Index i = 0; i < o.size(); ++i) {
      expected.mutable_data()[i] += strength * (b.data()[i] - o.data()[i]);
      rain.mutable_data()[i] -= b.data()[i];
    }
    const auto farthest = [](const Image& a, const Image& b) {
      int difference = 0;
      for (std::size_t i = 0; i < a.pixels.size(); ++i)
        difference = std::max(difference, std::abs(a.pixels[i] - b.pixels[i]));
      return difference;
    };
    CHECK(farthest(place.image("b.png"), to_image(expected)) <= (strength == 0 ? 0 : 1));
    CHECK(farthest(place.image("r.png"), rain_picture(rain)) <= 1);  // all that was found
  }
}

TEST_CASE("nlcl-derain: a region has the pixels of the whole", "[tools]") {
  const Workplace place;
  const Image image = random_image(230, 170, 4);
  place.write("a.png", image);
  check_silent(place("nlcl-derain a.png --rain rain.png --compare both.png"));
  check_silent(place("nlcl-derain --region 101,83,40,30 a.png --rain part.png --compare both-of-part.png"));
  const Region region{101, 83, 40, 30};
  CHECK(place.image("a-region-derained.png").pixels == cropped(place.image("a-derained.png"), region).pixels);
  CHECK(place.image("part.png").pixels == cropped(place.image("rain.png"), region).pixels);
  CHECK(place.image("both-of-part.png").width == 2 * 40 + 3 * 4);
  CHECK(place.image("both.png").height == 230 + 2 * 4);
  CHECK_FALSE(place.image("a-derained.png").pixels == image.pixels);
}

TEST_CASE("nlcl-derain: an image that takes long tells how far it is, and is left when asked to", "[tools]") {
  const Workplace place;
  place.write("a.png", random_image(8, 8, 3));
  place.write("b.png", {4000, 2000, 1, std::vector<std::uint8_t>(8'000'000, 90)});
  const pid_t program = place.start("exec nlcl-derain a.png b.png -j 1");
  wait_until([&] { return fs::exists(place / "a-derained.png"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  kill(program, SIGINT);
  check_error(place.wait(program), 130, "stopped after 1 of 2 images");
  CHECK(place.names(".") == Names{"a.png", "a-derained.png", "b.png"});

  const Terminal terminal;
  if (!terminal.is_open()) {
    WARN("skipped: there are no terminals here");
    return;
  }
  const pid_t alone = place.start(text("exec nlcl-derain b.png -j 1 2>", terminal.name()));
  std::string said;
  wait_until([&] { return (said += terminal.read()).find(" left") != std::string::npos; });
  kill(alone, SIGINT);
  place.wait(alone);
  CHECK_THAT(said, Catch::StartsWith("\r\033[K") && Catch::Contains(" %, ") && !Catch::Contains("images"));
}
