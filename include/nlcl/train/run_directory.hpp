// The folder of a training run:
//
//     RUN/config.toml                       the options it was started with, for --resume and for people
//     RUN/run.json                          the same as data, as of the last start, without the paths
//     RUN/log.jsonl                         one JSON object a line: the losses of a step
//     RUN/checkpoints/step-NNNNNNNN.safetensors   the last few, each complete
//     RUN/samples/                          pictures for the report
//     RUN/clean.safetensors, rain.safetensors     the generators, as nlcl-derain takes them
//     RUN/report.html
//
// Checkpoints are written beside their name and renamed: whatever happens, those that are there are whole.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "nlcl/io/file.hpp"
#include "nlcl/io/safetensors.hpp"
#include "nlcl/version.hpp"

namespace nlcl {

// What a run is: RUN/run.json. What is not known is empty; runs of before this file have none of it.
struct RunFacts {
  std::string objective;
  std::optional<std::uint64_t> steps;                                 // of the whole run
  nlohmann::ordered_json options = nlohmann::ordered_json::object();  // by name, without paths
};

class RunDirectory {
 public:
  // Touches nothing yet.
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  // Makes the folders, and removes the temporaries that a killed run has left. Throws IoError if the folders cannot be
  // made.
  void prepare() const {
    for (const std::filesystem::path& folder : folders()) {
      std::error_code error;
      std::filesystem::create_directories(folder, error);
      require<IoError>(!error, "cannot create ", folder.string(), ": ", error.message());
      for (const std::filesystem::path& file : entries_of(folder))
        if (is_temporary(file)) std::filesystem::remove(file, error);
    }
  }

  // Why a new run must not begin here; empty if it may: in a folder without any of the names that it writes, or with a run
  // that has not got to its first checkpoint.
  std::string occupied() const {
    if (!checkpoints().empty()) return path_.string() + ": has checkpoints of another run";
    if (is_run()) return "";
    for (const char* name :
         {"config.toml", "run.json", "log.jsonl", "clean.safetensors", "rain.safetensors", "report.html"}) {
      std::error_code ignored;
      if (std::filesystem::exists(path_ / name, ignored))
        return (path_ / name).string() + ": would be overwritten, and is of no run";
    }
    return "";
  }

  const std::filesystem::path& path() const { return path_; }

  // Writes run.json, complete or not at all. Throws IoError.
  void write_facts(const RunFacts& facts) const {
    nlohmann::ordered_json all{{"nlcl", version}, {"objective", facts.objective}};
    if (facts.steps) all["steps"] = *facts.steps;
    all["options"] = facts.options;
    const std::string content =
        all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
    write_file_atomically(path_ / "run.json", bytes_of(content));
  }

  // What run.json says. Never throws for what the file lacks.
  RunFacts facts() const {
    RunFacts facts;
    const auto all = read_facts();
    if (!all.is_object()) return facts;
    if (const auto found = all.find("objective"); found != all.end() && found->is_string())
      facts.objective = found->get<std::string>();
    if (const auto found = all.find("steps"); found != all.end() && found->is_number_unsigned())
      facts.steps = found->get<std::uint64_t>();
    if (const auto found = all.find("options"); found != all.end() && found->is_object())
      facts.options = *found;
    return facts;
  }

  // Checkpoints by step, oldest first.
  std::vector<std::filesystem::path> checkpoints() const {
    std::vector<std::filesystem::path> found;
    for (const std::filesystem::path& file : entries_of(path_ / "checkpoints"))
      if (file.filename().string().starts_with("step-") && file.extension() == ".safetensors")
        found.push_back(file);
    return found;  // by name: steps have leading zeros
  }

  // Writes the checkpoint of a step, then removes all but the last `keep`. Throws IoError and leaves the
  // older ones.
  void save(const StateFile& state, std::uint64_t step, std::size_t keep) const {
    char name[64];
    std::snprintf(name, sizeof name, "step-%08llu.safetensors", static_cast<unsigned long long>(step));
    write_safetensors(path_ / "checkpoints" / name, state);
    const auto all = checkpoints();
    for (std::size_t i = 0; i + keep < all.size(); ++i) {
      std::error_code ignored;  // an old checkpoint too many does no harm
      std::filesystem::remove(all[i], ignored);
    }
  }

  // The newest checkpoint. Throws IoError if there is none.
  StateFile load_latest() const {
    const auto all = checkpoints();
    require<IoError>(!all.empty(), "no checkpoint in ", (path_ / "checkpoints").string());
    return read_safetensors(all.back());
  }

  // Adds a line to the log. Throws IoError.
  void log(const nlohmann::json& line) const {
    std::ofstream out(path_ / "log.jsonl", std::ios::app);
    out << line.dump() << '\n' << std::flush;
    require<IoError>(out.good(), "cannot write ", (path_ / "log.jsonl").string());
  }

  std::vector<nlohmann::json> read_log() const {
    std::vector<nlohmann::json> lines;
    std::ifstream in(path_ / "log.jsonl");
    for (std::string line; std::getline(in, line);)
      if (nlohmann::json json = nlohmann::json::parse(line, nullptr, false); json.is_object())
        lines.push_back(std::move(json));
    return lines;
  }

  // Drops what was logged after `step`: a run that was killed may have got further than its last checkpoint.
  void cut_log(std::uint64_t step) const {
    std::string kept;
    for (const auto& line : read_log())
      if (line.value("step", std::uint64_t{0}) <= step) kept += line.dump() + '\n';
    write_file_atomically(path_ / "log.jsonl", std::as_bytes(std::span(kept)));
  }

 private:
  std::array<std::filesystem::path, 3> folders() const {
    return {path_ / "checkpoints", path_ / "samples", path_};
  }

  nlohmann::ordered_json read_facts() const {
    std::ifstream in(path_ / "run.json");
    return nlohmann::ordered_json::parse(in, nullptr, false);
  }

  // Whether write_facts() has been here.
  bool is_run() const {
    const auto all = read_facts();
    return all.is_object() && all.contains("nlcl");
  }

  std::filesystem::path path_;
};

}  // namespace nlcl
