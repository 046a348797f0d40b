// The options of a run as a file: RUN/config.toml, which --config and --resume read.
#pragma once

#include <CLI/CLI.hpp>
#include <istream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/toml.hpp"

namespace tools {

// The configurable options that have a value, given or by default, as they are now.
inline std::vector<nlcl::TomlEntry> values_of(const CLI::App& app) {
  std::vector<nlcl::TomlEntry> values;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_configurable()) continue;
    const std::vector<std::string> given = option->reduced_results();
    const std::string value = given.empty() ? option->get_default_str() : given.front();
    if (!given.empty() || !value.empty()) values.push_back({option->get_single_name(), value});
  }
  return values;
}

// CLI11 has a form of TOML of its own, which knows no escapes and ends a string at #.
class TomlConfig : public CLI::Config {
 public:
  explicit TomlConfig(const CLI::App& app) : app_(app) {}

  std::string to_config(const CLI::App* app, bool, bool, std::string) const override {
    std::string lines;
    for (const nlcl::TomlEntry& entry : values_of(*app)) lines += nlcl::toml_line(entry);
    return lines;
  }

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    const std::string file = app_.get_config_ptr()->results().front();
    const std::string content(std::istreambuf_iterator<char>(in), {});
    std::vector<CLI::ConfigItem> result;
    try {
      for (nlcl::TomlEntry& entry : nlcl::parse_toml(content)) {
        const CLI::Option* const option = app_.get_option_no_throw("--" + entry.name);
        nlcl::require<nlcl::FormatError>(option && option->get_configurable(), "no option of a run is named ",
                                         entry.name);
        result.push_back({{}, std::move(entry.name), {std::move(entry.value)}});
      }
    } catch (const nlcl::FormatError& error) {
      throw CLI::FileError(file + ": " + error.what());
    }
    return result;
  }

 private:
  const CLI::App& app_;
};

// As data: a number or a truth value where the text is one.
inline nlohmann::ordered_json json_of(const std::vector<nlcl::TomlEntry>& values) {
  nlohmann::ordered_json result;
  for (const auto& [name, text] : values) {
    auto value = nlohmann::ordered_json::parse(text, nullptr, false);
    result[name] = value.is_number() || value.is_boolean() ? value : nlohmann::ordered_json(text);
  }
  return result;
}

}  // namespace tools
