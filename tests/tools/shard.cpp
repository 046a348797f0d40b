// --shard I/N of nlcl-derain and nlcl-eval: all parts together are the whole, whatever else is there.
#include "../../tools/shard.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "programs.hpp"

using namespace nlcl;
using namespace nlcl::test;
namespace fs = std::filesystem;

namespace {

tools::Shard shard_of(const std::string& part) {
  tools::Shard shard;
  CLI::App app;
  shard.add_to(app);
  app.parse("--shard " + part);
  return shard;
}

std::string numbered_name(int i) { return text("photos/IMG_", 1000 + i, ".jpg"); }

const std::string as_it_is = "nlcl-derain --strength 0 --quiet ";  // the rain is no matter here

}  // namespace

TEST_CASE("shard: every name is in one part, and parts are about as large", "[tools]") {
  for (const int count : {1, 2, 3, 4, 8, 10, 64}) {
    std::vector<int> sizes(static_cast<std::size_t>(count));
    std::vector<tools::Shard> parts;
    for (int part = 0; part < count; ++part) parts.push_back(shard_of(text(part, '/', count)));
    for (int i = 0; i < 4096; ++i) {
      int found = 0;
      for (std::size_t part = 0; part < parts.size(); ++part)
        if (parts[part].has(numbered_name(i))) ++found, ++sizes[part];
      if (found != 1) FAIL(numbered_name(i) << " is in " << found << " parts of " << count);
    }
    CAPTURE(count);
    CHECK(*std::ranges::min_element(sizes) * count > 2048);
    CHECK(*std::ranges::max_element(sizes) * count < 8192);
  }
}

TEST_CASE("shard: of nlcl-derain", "[tools]") {
  const Workplace place;
  Names all;
  for (int i = 0; i < 12; ++i) {
    const std::string name = text("photos/", i % 2 ? "sub/" : "", i, ".png");
    place.write(name, random_image(4, 5, 3));
    all.insert(fs::path(name).filename().string());
  }
  const auto files = [&](const std::string& folder) {
    Names found;
    if (!fs::exists(place / folder)) return found;
    for (const auto& entry : fs::recursive_directory_iterator(place / folder))
      if (entry.is_regular_file()) found.insert(entry.path().filename().string());
    return found;
  };
  Names together;
  for (int part = 0; part < 3; ++part) {
    const std::string out = text("part-", part);
    check_silent(place(as_it_is + text("-r photos --shard ", part, "/3 -o ", out)));
    for (const std::string& name : files(out)) {
      CAPTURE(name);
      CHECK(together.insert(name).second);  // in no other part
    }
  }
  CHECK(together == all);

  // Other images beside them, and a part that is begun again, change nothing.
  const Names before = files("part-1");
  place.write("photos/another.png", random_image(4, 5, 3));
  check_silent(place(as_it_is + "-r photos --shard 1/3 -o again"));
  Names after = files("again");
  after.erase("another.png");
  CHECK(after == before);
  fs::remove(place / "part-1" / *before.begin());
  check_silent(place(as_it_is + "-r photos --shard 1/3 --skip-existing -o part-1"));
  CHECK(files("part-1") == files("again"));

  check_silent(place(as_it_is + "photos/sub --shard 63/64 -o none"));  // more parts than images are no error
  CHECK(files("none").size() < 2);
}

TEST_CASE("shard: what writes one file twice is told to every part", "[tools]") {
  const Workplace place;
  place.write("photos/a.png", random_image(4, 5, 3));
  place.write("photos/a.jpg", encode_jpeg(random_image(4, 5, 3)));
  for (int part = 0; part < 2; ++part)
    check_error(place(as_it_is + text("-i photos -o out --shard ", part, "/2")), 2, "would be written to");
}

TEST_CASE("shard: of nlcl-eval", "[tools]") {
  const Workplace place;
  for (int i = 0; i < 8; ++i) {
    place.write(text("result/", i, ".png"), random_image(12, 12, 3));
    place.write(text("truth/", i, ".png"), random_image(12, 12, 3, 5));
  }
  place.write("result/lonely.png", random_image(12, 12, 3));
  std::size_t images = 0, failures = 0;
  for (int part = 0; part < 2; ++part) {
    const Run run =
        place(text("nlcl-eval -r result -t truth --quiet --json ", part, ".json --shard ", part, "/2"));
    const auto json = nlohmann::json::parse(place.content(text(part, ".json")));
    images += json.at("images").size();
    failures += json.at("failed").size();
    CHECK(run.code == (json.at("failed").empty() ? 0 : 1));
  }
  CHECK(images == 8);
  CHECK(failures == 1);
}

TEST_CASE("shard: parts that are none", "[tools]") {
  const Workplace place;
  place.write("a.png", random_image(4, 5, 3));
  for (const char* part : {"2/2", "1", "-1/2", "0/0", "a/b", "1/2/3", "1/"})
    check_error(place(as_it_is + "a.png --shard " + part), 2,
                text("--shard: expected I/N with I from 0 to N-1, is ", part));
}
