#include "nlcl/train/run_directory.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "support/errors.hpp"
#include "support/files.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("run: its facts come back as they were written", "[train]") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  RunFacts facts = run.facts();
  CHECK(facts.objective.empty());
  CHECK_FALSE(facts.steps);
  CHECK(facts.options.empty());

  run.write_facts({"asymmetric", 20000, {{"crop", 256}, {"skip", true}, {"compactness", "0.8,1.2"}}});
  facts = run.facts();
  CHECK(facts.objective == "asymmetric");
  CHECK(facts.steps == 20000u);
  CHECK(facts.options.dump() == R"({"crop":256,"skip":true,"compactness":"0.8,1.2"})");
  const std::vector<std::byte> bytes = read_file(folder / "run/run.json");
  CHECK(nlohmann::json::parse(text_of(bytes))["nlcl"] == version);

  run.write_facts({"\xff", {}, {}});  // no UTF-8: written all the same
  CHECK_FALSE(run.facts().steps);
}

TEST_CASE("run: facts of another kind are not taken for facts", "[train]") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  for (const char* content : {"", "{", "[1]", R"({"steps":-1,"objective":7,"options":[]})"}) {
    write_file_atomically(folder / "run/run.json", bytes_of(content));
    const RunFacts facts = run.facts();
    CHECK(facts.objective.empty());
    CHECK_FALSE(facts.steps);
    CHECK(facts.options.empty());
  }
}

TEST_CASE("run: the log is cut after a step, and lines that are none fall off", "[train]") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  for (int step = 1; step <= 4; ++step) run.log({{"step", step}});
  run.cut_log(2);
  CHECK(run.read_log().size() == 2);
}

TEST_CASE("run: only its own temporaries are removed, and nothing before it is told to", "[train]") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  CHECK(run.checkpoints().empty());
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
  run.prepare();
  const std::filesystem::path left =
      detail::temporary_for(folder / "run/checkpoints/step-00000001.safetensors");
  for (const std::filesystem::path& file : {left, folder / "run/mine.tmp", folder / "run/samples/notes.tmp"})
    write_file_atomically(file, bytes("content"));
  const RunDirectory again(folder / "run");
  CHECK(std::filesystem::exists(left));
  again.prepare();
  CHECK_FALSE(std::filesystem::exists(left));
  CHECK(std::filesystem::exists(folder / "run/mine.tmp"));
  CHECK(std::filesystem::exists(folder / "run/samples/notes.tmp"));
}

TEST_CASE("run: a folder is free for a new one if nothing in it would be lost", "[train]") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  CHECK(run.occupied().empty());
  run.prepare();
  CHECK(run.occupied().empty());
  write_file_atomically(folder / "run/photo.png", {});
  CHECK(run.occupied().empty());
  for (const char* name : {"log.jsonl", "clean.safetensors", "config.toml"}) {
    write_file_atomically(folder / text("run/", name), bytes("mine"));
    CHECK(run.occupied() ==
          (folder / text("run/", name)).string() + ": would be overwritten, and is of no run");
    std::filesystem::remove(folder / text("run/", name));
  }
  write_file_atomically(folder / "run/log.jsonl", {});
  run.write_facts({});  // a run that was stopped before its first checkpoint
  CHECK(run.occupied().empty());
  run.save({}, 1, 1);
  CHECK_THAT(run.occupied(), Catch::Contains("has checkpoints of another run"));
}

TEST_CASE("run: the last checkpoints are kept", "[train]") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  CHECK_THROWS_AS(run.load_latest(), IoError);
  for (const std::uint64_t step : {1u, 2u, 10u}) run.save({{}, {{"step", std::to_string(step)}}}, step, 2);
  CHECK(run.checkpoints().size() == 2);
  CHECK(run.load_latest().metadata.at("step") == "10");
}
