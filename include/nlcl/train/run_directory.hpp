// The folder of a training run:
//
//     RUN/config.toml                       the options it was started with
//     RUN/log.jsonl                         one JSON object a line: the losses of a step
//     RUN/checkpoints/step-NNNNNNNN.safetensors   the last few, each complete
//     RUN/samples/                          pictures for the report
//     RUN/clean.safetensors, rain.safetensors     the generators, as nlcl-derain takes them
//     RUN/report.html
//
// Checkpoints are written beside their name and renamed: whatever happens, those that are there are whole.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "nlcl/io/file.hpp"
#include "nlcl/io/safetensors.hpp"

namespace nlcl {

class RunDirectory {
 public:
  // Makes the folders, and removes the temporary files that a killed run has left. Throws IoError if the
  // folders cannot be made.
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {
    for (const std::filesystem::path& folder : {path_ / "checkpoints", path_ / "samples", path_}) {
      std::error_code error;
      std::filesystem::create_directories(folder, error);
      require<IoError>(!error, "cannot create ", folder.string(), ": ", error.message());
      std::vector<std::filesystem::path> temporaries;
      for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".tmp") temporaries.push_back(entry.path());
      for (const auto& temporary : temporaries) std::filesystem::remove(temporary, error);
    }
  }

  const std::filesystem::path& path() const { return path_; }

  // Checkpoints by step, oldest first.
  std::vector<std::filesystem::path> checkpoints() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_ / "checkpoints")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("step-") && entry.path().extension() == ".safetensors")
        found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());  // steps have leading zeros
    return found;
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
  std::filesystem::path path_;
};

}  // namespace nlcl
