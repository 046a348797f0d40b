#include "nlcl/train/report.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "support/files.hpp"
#include "support/run_sample.hpp"

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

}  // namespace

TEST_CASE("report: a run has a chart of every loss, its pictures and its configuration") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "first try");
  run.prepare();
  write(run.path() / "log.jsonl", log_of(1234));
  write(run.path() / "config.toml", "rainy=\"a & b\"\nsteps=20000\nobjective=\"asymmetric\"\n");
  run.write_facts({"asymmetric", 20000, {}});
  for (const std::uint64_t step : {1u, 500u, 1000u}) RunSample().draw(run, step);

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

TEST_CASE("report: how hard each term pulls, where that was logged") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  std::string log;
  for (int step = 1; step <= 20; ++step) {
    nlohmann::json line{{"step", step}, {"losses", {{"total", 1}}}};
    if (step % 5 == 0)
      line["gradients"] = {{"layer", {{"B", 0.1 / step}, {"R", 0.2}}}, {"sparsity", {{"B", 0.3}, {"R", 0}}}};
    log += line.dump() + '\n';
  }
  write(run.path() / "log.jsonl", log);
  const std::string page = report_of(run);
  CHECK_THAT(page, Contains("<h2>Gradients</h2>"));
  CHECK(count(page, "aria-label=\"layer, from ") == 2);     // at B and at R
  CHECK(count(page, "aria-label=\"sparsity, from ") == 1);  // it has none at R
  CHECK_THAT(page, Contains("<small>at B</small>") && Contains("<small>at R</small>"));

  write(run.path() / "log.jsonl", "{\"step\":1,\"losses\":{\"total\":1},\"gradients\":{\"layer\":3}}\n");
  CHECK_THAT(report_of(run), !Contains("Gradients"));
}

TEST_CASE("report: a run of before run.json, or with a damaged one") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  write(run.path() / "log.jsonl", log_of(12));
  write(run.path() / "config.toml", "steps=20000\nobjective=\"asymmetric\"\n");
  for (const char* content : {"", "{\"steps\":", "[1]", "{\"steps\":\"many\",\"objective\":7}"}) {
    if (*content) write(run.path() / "run.json", content);
    CHECK_THAT(report_of(run), Contains("<dt>steps</dt><dd>12</dd>") && !Contains("<dt>objective</dt>") &&
                                   Contains("objective=&quot;asymmetric&quot;"));
  }
}

TEST_CASE("report: a run that has just begun") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
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
    RunSample().draw(run, 1);
    CHECK_THAT(report_of(run), !Contains("On the way"));
  }
}

TEST_CASE("report: a log with gaps, and with lines that are not of this program") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
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
  run.prepare();
  write(run.path() / "config.toml", "clean='</pre><script>'");
  run.write_facts({"<em>", {}, {}});
  const std::string page = report_of(run);
  CHECK_THAT(page, Contains("<h1>&lt;script&gt;&amp;&quot;&#39;</h1>"));
  CHECK_THAT(page, Contains("<dd>&lt;em&gt;</dd>") && Contains("&lt;/pre&gt;"));
}

TEST_CASE("report: its size does not grow with the run") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  write(run.path() / "log.jsonl", log_of(100'000));
  for (std::uint64_t step = 0; step <= 4000; step += 200) RunSample(64, 64).draw(run, step + 1);
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
  run.prepare();
  RunSample(64, 64).draw(run, 7);
  std::filesystem::remove(run.path() / "samples" / "step-00000007-rain-matches.png");
  for (const char* name : {"step-1-layers.png", "step-x-layers.png", "step-00000009-layers.jpg", "notes.txt"})
    write(run.path() / "samples" / name, "not a picture");
  CHECK(count(report_of(run), "<img ") == 2);
  write(run.path() / "samples" / "step-00000008-layers.png", "not a picture");
  CHECK_THAT(report_of(run), Contains("at step 8: the file is damaged"));
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
