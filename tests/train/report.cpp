#include "nlcl/train/report.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

const std::vector<std::string> losses{"total",          "discriminator", "adversarial", "location_rainy",
                                      "location_clean", "layer",         "consistency", "sparsity"};

void write(const std::filesystem::path& path, const std::string& content) {
  write_file_atomically(path, bytes_of(content));
}

std::string read(const std::filesystem::path& path) {
  const std::vector<std::byte> content = read_file(path);
  return std::string(text_of(content));
}

// A log as a run writes it. Written at once: RunDirectory::log opens the file for every line.
std::string log_of(std::uint64_t steps) {
  Random random(1);
  std::string log;
  for (std::uint64_t step = 1; step <= steps; ++step) {
    nlohmann::json line{{"step", step}, {"learning_rate", 2e-4}, {"seconds", 1.9}};
    for (const std::string& name : losses)
      line["losses"][name] = random.uniform(0.5, 1) + 9 / static_cast<double>(step);
    log += line.dump() + '\n';
  }
  return log;
}

// The page of the run, with the promises that hold for every page.
std::string report_of(const RunDirectory& run) {
  write_report(run);
  const std::string page = read(run.path() / "report.html");
  CHECK_THAT(page, Catch::StartsWith("<!doctype html>") && Catch::EndsWith("</html>\n"));
  for (const char* outside : {"http:", "https:", "//", "<script", "<link", "@import", "nan", "inf"}) {
    CAPTURE(outside);
    std::string shown = page;  // without the pictures, whose code may hold any letters
    for (std::size_t at; (at = shown.find("base64,")) != shown.npos;)
      shown.erase(at, shown.find('"', at) - at);
    CHECK(shown.find(outside) == shown.npos);
  }
  return page;
}

std::size_t count(const std::string& page, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = page.find(part); at != page.npos; at = page.find(part, at + 1)) ++found;
  return found;
}

// A rainy image and its two layers: smooth, with noise that is the rain.
struct Sample {
  Tensor<float> rainy, back, rain;
  Queries queries;

  explicit Sample(Index height = 96, Index width = 128) : back({1, height, width, 3}) {
    for (Index i = 0; i < back.size(); ++i)
      back.mutable_data()[i] = static_cast<float>(std::sin(static_cast<double>(i) / 700));
    Random random(2);
    rain = random_tensor<float>(back.shape(), random, 0, 0.2);
    rainy = Tensor<float>(back.shape());
    for (Index i = 0; i < back.size(); ++i) rainy.mutable_data()[i] = back.data()[i] + rain.data()[i];
    for (auto* queries_of : {&queries.rainy, &queries.clean, &queries.back, &queries.rain})
      *queries_of = draw_queries(back.shape(), random);
  }

  void draw(const RunDirectory& run, std::uint64_t step) const {
    write_samples(run, step, rainy, back, rain, queries, {});
  }
};

std::array<int, 3> pixel(const Image& image, Index row, Index column) {
  const auto at = image.pixels.begin() + (row * image.width + column) * 3;
  return {at[0], at[1], at[2]};
}

}  // namespace

TEST_CASE("report: a run has a chart of every loss, its pictures and its configuration") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "first try");
  write(run.path() / "log.jsonl", log_of(1234));
  write(run.path() / "config.toml", "rainy=\"a & b\"\nsteps=20000\nobjective=\"asymmetric\"\n");
  for (const std::uint64_t step : {1u, 500u, 1000u}) Sample().draw(run, step);

  const std::string page = report_of(run);
  CHECK_THAT(page, Contains("<title>first try") && Contains("<h1>first try</h1>"));
  CHECK_THAT(page,
             Contains("1,234 of 20,000") && Contains("<dd>asymmetric</dd>") && Contains("<dd>1.9</dd>"));
  CHECK_THAT(page, Contains("<pre>rainy=&quot;a &amp; b&quot;\nsteps=20000"));
  CHECK(count(page, "<svg") == losses.size() + 1);  // and the learning rate
  std::size_t last = 0;
  for (const std::string& name : losses) {
    CAPTURE(name);
    const std::size_t at = page.find("aria-label=\"" + name + ", from ");
    CHECK(at != page.npos);
    CHECK(at > last);  // in the order of the objective, not of the alphabet
    last = at;
  }
  CHECK(count(page, "<img ") == 5);  // three steps and the matches of the last
  CHECK(count(page, "src=\"data:image/jpeg;base64,/9j/") == 5);
  CHECK(count(page, "<img alt=\"\"") == 0);
  CHECK_THAT(page, Contains("step 1<") && Contains("step 500<") && Contains("step 1,000<"));

  write_report(run);
  CHECK(read(run.path() / "report.html") == page);  // a function of the run alone
}

TEST_CASE("report: a run that has just begun") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  SECTION("nothing at all") {
    CHECK_THAT(report_of(run), Contains("no steps yet") && Contains("No pictures") && !Contains("<pre>"));
  }
  SECTION("an empty log") {
    write(run.path() / "log.jsonl", "");
    CHECK_THAT(report_of(run), Contains("no steps yet") && !Contains("<svg"));
  }
  SECTION("one line") {
    write(run.path() / "log.jsonl", log_of(1));
    CHECK(count(report_of(run), "<svg") == losses.size() + 1);
  }
  SECTION("one picture") {
    Sample().draw(run, 1);
    CHECK_THAT(report_of(run), !Contains("On the way"));
  }
}

TEST_CASE("report: a log with gaps, and with lines that are not of this program") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  write(run.path() / "log.jsonl",
        "{\"step\":1,\"losses\":{\"total\":1,\"layer\":null}}\n"
        "not a line\n[1]\n{}\n{\"losses\":{\"total\":5}}\n{\"step\":\"2\",\"losses\":{\"total\":5}}\n"
        "{\"step\":2,\"losses\":7,\"learning_rate\":\"fast\"}\n"
        "{\"step\":3,\"losses\":{\"total\":0,\"<b>&\":-1e300,\"<i>\":-2.5}}\n"
        "{\"step\":4,\"losses\":{\"total\":1e-5}}\n{\"step\":1e99,\"losses\":{\"tot");
  const std::string page = report_of(run);
  CHECK(count(page, "<svg") == 2);
  CHECK_THAT(page, Contains("&lt;i&gt;") && !Contains("<i>"));
  CHECK_THAT(page, Contains("1 → 1e-5"));
}

TEST_CASE("report: names are text, not HTML") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "<script>&\"'");
  write(run.path() / "config.toml", "objective=\"<em>\"\nclean='</pre><script>'");
  const std::string page = report_of(run);
  CHECK_THAT(page, Contains("<h1>&lt;script&gt;&amp;&quot;&#39;</h1>"));
  CHECK_THAT(page, Contains("<dd>&lt;em&gt;</dd>") && Contains("&lt;/pre&gt;"));
}

TEST_CASE("report: its size does not grow with the run") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  write(run.path() / "log.jsonl", log_of(100'000));
  for (std::uint64_t step = 0; step <= 4000; step += 200) Sample(64, 64).draw(run, step + 1);
  const std::string page = report_of(run);
  CHECK(count(page, "<svg") == losses.size() + 1);
  CHECK(count(page, "<img ") == 11);  // nine steps and the matches of the last
  CHECK_THAT(page, Contains("step 1<") && Contains("step 4,001<"));
  std::size_t pictures = 0;
  for (std::size_t at = page.find("base64,"); at != page.npos; at = page.find("base64,", at + 1))
    pictures += page.find('"', at) - at;
  CHECK(page.size() - pictures < 250'000);
}

TEST_CASE("report: other files among the samples, and damaged ones") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  Sample(64, 64).draw(run, 7);
  std::filesystem::remove(run.path() / "samples" / "step-00000007-rain-matches.png");
  for (const char* name : {"step-1-layers.png", "step-x-layers.png", "step-00000009-layers.jpg", "notes.txt"})
    write(run.path() / "samples" / name, "not a picture");
  CHECK(count(report_of(run), "<img ") == 2);
  write(run.path() / "samples" / "step-00000008-layers.png", "not a picture");
  CHECK_THAT(report_of(run), Contains("at step 8: the file is damaged"));
}

TEST_CASE("samples: three pictures of a step") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  const Sample sample(96, 128);
  sample.draw(run, 500);

  const Image all = read_image(run.path() / "samples" / "step-00000500-layers.png");
  CHECK(all.height == 96);
  CHECK(all.width == 3 * 128);
  const std::vector<Image> parts{to_image(sample.rainy), to_image(sample.back), rain_picture(sample.rain)};
  for (std::size_t part = 0; part < 3; ++part)
    CHECK(pixel(all, 40, static_cast<Index>(part) * 128 + 30) == pixel(parts[part], 40, 30));

  for (const char* layer : {"back", "rain"}) {
    const Image matches = read_image(run.path() / "samples" / text("step-00000500-", layer, "-matches.png"));
    CHECK(matches.height == 5 * 96);  // magnified by a whole number
    CHECK(matches.width == 5 * 128 + 5 * 96);
  }
}

TEST_CASE("samples: images of any size, near any border") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  for (const auto& [height, width] : {std::pair<Index, Index>{40, 40}, {600, 48}, {48, 200}}) {
    CAPTURE(height, width);
    Sample sample(height, width);
    for (const PatchCenter query : {PatchCenter{0, 16, 16}, PatchCenter{0, height - 16, width - 16}}) {
      sample.queries.back = sample.queries.rain = patch_centers({query});
      CHECK_NOTHROW(sample.draw(run, 1));
    }
  }
}

TEST_CASE("samples: what does not fit together is refused") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  Sample sample;
  CHECK_THAT(message_of<ShapeError>([&] {
               write_samples(run, 1, sample.rainy, Sample(64, 64).back, sample.rain, sample.queries, {});
             }),
             Contains("rainy [1,96,128,3], back [1,64,64,3]"));
  sample.queries.rain = {};
  CHECK_THAT(message_of<ShapeError>([&] { sample.draw(run, 1); }), Contains("a query of each layer"));
  CHECK(std::filesystem::is_empty(run.path() / "samples"));
}

TEST_CASE("samples: a rain layer is black without rain and white from 64 levels on") {
  const Tensor<float> rain({1, 1, 2, 3}, {-1.0f, 0.0f, 0.25f, 0.5f, 0.51f, 3.0f});
  CHECK(rain_picture(rain).pixels == std::vector<std::uint8_t>{0, 0, 128, 255, 255, 255});
}

TEST_CASE("report: numbers as one reads them") {
  using namespace detail;
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(duration(59.6) == "60 s");
  CHECK(duration(3000) == "50 min");
  CHECK(duration(38600) == "10 h 43 min");
}

TEST_CASE("report: the smoothed line starts where the curve does and keeps a straight one") {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(3 - 0.01 * i);
  const std::vector<double> line = detail::smoothed(values);
  CHECK(line[0] == values[0]);
  for (std::size_t i = 0; i < 390; ++i) CHECK(line[i] == Approx(values[i]).margin(1e-9));
}

TEST_CASE("report: base64") {
  // The test vectors of RFC 4648.
  for (const auto& [plain, code] : std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                                                    {"f", "Zg=="},
                                                                                    {"fo", "Zm8="},
                                                                                    {"foo", "Zm9v"},
                                                                                    {"foob", "Zm9vYg=="},
                                                                                    {"foobar", "Zm9vYmFy"}})
    CHECK(detail::base64(bytes_of(plain)) == code);
}
