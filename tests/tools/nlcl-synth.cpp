#include "nlcl/io/image.hpp"
#include "nlcl/synth/rain.hpp"
#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;

namespace {

double brightness(const Image& image) {
  double sum = 0;
  for (const std::uint8_t level : image.pixels) sum += level;
  return sum / static_cast<double>(image.pixels.size());
}

}  // namespace

TEST_CASE("nlcl-synth: one image", "[tools]") {
  const Workplace studio;
  const Image image = random_image(60, 90, 3);
  studio.write("a.png", image);

  SECTION("rainy, clean and the rain, which add up") {
    check_silent(studio("nlcl-synth -i a.png -o rainy.png --clean clean.png --rain rain.png --veil 0"));
    CHECK(studio.names(".") == Names{"a.png", "clean.png", "rain.png", "rainy.png"});
    CHECK(studio.image("clean.png").pixels == image.pixels);
    const std::vector<std::uint8_t> rainy = studio.image("rainy.png").pixels,
                                    rain = studio.image("rain.png").pixels;
    REQUIRE(rain.size() == 60 * 90);
    int wrong = 0;
    for (std::size_t i = 0; i < rainy.size(); ++i)
      wrong += rainy[i] != std::min(255, image.pixels[i] + rain[i / 3]);
    CHECK(wrong == 0);
    CHECK(std::ranges::max(rain) > 50);
  }
  SECTION("the same for any number of threads, another for another seed") {
    check_silent(studio("nlcl-synth -i a.png -o b.png"));
    for (const char* options : {"--seed 0", "-j 1", "--threads 3 --quiet", "--preset medium --veil 0.1"}) {
      check_silent(studio(text("nlcl-synth -i a.png -o c.png ", options)));
      CHECK(studio.content("b.png") == studio.content("c.png"));
    }
    for (const char* options :
         {"--seed 1", "--vary", "--angle -20", "--veil 0", "--depth 3", "--density 9000"}) {
      check_silent(studio(text("nlcl-synth -i a.png -o c.png ", options)));
      CHECK(studio.content("b.png") != studio.content("c.png"));
    }
  }
  SECTION("more of it") {
    const auto rain = [&](const std::string& options) {
      check_silent(studio("nlcl-synth -i a.png --rain rain.png " + options));
      return brightness(studio.image("rain.png"));
    };
    CHECK(rain("--preset light") < rain("--preset medium"));
    CHECK(rain("--preset medium") < rain("--preset heavy"));
    CHECK(rain("--preset light --density 40000") > rain("--preset light"));
    CHECK(rain("--density 40000 --preset light") > rain("--preset light"));
    CHECK(rain("--density 0") == 0);
  }
  SECTION("in any weather") {
    check_silent(studio("nlcl-synth -i a.png -o b.png --clean c.png --preset weather --seed 3"));
    check_silent(studio("nlcl-synth -i a.png -o again.png --preset weather --seed 3 -j 1"));
    CHECK(studio.content("b.png") == studio.content("again.png"));
    CHECK(studio.content("b.png") != studio.content("c.png"));
    CHECK(studio.image("c.png").pixels == studio.image("a.png").pixels);
    for (const char* options : {"--rain r.png", "--angle 3", "--vary"})
      CHECK(studio(text("nlcl-synth -i a.png -o d.png --preset weather ", options)).code == 2);
    CHECK_FALSE(std::filesystem::exists(studio / "d.png"));
  }
  SECTION("in the format of its name") {
    studio.write("alpha.png", random_image(9, 9, 4));
    check_silent(studio("nlcl-synth -i alpha.png -o b.JPG --clean c.png"));
    CHECK(studio.content("b.JPG").starts_with("\xff\xd8\xff"));
    CHECK(studio.image("b.JPG").channels == 3);
    CHECK(studio.image("c.png").channels == 4);
  }
}

TEST_CASE("nlcl-synth: a folder", "[tools]") {
  const Workplace studio;
  const Image image = random_image(30, 40, 3);
  studio.write("in/one.PNG", image);
  studio.write("in/two.jpg", encode_jpeg(image));
  studio.write("in/three.v2.png", random_image(20, 20, 1));
  studio.write("in/notes.txt", "no image");
  studio.write("in/sub/four.png", image);
  const Names results{"one.png", "three.v2.png", "two.png"};

  SECTION("all images of it, and no others") {
    check_silent(studio("nlcl-synth -i in -o new/rainy --clean clean --rain rain"));
    for (const char* folder : {"new/rainy", "clean", "rain"}) CHECK(studio.names(folder) == results);
    CHECK(studio.image("clean/one.png").pixels == image.pixels);
    CHECK(studio.image("rain/one.png").pixels != studio.image("rain/two.png").pixels);
    CHECK(studio.image("new/rainy/three.v2.png").channels == 1);
  }
  SECTION("an image's rain has nothing to do with the others") {
    check_silent(studio("nlcl-synth -i in -o before --vary"));
    studio.write("in/a.png", image);
    fs::remove(studio / "in/two.jpg");
    check_silent(studio("nlcl-synth -i in -o after --vary"));
    CHECK(studio.content("before/one.png") == studio.content("after/one.png"));
    CHECK(studio.content("before/three.v2.png") == studio.content("after/three.v2.png"));
    check_silent(studio("nlcl-synth -i in/one.PNG -o alone.png --vary"));
    CHECK(studio.content("before/one.png") == studio.content("alone.png"));
  }
  SECTION("the broken ones are named, the others done") {
    studio.write("in/apart.png", studio.content("in/one.PNG").substr(0, 99));
    const Run run = studio("nlcl-synth -i in -o out");
    CHECK(run.code == 1);
    CHECK(run.out == "");
    CHECK_THAT(run.err, Catch::Matches("nlcl-synth: in/apart\\.png: png: .*\n"));
    CHECK(studio.names("out") == results);
  }
  SECTION("two that would have one name") {
    studio.write("in/two.png", image);
    check_error(studio("nlcl-synth -i in -o out"), 2,
                "in/two.jpg and in/two.png would be written to out/two.png");
    CHECK_FALSE(fs::exists(studio / "out"));
  }
}

TEST_CASE("nlcl-synth: any rain, another for each image", "[tools]") {
  const Workplace studio;
  for (const char* name : {"in/a.png", "in/b.png"})
    studio.write(name, Image{64, 64, 1, std::vector<std::uint8_t>(4096)});
  check_silent(studio("nlcl-synth -i in --rain any --preset any --seed 1 --quiet"));
  CHECK(studio.content("any/a.png") != studio.content("any/b.png"));
  check_silent(
      studio("nlcl-synth -i in --rain dry --preset any --brightness 0 --quiet"));  // what is given holds
  CHECK(studio.image("dry/b.png").pixels == std::vector<std::uint8_t>(4096));
}

TEST_CASE("nlcl-synth: shrinks by a whole factor", "[tools]") {
  const Workplace studio;
  studio.write("a.png", {2, 5, 1, {0, 2, 10, 20, 99, 4, 6, 30, 41, 99}});
  check_silent(studio("nlcl-synth -i a.png --clean b.png --shrink 3"));
  CHECK(studio.image("b.png").width == 2);
  CHECK(studio.image("b.png").pixels == std::vector<std::uint8_t>{3, 25});
  check_silent(studio("nlcl-synth -i a.png --clean b.png --shrink 5"));
  CHECK(studio.image("b.png").pixels == studio.image("a.png").pixels);
  check_error(studio("nlcl-synth -i a.png --clean b.png --shrink 1"), 1,
              "a.png: 2 x 5 pixels cannot be shrunk by 5");

  studio.write("colour.png", random_image(400, 1000, 3));
  check_silent(studio("nlcl-synth -i colour.png -o b.png --clean c.png --shrink 300"));
  CHECK(studio.image("b.png").height == 100);
  CHECK(studio.image("c.png").width == 250);
}

TEST_CASE("nlcl-synth: mistakes", "[tools]") {
  const Workplace studio;
  studio.write("a.png", random_image(4, 5, 3));
  studio.write("folder/a.png", random_image(4, 5, 3));
  studio.write("text.jpg", "this is no image");
  fs::create_directory(studio / "empty");
  const std::string a = "nlcl-synth -i a.png ", folder = "nlcl-synth -i folder ";
  check_mistakes(
      studio, {
                  {"nlcl-synth", 2, "--input is required"},
                  {a, 2, "nothing to write: expected --output, --clean or --rain"},
                  {a + "-o b.png --heavy", 2, "--heavy"},
                  {"nlcl-synth -i none.png -o b.png", 2, "no such file or folder: none.png"},
                  {a + "-o b.gif", 2, "b.gif: the name ends in '.gif'"},
                  {a + "-o b.png --rain r", 2, "r: the name ends in ''"},
                  {a + "-o none/b.png", 2, "cannot write to the folder none: No such file"},
                  {a + "-o folder", 2, "a.png is a file and folder is a folder"},
                  {folder + "-o a.png", 2, "folder is a folder and a.png is not"},
                  {folder + "-o out --rain new.png", 2, "folder is a folder and new.png is not"},
                  {folder + "-o /proc/out", 2, "cannot write to the folder /proc/out"},
                  {"nlcl-synth -i empty -o out", 2, "no images (.png, .jpg, .jpeg,"},
                  {a + "-o a.png", 2, "a.png would overwrite an input"},
                  {folder + "-o out --clean folder", 2, "folder/a.png would overwrite an input"},
                  {a + "-o b.png --clean ./b.png", 2, "several results of a.png would be written to ./b.png"},
                  {a + "-o b.png --preset hail", 2,
                   "--preset: expected light, medium, heavy, any or weather, is hail"},
                  {a + "-o b.png --angle 61", 2, "--angle: expected a number from -60 to 60, is 61"},
                  {a + "-o b.png --veil 1.1", 2, "--veil: expected a number from 0 to 1, is 1.1"},
                  {a + "-o b.png --density many", 2, "--density"},
                  {a + "-o b.png --shrink 0", 2, "--shrink: expected a whole number from 1 to 16384, is 0"},
                  {a + "-o b.png -j 0", 2, "--threads: expected a whole number from 1 to 1024, is 0"},
                  {"nlcl-synth -i text.jpg -o b.png", 1, "text.jpg: image: neither PNG, JPEG,"},
              });
}
