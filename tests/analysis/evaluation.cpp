#include "nlcl/analysis/evaluation.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "support/images.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Json = nlohmann::json;

namespace {

// Two images whose numbers are easy, the second of them equal to its truth.
Evaluation evaluation() {
  Evaluation e;
  e.columns = quality_columns(true, true, {});
  e.images = {{"a", {20, 0.5, 22, 0.75, 0}, Quality{15, 0.25, 16, 0.5, 0}},
              {"b, \"c\"", {INFINITY, 1, INFINITY, 1, 0}, Quality{25, 0.5, 26, 0.5, 0}}};
  e.failures = {{"d", "is not there"}};
  return e;
}

}  // namespace

TEST_CASE("evaluation: means and gains are over what is finite", "[analysis]") {
  const Evaluation e = evaluation();
  CHECK(e.has_input());
  CHECK(e.equal_to_truth() == 1);
  CHECK(e.mean_of_results().psnr == 20);
  CHECK(e.mean_of_results().ssim == 0.75);
  CHECK(e.mean_of_inputs().psnr == 20);
  CHECK(e.gain().psnr == 5);
  CHECK(e.gain().ssim == 0.375);

  Evaluation one = e;
  one.images.erase(one.images.begin());
  CHECK(one.gain().psnr == INFINITY);  // nothing is left out of a single difference
  CHECK_FALSE(Evaluation().has_input());
}

TEST_CASE("evaluation: columns by what there is to measure with", "[analysis]") {
  const NiqeModel model{};
  CHECK(quality_columns(false, true, {}).empty());
  CHECK(quality_columns(true, false, {}).size() == 4);
  REQUIRE(quality_columns(true, true, {&model, true}).size() == 7);
  CHECK(std::string(quality_columns(false, true, {&model}).at(0).name) == "niqe");
  REQUIRE(quality_columns(false, false, {.rain = true}).size() == 1);  // no shift without an input
  CHECK(std::string(quality_columns(false, false, {.rain = true}).at(0).name) == "rain_left");
  const Image image = random_image(20, 20, 3);
  CHECK(quality_of(image, {image, image}, {}).psnr == INFINITY);
  CHECK(quality_of(image, {image}, {}).psnr == 0);
}

TEST_CASE("evaluation: of what is given", "[analysis]") {
  const Image a = random_image(16, 20, 3, 1), b = random_image(16, 20, 3, 2), c = random_image(16, 20, 3, 3);
  const Verdict alone = verdict_on("x", {a, b}, {}), both = verdict_on("x", {a, b, c}, {});
  CHECK(alone.name == "x");
  CHECK(alone.result.psnr == psnr(a, b));
  CHECK_FALSE(alone.input);
  CHECK(both.result.ssim == alone.result.ssim);
  CHECK(both.input.value().psnr == psnr(c, b));
  CHECK(both.result.rain_left == 0);  // not asked for

  const Image d = random_image(32, 40, 3, 1), e = random_image(32, 40, 3, 2);
  const Verdict blind = verdict_on("x", {d, {}, e}, {.rain = true});
  CHECK(blind.result.rain_left == rain_left(d));
  CHECK(blind.input.value().rain_left == rain_left(e));
  CHECK(blind.result.colour_shift == colour_shift(d, e));
  CHECK(blind.input.value().colour_shift == 0);

  const std::vector<Image> row = sheet_row({a, b, c}, 20);
  REQUIRE(row.size() == 4);
  CHECK(row[0].pixels == c.pixels);
  CHECK(row[1].pixels == a.pixels);
  CHECK(row[2].pixels == b.pixels);
  CHECK(row[3].pixels == error_picture(a, b).pixels);
  CHECK(sheet_row({a}, 20).size() == 1);
  CHECK(sheet_row({a, b}, 10).at(2).width == 10);
}

TEST_CASE("evaluation: as JSON", "[analysis]") {
  const Json json = Json::parse(json_text(evaluation()));
  REQUIRE(json["images"].size() == 2);
  CHECK(json["images"][0]["image"] == "a");
  CHECK(json["images"][0]["result"] == Json{{"psnr", 20}, {"ssim", 0.5}, {"psnr_y", 22}, {"ssim_y", 0.75}});
  CHECK(json["images"][1]["result"]["psnr"].is_null());
  CHECK(json["images"][1]["input"]["psnr"] == 25);
  CHECK(json["mean"]["input"]["ssim"] == 0.375);
  CHECK(json["gain"]["psnr"] == 5);
  CHECK(json["failed"] == Json::array({{{"image", "d"}, {"reason", "is not there"}}}));

  Evaluation alone = evaluation();
  for (Verdict& image : alone.images) image.input.reset();
  const Json other = Json::parse(json_text(alone));
  CHECK_FALSE(other.contains("gain"));
  CHECK_FALSE(other["images"][0].contains("input"));
}

TEST_CASE("evaluation: as CSV", "[analysis]") {
  CHECK(csv_text(evaluation()) ==
        "image,psnr,ssim,psnr_y,ssim_y,input_psnr,input_ssim,input_psnr_y,input_ssim_y\n"
        "a,20.0,0.5,22.0,0.75,15.0,0.25,16.0,0.5\n"
        "\"b, \"\"c\"\"\",inf,1.0,inf,1.0,25.0,0.5,26.0,0.5\n"
        "mean,20.0,0.75,22.0,0.875,20.0,0.375,21.0,0.5\n");
}
