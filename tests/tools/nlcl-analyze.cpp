#include <cmath>
#include <nlohmann/json.hpp>

#include "nlcl/analysis/compactness.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/discriminator.hpp"
#include "nlcl/model/generator.hpp"
#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;
using Json = nlohmann::json;

namespace {

// A wave with a little noise, and stripes with none that are added to it.
struct Scene {
  Image back{72, 90, 3, {}}, rain{72, 90, 3, {}}, rainy{72, 90, 3, {}};

  explicit Scene(std::uint64_t seed) {
    Random random(seed);
    const double tilt = random.uniform(0.1, 0.3);
    for (Index i = 0; i < 72; ++i)
      for (Index j = 0; j < 90; ++j) {
        const double y = static_cast<double>(i), x = static_cast<double>(j);
        const int streak = static_cast<int>(30 * (1 + std::sin(x + tilt * y)));
        const double wave = 80 + 30 * std::sin(y / 9 + x * x / 300) + 10 * std::sin(x / 5);
        for (int c = 0; c < 3; ++c) {
          const int value = static_cast<int>(wave + 4 * random.normal());
          back.pixels.push_back(static_cast<std::uint8_t>(value));
          rain.pixels.push_back(static_cast<std::uint8_t>(streak));
          rainy.pixels.push_back(static_cast<std::uint8_t>(value + streak));
        }
      }
  }
};

class Laboratory : public Workplace {
 public:
  Laboratory() {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      const Scene scene(seed);
      write(text("back/", seed, ".png"), scene.back);
      write(text("rain/", seed, ".png"), scene.rain);
      write(text("input/rainy-", seed, ".png"), scene.rainy);
    }
    Generator<float> generator;
    write_checkpoint(*this / "g.safetensors", state_of(generator));
  }
  Json json(const std::string& name) const { return Json::parse(content(name)); }
};

const std::string quick = "nlcl-analyze --groups 9 --count 40 --replicates 100 ";

}  // namespace

TEST_CASE("nlcl-analyze: folders of layers", "[tools]") {
  const Laboratory place;
  const std::string all =
      quick + "--back back --rain rain --points pixels,smooth:1,pca:0.9 --neighbors 5,10 ";
  const Run run = place(all + "--json a.json --plot a.svg --title 'Rain & shine' --matches a.png -j 1");
  INFO(run.err);
  REQUIRE(run.code == 0);
  CHECK(run.err == "");
  CHECK_THAT(run.out, Contains("Levina-Bickel") && Contains("TwoNN") && Contains("pixels, K = 5") &&
                          Contains("rain is more compact; weights 0.") && Contains("nearest mean"));

  const Json json = place.json("a.json");
  REQUIRE(json["conditions"].size() == 6);
  const Json first = json["conditions"][1];
  CHECK(first["points"] == "pixels");
  CHECK(first["neighbors"] == 10);
  CHECK(first["groups"] == 9);
  for (const std::string estimator : {"levina_bickel", "two_nn"})
    for (const std::string layer : {"background", "rain", "ratio"}) {
      const Json& e = first[estimator][layer];
      CHECK(e["low"].get<double>() <= e["value"].get<double>());
      CHECK(e["value"].get<double>() <= e["high"].get<double>());
    }
  CHECK(first["levina_bickel"]["ratio"]["high"] < 1);  // the noise is in the background alone
  CHECK(first["weights"][0].get<double>() + first["weights"][1].get<double>() == Approx(2));
  CHECK(first["separability"]["nearest_point"] > 0.7);
  CHECK_FALSE(json["conditions"][5].contains("separability"));
  CHECK_THAT(place.content("a.svg"),
             Catch::StartsWith("<svg") && Contains("smooth:1, K = 10") && Contains("Rain &amp; shine"));
  CHECK(place.image("a.png").height == 2 * 72 * (512 / 72));

  SECTION("the same for the same seed, on any number of threads") {
    CHECK(place(all + "--json b.json -j 3").out == run.out);
    CHECK(place.content("b.json") == place.content("a.json"));
    CHECK(place(all + "--seed 5").out != run.out);
  }
}

TEST_CASE("nlcl-analyze: the rain of rainy images", "[tools]") {
  const Laboratory place;
  SECTION("O - B, of pairs") {
    REQUIRE(place(quick + "--back back --input input --json a.json").code == 0);
    REQUIRE(place(quick + "--back back --rain rain --json b.json").code == 0);
    // The same values but for a factor, at the same places.
    CHECK(place.json("a.json")["conditions"][0]["levina_bickel"]["rain"]["value"].get<double>() ==
          Approx(place.json("b.json")["conditions"][0]["levina_bickel"]["rain"]["value"].get<double>())
              .epsilon(1e-3));
    place.write("input/rainy-4.png", Scene(4).rainy);
    const Run run = place(quick + "--back back --input input");
    CHECK(run.code == 1);
    CHECK(run.err == "nlcl-analyze: input/rainy-4.png: no image of this name in back\n");
    CHECK_THAT(run.out, Contains("pixels"));
  }
  SECTION("what nlcl-train measures") {
    REQUIRE(place("nlcl-analyze --back back --input input --local-mean --groups 24 --count 128 --json a.json")
                .code == 0);
    const Compactness measured =
        measure_compactness(ImageFolder(place / "input"), ImageFolder(place / "back"), 0);
    const Json found = place.json("a.json")["conditions"][0];
    CHECK(found["levina_bickel"]["background"]["value"].get<double>() ==
          Approx(measured.background_dimension).epsilon(1e-4));
    CHECK(found["levina_bickel"]["rain"]["value"].get<double>() ==
          Approx(measured.rain_dimension).epsilon(1e-4));
    CHECK(found["weights"][0].get<double>() == Approx(measured.weight[0]).epsilon(1e-4));
  }
  SECTION("of generators") {
    const Run run = place(quick +
                          "--input input --weights g.safetensors --rain-weights g.safetensors --json a.json "
                          "--points pixels,back:4,disc:0,disc:3 --matches a.png");
    INFO(run.err);
    REQUIRE(run.code == 0);
    // Both layers are one, and so are the draws.
    const Json json = place.json("a.json");
    for (const Json& condition : json["conditions"]) {
      CHECK(condition["levina_bickel"]["ratio"]["value"] == 1);
      CHECK(condition["levina_bickel"]["ratio"]["low"] == 1);
    }
    CHECK_THAT(run.out, Contains("undecided; weights 1.00 and 1.00"));
    CHECK(place(quick + "--input input --weights g.safetensors").code == 0);
  }
}

TEST_CASE("nlcl-analyze: features of a run's discriminator", "[tools]") {
  const Laboratory place;
  Random random(77);
  Discriminator<float> discriminator(random);
  StateFile state = state_of(discriminator);
  place.write("d.safetensors", to_safetensors_bytes(state));
  for (RawTensor& tensor : state.tensors) tensor.name = "D." + tensor.name;
  place.write("run.safetensors", to_safetensors_bytes(state));
  const std::string all = quick + "--back back --rain rain --points disc:1 ";
  const Run alone = place(all + "--discriminator d.safetensors");
  CHECK(alone.code == 0);
  CHECK(place(all + "--discriminator run.safetensors").out == alone.out);
  CHECK(place(all).out != alone.out);
}

TEST_CASE("nlcl-analyze: images that cannot be read, or show nothing", "[tools]") {
  const Laboratory place;
  place.write("back/2.png", place.content("back/2.png").substr(0, 99));
  place.write("rain/3.png", random_image(40, 40, 3));
  const Run run = place(quick + "--back back --rain rain --json a.json");
  CHECK(run.code == 1);
  CHECK_THAT(run.err, Catch::StartsWith("nlcl-analyze: back/2.png: ") && Catch::EndsWith("\n"));
  CHECK(std::ranges::count(run.err, '\n') == 1);
  // As many of both layers: what the missing image was to give comes from those after it.
  CHECK(place.json("a.json")["conditions"][0]["groups"] >= 6);

  place.write("flat/1.png", Image{72, 90, 3, std::vector<std::uint8_t>(72 * 90 * 3)});
  check_error(place(quick + "--back flat --rain rain"), 1,
              "pixels: no image of the background has a place with 40 distinct patches in 56 x 56 pixels");
}

TEST_CASE("nlcl-analyze: mistakes", "[tools]") {
  const Laboratory place;
  std::filesystem::create_directory(place / "empty");
  place.write("text", "this is no checkpoint");
  place.write("other/x.png", random_image(72, 90, 3));
  const std::string folders = "nlcl-analyze --back back --rain rain ";
  check_mistakes(
      place,
      {
          {"nlcl-analyze", 2, "expected --back, or --input and --weights"},
          {"nlcl-analyze --back back", 2, "no rain: expected --rain, or --input"},
          {"nlcl-analyze --rain rain", 2, "expected --back, or --input and --weights"},
          {"nlcl-analyze --back none --rain rain", 2, "--back: no such file or folder: none"},
          {"nlcl-analyze --back empty --rain rain", 2, "no images (.png, .jpg, .jpeg,"},
          {"nlcl-analyze --back other --input input", 2, "no image has the same name in input and other"},
          {"nlcl-analyze --weights text --rain rain", 2, "--weights requires --input"},
          {"nlcl-analyze -i input --weights text --rain rain", 2,
           "text: neither a PyTorch nor a safetensors"},
          {folders + "-i input --local-mean", 2, "excludes"},
          {folders + "-i input --rain-weights g.safetensors", 2, "excludes"},
          {folders + "--points colours", 2, "--points: colours, expected pixels, smooth:0.1 to smooth:20"},
          {folders + "--points smooth:0", 2, "--points: smooth:0, expected"},
          {folders + "--points pixels,back:18", 2, "--points: back:18, expected"},
          {folders + "--points disc:1.5", 2, "--points: disc:1.5, expected"},
          {folders + "--points back:4", 2, "back:4 needs the weights of a generator"},
          {folders + "--points back:4 --features none", 2, "cannot read none: No such file"},
          {folders + "--points disc:1 --discriminator g.safetensors", 2,
           "g.safetensors: checkpoint: no tensor"},
          {folders + "--neighbors 64", 2, "200 groups of 64 points and 64 neighbours, expected"},
          {folders + "--neighbors 1", 2, "--neighbors: expected a whole number from 2 to 1000, is 1"},
          {folders + "--patch 15", 2, "patch 15 and window 40, expected even sides"},
          {folders + "--apart 0", 2, "--apart: expected a whole number from 1 to 100, is 0"},
          {folders + "--plot a.png", 2, "a.png: the name ends in '.png', expected .svg"},
          {folders + "--title a", 2, "--title requires --plot"},
          {folders + "--matches a.svg", 2, "a.svg: the name ends in '.svg', expected .png"},
          {folders + "--json empty", 2, "empty is a folder, expected a file"},
          {folders + "--json none/a.json", 2, "cannot write to the folder none"},
          {folders + "--device cuda:0", 3, "cuda:0 is not available"},
      });
}
