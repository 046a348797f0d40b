#include <sys/stat.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "nlcl/analysis/colour_shift.hpp"
#include "nlcl/analysis/metrics.hpp"
#include "nlcl/analysis/niqe.hpp"
#include "nlcl/analysis/rain_left.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator.hpp"
#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;
using Catch::Contains;
using Json = nlohmann::json;

namespace {

// Nearer to the truth the less of the other there is.
Image mixed(const Image& truth, int percent) {
  Image image = random_image(truth.height, truth.width, truth.channels, 99);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] =
        static_cast<std::uint8_t>((image.pixels[i] * percent + truth.pixels[i] * (100 - percent) + 50) / 100);
  return image;
}

// The two programs may have been compiled to round differently.
Approx near(double value) { return Approx(value).epsilon(0).margin(1e-9); }

class Court : public Workplace {
 public:
  Json json(const std::string& name) const { return Json::parse(content(name)); }

  // The fields of each line.
  std::vector<std::vector<std::string>> csv(const std::string& name) const {
    std::vector<std::vector<std::string>> lines;
    std::istringstream in(content(name));
    for (std::string line; std::getline(in, line);) {
      std::istringstream fields(line);
      lines.emplace_back();
      for (std::string field; std::getline(fields, field, ',');) lines.back().push_back(field);
    }
    return lines;
  }
};

void check_values(const Json& found, const Quality& expected) {
  CHECK(found.size() == quality_table.size());
  for (const QualityInfo& info : quality_table) {
    INFO(info.name);
    if (std::isinf(expected.*info.value))
      CHECK(found.at(info.name).is_null());
    else
      CHECK(found.at(info.name).get<double>() == near(expected.*info.value));
  }
}

// One line of the table from its words.
std::string row(const std::string& name, const Quality& q) {
  char numbers[99];
  std::snprintf(numbers, sizeof numbers, " +%.2f +%.4f +%.2f +%.4f", q.psnr, q.ssim, q.psnr_y, q.ssim_y);
  return name + numbers;
}

// As many spaces as there are between two words become one.
std::string squeezed(const std::string& table) {
  std::string result;
  for (const char c : table)
    if (c != ' ' || (!result.empty() && result.back() != ' ' && result.back() != '\n')) result += c;
  return result;
}

std::string without_plus(std::string row) {
  std::erase(row, '+');
  return row;
}

}  // namespace

TEST_CASE("nlcl-eval: one image", "[tools]") {
  const Court court;
  const Image truth = random_image(20, 30, 3), result = mixed(truth, 30), input = mixed(truth, 60);
  court.write("truth.png", truth);
  court.write("result.png", result);
  court.write("input.png", input);
  const Quality expected = quality(result, truth), rainy = quality(input, truth);

  SECTION("its numbers") {
    const Run run = court("nlcl-eval --result result.png --truth truth.png --csv a.csv --json a.json");
    CHECK(run.code == 0);
    CHECK(run.err == "");
    CHECK(squeezed(run.out) ==
          "image PSNR SSIM PSNR Y SSIM Y\n" + without_plus(row("result", expected)) + '\n');
    CHECK(court.names(".") == Names{"truth.png", "result.png", "input.png", "a.csv", "a.json"});

    const Json json = court.json("a.json");
    REQUIRE(json.at("images").size() == 1);
    CHECK(json["images"][0].at("image") == "result");
    check_values(json["images"][0].at("result"), expected);
    CHECK_FALSE(json["images"][0].contains("input"));
    check_values(json.at("mean").at("result"), expected);
    CHECK(json.at("failed").empty());

    const auto csv = court.csv("a.csv");
    REQUIRE(csv.size() == 3);
    CHECK(csv[0] == std::vector<std::string>{"image", "psnr", "ssim", "psnr_y", "ssim_y"});
    CHECK(csv[1][0] == "result");
    CHECK(csv[2][0] == "mean");
    for (std::size_t i = 0; i < quality_table.size(); ++i) {
      CHECK(std::stod(csv[1].at(i + 1)) == near(expected.*quality_table[i].value));
      CHECK(csv[1][i + 1] == csv[2].at(i + 1));
    }
  }
  SECTION("and the gain") {
    const Run run = court("nlcl-eval -r result.png -t truth.png -i input.png --csv a.csv --json a.json -j 1");
    CHECK(run.code == 0);
    CHECK(run.err == "");
    const Quality gain{expected.psnr - rainy.psnr, expected.ssim - rainy.ssim, expected.psnr_y - rainy.psnr_y,
                       expected.ssim_y - rainy.ssim_y};
    CHECK(gain.psnr > 3);
    CHECK(squeezed(run.out) == "result input\nimage PSNR SSIM PSNR Y SSIM Y PSNR SSIM PSNR Y SSIM Y\n" +
                                   without_plus(row("result", expected) + row("", rainy)) + '\n' +
                                   row("gain", gain) + '\n');
    const Json json = court.json("a.json");
    check_values(json["images"][0].at("input"), rainy);
    check_values(json["mean"].at("input"), rainy);
    check_values(json.at("gain"), gain);
    const auto csv = court.csv("a.csv");
    REQUIRE(csv[0].size() == 9);
    CHECK(csv[0][5] == "input_psnr");
    CHECK(csv[0][8] == "input_ssim_y");
    CHECK(std::stod(csv[1][1]) == near(expected.psnr));
    CHECK(std::stod(csv[1][5]) == near(rainy.psnr));
  }
  SECTION("equal to its truth") {
    const Run run =
        court("nlcl-eval -r truth.png -t truth.png -i input.png --csv a.csv --json a.json --quiet");
    CHECK(run.code == 0);
    CHECK_THAT(squeezed(run.out), Contains("truth inf 1.0000 inf 1.0000 "));
    CHECK_THAT(squeezed(run.out), Contains("gain +inf +0."));
    CHECK(court.json("a.json")["images"][0]["result"]["psnr"].is_null());
    CHECK(court.csv("a.csv")[1][1] == "inf");
  }
  SECTION("grey is judged as colour, and alpha is not") {
    court.write("rgba.png", with_alpha_of(result, random_image(20, 30, 4)));
    check_values((court("nlcl-eval -r rgba.png -t truth.png --json a.json"),
                  court.json("a.json")["images"][0]["result"]),
                 expected);
    const Image grey = to_grey(truth);
    court.write("grey.png", grey);
    Image colour{20, 30, 3, {}};
    for (const std::uint8_t level : grey.pixels) colour.pixels.insert(colour.pixels.end(), 3, level);
    check_values((court("nlcl-eval -r grey.png -t truth.png --json a.json"),
                  court.json("a.json")["images"][0]["result"]),
                 quality(colour, truth));
  }
}

TEST_CASE("nlcl-eval: folders", "[tools]") {
  const Court court;
  std::vector<Quality> results, inputs;
  for (const int i : {0, 1, 2}) {
    const Image truth = random_image(12 + i, 30, 3, static_cast<std::uint64_t>(i));
    const Image result = mixed(truth, 10 + 10 * i), input = mixed(truth, 80);
    const std::string name = std::vector<std::string>{"a", "b,\"b\"", "c.v2"}[static_cast<std::size_t>(i)];
    court.write("truth/" + name + ".png", truth);
    court.write("result/" + name + (i == 1 ? ".PNG" : ".png"), result);
    court.write("input/" + name + ".png", input);
    results.push_back(quality(result, truth));
    inputs.push_back(quality(input, truth));
  }
  const std::string all = "nlcl-eval --result result --truth truth --input input --json a.json --csv a.csv ";

  SECTION("each image and the mean") {
    const Run run = court(all);
    CHECK(run.code == 0);
    CHECK(run.err == "");
    const std::string table = squeezed(run.out);
    for (std::size_t i = 0; i < 3; ++i)
      CHECK_THAT(table, Contains(without_plus(row("", results[i]) + row("", inputs[i])) + '\n'));
    CHECK_THAT(table, Contains("mean" + without_plus(row("", mean_quality(results))) +
                               without_plus(row("", mean_quality(inputs))) + '\n'));
    const Json json = court.json("a.json");
    REQUIRE(json["images"].size() == 3);
    CHECK(json["images"][1]["image"] == "b,\"b\"");
    CHECK(json["images"][2]["image"] == "c.v2");
    for (std::size_t i = 0; i < 3; ++i) {
      check_values(json["images"][i]["result"], results[i]);
      check_values(json["images"][i]["input"], inputs[i]);
    }
    check_values(json["mean"]["result"], mean_quality(results));
    check_values(json["mean"]["input"], mean_quality(inputs));
    CHECK(json["gain"]["ssim"].get<double>() == near(mean_quality(results).ssim - mean_quality(inputs).ssim));
    CHECK_THAT(court.content("a.csv"),
               Contains("\n\"b,\"\"b\"\"\"," + json["images"][1]["result"]["psnr"].dump()));
    CHECK(court.csv("a.csv").size() == 5);
    CHECK(std::stod(court.csv("a.csv")[4][1]) == near(mean_quality(results).psnr));
  }
  SECTION("one that is equal to its truth") {
    fs::copy(court / "truth/a.png", court / "result/a.png", fs::copy_options::overwrite_existing);
    const Run run = court(all);
    CHECK(run.code == 0);
    CHECK_THAT(run.out, Contains("\n1 of 3 images equal to the truth, and left out of the mean PSNR\n"));
    const Json json = court.json("a.json");
    CHECK(json["images"][0]["result"]["psnr"].is_null());
    CHECK(json["mean"]["result"]["psnr"].get<double>() == near((results[1].psnr + results[2].psnr) / 2));
    CHECK(json["mean"]["input"]["psnr"].get<double>() == near(mean_quality(inputs).psnr));
    CHECK(json["gain"]["psnr"].get<double>() ==
          near((results[1].psnr - inputs[1].psnr + results[2].psnr - inputs[2].psnr) / 2));
  }
  SECTION("images without a partner are named, the others judged") {
    fs::remove(court / "truth/a.png");
    court.write("result/d.png", random_image(12, 12, 3));
    const Run run = court(all);
    CHECK(run.code == 1);
    CHECK(run.err ==
          "nlcl-eval: result/a.png: no image of this name in truth\n"
          "nlcl-eval: result/d.png: no image of this name in truth and input\n");
    const Json json = court.json("a.json");
    REQUIRE(json["images"].size() == 2);
    check_values(json["images"][0]["result"], results[1]);
    REQUIRE(json["failed"].size() == 2);
    CHECK(json["failed"][0]["image"] == "a");
    CHECK(json["failed"][0]["reason"] == "result/a.png: no image of this name in truth");
  }
  SECTION("images of other sizes, too small, or damaged") {
    court.write("result/a.png", random_image(12, 29, 3));
    court.write("input/c.v2.png", court.content("input/c.v2.png").substr(0, 99));
    court.write("truth/small.png", random_image(10, 30, 3));
    court.write("result/small.png", random_image(10, 30, 3));
    court.write("input/small.png", random_image(10, 30, 3));
    const Run run = court(all);
    CHECK(run.code == 1);
    CHECK_THAT(
        run.err,
        Catch::Matches("nlcl-eval: result/a\\.png: 12 x 29 pixels, truth/a\\.png has 12 x 30\n"
                       "nlcl-eval: input/c\\.v2\\.png: png: .*\n"
                       "nlcl-eval: result/small\\.png: ssim: 10 x 30 pixels, expected at least 11 x 11\n"));
    const Json json = court.json("a.json");
    REQUIRE(json["images"].size() == 1);
    check_values(json["images"][0]["result"], results[1]);
    CHECK(json["failed"].size() == 3);
  }
  SECTION("none that can be judged") {
    for (const char* name : {"a", "b,\"b\"", "c.v2"})
      court.write(text("input/", name, ".png"), random_image(40, 40, 3));
    const Run run = court(all);
    CHECK(run.code == 1);
    CHECK(run.out == "");
    CHECK(court.names(".") == Names{"truth", "result", "input"});
  }
}

TEST_CASE("nlcl-eval: takes the rain off first", "[tools]") {
  const Court court;
  Generator<float> generator(Random(1));
  write_checkpoint(court / "back.safetensors", state_of(generator));
  for (const char* name : {"a", "b"}) {
    court.write(text("truth/", name, ".png"), random_image(14, 18, 3, 1));
    court.write(text("input/", name, ".png"), random_image(14, 18, *name == 'a' ? 3 : 2, 2));
  }
  check_silent(court("nlcl-derain -i input -o result -w back.safetensors"));
  const Run judged = court("nlcl-eval --result result --input input --truth truth --csv a.csv --sheet a.png");
  const Run derained =
      court("nlcl-eval --weights back.safetensors --input input --truth truth --csv b.csv --sheet b.png");
  CHECK(derained.code == 0);
  CHECK(derained.err == "");
  CHECK(derained.out == judged.out);
  CHECK(court.content("a.csv") == court.content("b.csv"));
  CHECK(court.content("a.png") == court.content("b.png"));
}

TEST_CASE("nlcl-eval: the sheet", "[tools]") {
  const Court court;
  const Image truth = random_image(20, 32, 3), result = mixed(truth, 30), input = mixed(truth, 60);
  for (const char* name : {"a", "b", "c"}) {
    court.write(text("truth/", name, ".png"), truth);
    court.write(text("result/", name, ".png"), result);
    court.write(text("input/", name, ".png"), input);
  }
  const auto check_picture = [](const Image& sheet, Index top, Index left, const Image& expected) {
    Index wrong = 0;
    for (Index y = 0; y < expected.height; ++y)
      for (Index x = 0; x < 3 * expected.width; ++x)
        wrong += sheet.pixels[static_cast<std::size_t>(((top + y) * sheet.width + left) * 3 + x)] !=
                 expected.pixels[static_cast<std::size_t>(y * expected.width * 3 + x)];
    CHECK(wrong == 0);
  };
  Image error = truth;
  for (std::size_t i = 0; i < error.pixels.size(); ++i)
    error.pixels[i] =
        static_cast<std::uint8_t>(std::min(255, 4 * std::abs(result.pixels[i] - truth.pixels[i])));

  SECTION("input, result, truth and error, a row per image") {
    CHECK(court("nlcl-eval -r result -t truth -i input --sheet sheet.png --rows 2").code == 0);
    const Image sheet = court.image("sheet.png");
    REQUIRE(sheet.width == 4 + 4 * 36);
    REQUIRE(sheet.height == 4 + 2 * 24);
    for (const Index top : {4, 28}) {
      check_picture(sheet, top, 4, input);
      check_picture(sheet, top, 40, result);
      check_picture(sheet, top, 76, truth);
      check_picture(sheet, top, 112, error);
    }
    CHECK(sheet.pixels[0] == 255);
  }
  SECTION("without the input") {
    CHECK(court("nlcl-eval -r result -t truth --sheet sheet.JPG").code == 0);
    CHECK(court.content("sheet.JPG").starts_with("\xff\xd8\xff"));
    CHECK(court.image("sheet.JPG").width == 4 + 3 * 36);
    CHECK(court.image("sheet.JPG").height == 4 + 3 * 24);
  }
  SECTION("smaller") {
    CHECK(court("nlcl-eval -r result/a.png -t truth/a.png --sheet sheet.png --width 16").code == 0);
    const Image sheet = court.image("sheet.png");
    REQUIRE(sheet.width == 4 + 3 * 20);
    REQUIRE(sheet.height == 4 + 14);
    Image half{10, 16, 3, {}};  // the mean of 2 x 2 pixels
    for (Index y = 0; y < 10; ++y)
      for (Index x = 0; x < 16; ++x)
        for (Index c = 0; c < 3; ++c) {
          const auto at = [&](Index i, Index j) {
            return static_cast<int>(
                result.pixels[static_cast<std::size_t>(((2 * y + i) * 32 + 2 * x + j) * 3 + c)]);
          };
          half.pixels.push_back(
              static_cast<std::uint8_t>((at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1) + 2) / 4));
        }
    check_picture(sheet, 4, 4, half);
  }
}

TEST_CASE("nlcl-eval: NIQE", "[tools]") {
  const Court court;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    // Noise with edges in it: no photograph, but it has all features.
    Image image = random_image(100, 200, 3, seed);
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
      image.pixels[i] = static_cast<std::uint8_t>(image.pixels[i] / 2 + (i / 60 % 2 == 0 ? 0 : 90));
    court.write(text("good/", seed, ".png"), image);
    court.write(text("input/rain-", seed, ".png"), mixed(image, 50));
  }
  const Run fitted = court("nlcl-eval --fit-niqe good -o model");
  CHECK(fitted.code == 0);
  CHECK(fitted.out == "");
  CHECK_THAT(fitted.err, Contains("3 photographs, ") && Contains(" sharp blocks"));
  const NiqeModel model = read_niqe_model(court / "model");
  const auto expected = [&](const std::string& name) { return niqe(court.image(name), model); };

  SECTION("without a truth") {
    const Run run = court("nlcl-eval -r good -i input --niqe model --json a.json --csv a.csv --sheet a.png");
    INFO(run.err);
    CHECK(run.code == 0);
    CHECK_THAT(squeezed(run.out), Catch::StartsWith("result input\nimage NIQE NIQE\n1 ") &&
                                      Contains("\nmean ") && Contains("\ngain -"));
    const Json json = court.json("a.json");
    REQUIRE(json["images"].size() == 3);
    CHECK(json["images"][1]["result"].size() == 1);
    CHECK(json["images"][1]["result"]["niqe"].get<double>() == Approx(expected("good/2.png")).epsilon(1e-6));
    CHECK(json["images"][1]["input"]["niqe"].get<double>() ==
          Approx(expected("input/rain-2.png")).epsilon(1e-6));
    CHECK(court.csv("a.csv")[0] == std::vector<std::string>{"image", "niqe", "input_niqe"});
    CHECK(court.image("a.png").width == 4 + 2 * 204);  // input and result, and no error
  }
  SECTION("beside a truth") {
    const Run run = court("nlcl-eval -r input/rain-1.png -t good/1.png --niqe model --json a.json");
    CHECK(run.code == 0);
    CHECK_THAT(squeezed(run.out), Catch::StartsWith("image PSNR SSIM PSNR Y SSIM Y NIQE\nrain-1 "));
    const Json values = court.json("a.json")["images"][0]["result"];
    CHECK(values["psnr"].get<double>() ==
          near(psnr(court.image("input/rain-1.png"), court.image("good/1.png"))));
    CHECK(values["niqe"].get<double>() == Approx(expected("input/rain-1.png")).epsilon(1e-6));
  }
  SECTION("an image that is too small, or of another size") {
    court.write("good/2.png", random_image(95, 200, 3));
    const Run run = court("nlcl-eval -r good --niqe model");
    CHECK(run.code == 1);
    CHECK(run.err == "nlcl-eval: good/2.png: niqe: 95 x 200 pixels, expected at least 96 x 96\n");
    CHECK_THAT(court("nlcl-eval -r good -i input --niqe model").err,
               Contains("good/2.png: 95 x 200 pixels, input/rain-2.png has 100 x 200"));
  }
}

TEST_CASE("nlcl-eval: the rain that is left", "[tools]") {
  const Court court;
  for (const std::string name : {"1", "2"}) {
    court.write("result/" + name + ".png", random_image(40, 48, 3, 1));
    court.write("input/" + name + ".png", random_image(40, 48, 3, 2));
  }
  const double rain = rain_left(court.image("result/1.png"));
  const double shift = colour_shift(court.image("result/1.png"), court.image("input/1.png"));

  SECTION("beside the input") {
    const Run run = court("nlcl-eval -r result -i input --rain-left --json a.json --csv a.csv");
    INFO(run.err);
    CHECK(run.code == 0);
    CHECK_THAT(squeezed(run.out), Catch::StartsWith("result input\nimage rain shift rain shift\n1 "));
    const Json json = court.json("a.json");
    CHECK(json["images"][0]["result"]["rain_left"].get<double>() == Approx(rain));
    CHECK(json["mean"]["result"]["colour_shift"].get<double>() == Approx(shift));
    CHECK(json["mean"]["input"]["colour_shift"] == 0);
    CHECK(court.csv("a.csv")[0] == std::vector<std::string>{"image", "rain_left", "colour_shift",
                                                            "input_rain_left", "input_colour_shift"});
  }
  SECTION("alone") {
    const Run run = court("nlcl-eval -r result/1.png --rain-left --json a.json");
    CHECK(run.code == 0);
    const Json values = court.json("a.json")["images"][0]["result"];
    CHECK(values.size() == 1);
    CHECK(values["rain_left"].get<double>() == Approx(rain));
  }
  SECTION("an image that is too small") {
    court.write("result/2.png", random_image(31, 48, 3));
    const Run run = court("nlcl-eval -r result --rain-left");
    CHECK(run.code == 1);
    CHECK(run.err == "nlcl-eval: result/2.png: rain_left: 31 x 48 pixels, expected at least 32 x 32\n");
  }
}

TEST_CASE("nlcl-eval: names of one scene", "[tools]") {
  const Court court;
  const auto write = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) court.write(name, random_image(12, 12, 3, 1));
  };
  const auto names = [&](const std::string& command) {
    const Run run = court(command + " --json a.json");
    std::vector<std::string> found;
    const Json json = court.json("a.json");
    for (const Json& image : json["images"]) found.push_back(image["image"]);
    return std::pair(found, run.err);
  };
  using Found = std::pair<std::vector<std::string>, std::string>;

  SECTION("of one scene") {
    write({"result/rain-001.png", "result/002_derained.png", "result/City3.rainy.png", "result/x.png"});
    write({"truth/norain-001.png", "truth/002_GT.png", "truth/city3.png", "truth/x.png"});
    CHECK(names("nlcl-eval -r result -t truth") ==
          Found{{"002_derained", "City3.rainy", "rain-001", "x"}, ""});
  }
  SECTION("the same name comes first") {
    write({"result/1.png", "result/rain-1.png", "truth/1.png", "truth/norain-1.png"});
    CHECK(names("nlcl-eval -r result -t truth") == Found{{"1", "rain-1"}, ""});
  }
  SECTION("three folders") {
    write({"result/1.png", "truth/norain-1.png", "input/rain-1.png"});
    CHECK(names("nlcl-eval -r result -t truth -i input") == Found{{"1"}, ""});
  }
  SECTION("not if it could be another") {
    write({"result/1.png", "result/2.png", "truth/rain-1.png", "truth/norain-1.png", "truth/2.png"});
    CHECK(
        names("nlcl-eval -r result -t truth") ==
        Found{{"2"},
              "nlcl-eval: result/1.png: truth/norain-1.png and truth/rain-1.png could both belong to it\n"});
  }
  SECTION("two of a scene that is nowhere else") {
    write({"result/1.png", "truth/1.png", "truth/norain-7.png", "truth/rain-7.png"});
    CHECK(names("nlcl-eval -r result -t truth") ==
          Found{{"1"},
                "nlcl-eval: truth/norain-7.png: no image of this name in result\n"
                "nlcl-eval: truth/rain-7.png: no image of this name in result\n"});
  }
  SECTION("another number is another scene, and so are names of such words alone") {
    write({"result/rain-1.png", "result/rain.png", "result/same.png"});
    write({"truth/norain-11.png", "truth/norain.png", "truth/same.png"});
    const auto [found, err] = names("nlcl-eval -r result -t truth");
    CHECK(found == std::vector<std::string>{"same"});
    CHECK(std::ranges::count(err, '\n') == 4);
  }
}

TEST_CASE("nlcl-eval: the sets of rainy images and their truth", "[tools]") {
  const fs::path data = shared_path("data");
  if (!fs::exists(data)) {
    WARN("skipped: " << data.string() << " is not here");
    return;
  }
  const Court court;
  for (const auto& [set, count] : {std::pair("rain100l", 34), {"rain12", 12}, {"raincityscapes", 14}}) {
    const fs::path folder = data / set / "validation";
    const Run run = court(text("nlcl-eval -r '", (folder / "rainy").string(), "' -t '",
                               (folder / "clean").string(), "' --json a.json --quiet"));
    CHECK(run.code == 0);
    CHECK(run.err == "");
    CHECK(court.json("a.json")["images"].size() == static_cast<std::size_t>(count));
  }
}

TEST_CASE("nlcl-eval: an interrupt ends with what is known", "[tools]") {
  const Court court;
  for (const char* name : {"a", "b", "c"}) {
    court.write(text("truth/", name, ".png"), random_image(12, 12, 3));
    court.write(text("result/", name, ".png"), random_image(12, 12, 3, 1));
  }
  // The program waits for the second image until it is written here.
  const std::string second = court.content("result/b.png");
  fs::remove(court / "result/b.png");
  REQUIRE(mkfifo((court / "result/b.png").c_str(), 0600) == 0);
  const pid_t program = court.start("exec nlcl-eval -r result -t truth --csv a.csv");
  {
    std::ofstream pipe(court / "result/b.png", std::ios::binary);
    kill(program, SIGINT);
    pipe << second;
  }
  const Run run = court.wait(program);
  CHECK(run.code == 130);
  CHECK(run.err == "nlcl-eval: stopped after 2 of 3 images\n");
  CHECK_THAT(run.out, Contains("\na ") && Contains("\nb ") && Contains("\nmean ") && !Contains("\nc "));
  CHECK(court.csv("a.csv").size() == 4);
}

TEST_CASE("nlcl-eval: mistakes", "[tools]") {
  const Court court;
  court.write("a.png", random_image(12, 13, 3));
  court.write("folder/a.png", random_image(12, 13, 3));
  court.write("other/b.png", random_image(12, 13, 3));
  court.write("twice/a.png", random_image(12, 13, 3));
  court.write("twice/a.jpg", encode_jpeg(random_image(12, 13, 3)));
  court.write("text.jpg", "this is no image");
  court.write("text", "this is no checkpoint");
  fs::create_directory(court / "empty");
  const std::string a = "nlcl-eval -r a.png -t folder/a.png ", folder = "nlcl-eval -t folder ";
  check_mistakes(
      court,
      {
          {"nlcl-eval", 2, "nothing to judge: expected --result, or --input and --weights"},
          {"nlcl-eval -r a.png", 2, "nothing to judge by: expected --truth, --niqe or --rain-left"},
          {"nlcl-eval -r a.png --niqe text", 2, "text: safetensors"},
          {"nlcl-eval -r a.png --niqe none", 2, "cannot read none: No such file"},
          {"nlcl-eval --fit-niqe folder", 2, "--fit-niqe needs --output, the file of the model"},
          {"nlcl-eval --fit-niqe none -o model", 2, "--fit-niqe: no such file or folder: none"},
          {"nlcl-eval --fit-niqe folder -o none/model", 2, "cannot write to the folder none"},
          {"nlcl-eval --fit-niqe folder -o model", 1,
           "folder/a.png: niqe: 12 x 13 pixels, expected at least 96 x 96"},
          {"nlcl-eval --fit-niqe folder -r a.png", 2, "--result excludes --fit-niqe"},
          {a + "-o model", 2, "--output requires --fit-niqe"},
          {"nlcl-eval -t a.png", 2, "nothing to judge: expected --result, or --input and --weights"},
          {"nlcl-eval -t a.png -i a.png", 2, "nothing to judge"},
          {"nlcl-eval -t a.png -w text", 2, "--weights requires --input"},
          {a + "-i a.png -w text", 2, "--result excludes --weights"},
          {"nlcl-eval -t a.png -i a.png -w text", 2, "text: neither a PyTorch nor a safetensors checkpoint"},
          {"nlcl-eval -t a.png -i a.png -w none", 2, "cannot read none: No such file"},
          {"nlcl-eval -t a.png -r none.png", 2, "no such file or folder: none.png"},
          {"nlcl-eval -t a.png -r folder", 2, "a.png is a file and folder is a folder"},
          {folder + "-r a.png", 2, "folder is a folder and a.png is not"},
          {folder + "-r folder -i a.png", 2, "folder is a folder and a.png is not"},
          {folder + "-r empty", 2, "no images (.png, .jpg, .jpeg,"},
          {folder + "-r other", 2, "no image has the same name in other and folder"},
          {folder + "-r twice", 2, "twice/a.jpg and twice/a.png have the same name"},
          {a + "--csv a.png", 2, "a.png would overwrite an input"},
          {"nlcl-eval -t a.png -i a.png -w text --csv text", 2, "text would overwrite an input"},
          {folder + "-r folder --sheet folder/../folder/a.png", 2, "would overwrite an input"},
          {a + "--csv a --json ./a", 2, "./a would be written twice"},
          {a + "--json folder", 2, "folder is a folder, expected a file"},
          {a + "--csv none/a.csv", 2, "cannot write to the folder none: No such file"},
          {a + "--sheet a.gif", 2, "a.gif: the name ends in '.gif', expected .png, .jpg, .jpeg"},
          {a + "--rows 3", 2, "--rows requires --sheet"},
          {a + "--sheet b.png --rows 0", 2, "--rows: expected a whole number from 1 to 1000, is 0"},
          {a + "--sheet b.png --width 5000", 2, "--width: expected a whole number from 16 to 4096, is 5000"},
          {a + "-j 0", 2, "--threads: expected a whole number from 1 to 1024, is 0"},
          {a + "--heavy", 2, "--heavy"},
          {a + "--device cuda:99", 3, "cuda:99 is not available"},
          {"nlcl-eval -r text.jpg -t a.png", 1, "text.jpg: image: neither PNG, JPEG,"},
          {"nlcl-eval -r a.png -t text.jpg", 1, "nlcl-eval: text.jpg: image: neither PNG"},
      });
}
