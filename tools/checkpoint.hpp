// Generators in the files that people have: among other networks, and among tensors that are no part of one.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/printable.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/io/state_file.hpp"
#include "nlcl/model/generator.hpp"

namespace tools {

// --key, as every program that reads weights has it.
inline CLI::Option* add_key(CLI::App& app, std::string& key) {
  return app
      .add_option("--key", key,
                  "of weights with several networks or state dicts, those of this name, as params_ema or G_B")
      ->option_text("NAME");
}

// What a generator does not ask for and need not know: counts of batches, and whole networks beside it.
inline bool is_beside_generator(std::string_view name) {
  return name.ends_with(".num_batches_tracked") || !name.starts_with("gen.");
}

// The tensors of the one generator of a file, which may be one of several networks. Throws FormatError if there are several.
inline nlcl::StateFile generator_in(nlcl::StateFile file) {
  constexpr std::string_view first = "gen.0.weight";
  std::vector<std::string> keys;
  for (const nlcl::RawTensor& tensor : file.tensors) {
    if (tensor.name == first) return file;
    if (tensor.name.ends_with(nlcl::text('.', first)))
      keys.push_back(tensor.name.substr(0, tensor.name.size() - first.size() - 1));
  }
  if (keys.empty()) return file;
  nlcl::require<nlcl::FormatError>(keys.size() == 1, keys.size(),
                                   " generators, expected the key of one: ", nlcl::listed(keys));
  return nlcl::part_of(std::move(file), keys.front());
}

// Loads it; returns the names of the tensors beside it, which are left out. Throws FormatError if there is none.
inline std::vector<std::string> load_generator(nlcl::Generator<float>& generator, nlcl::StateFile file) {
  file = generator_in(std::move(file));
  nlcl::load_state(generator, file, is_beside_generator);
  std::vector<std::string> left_out;
  for (const nlcl::RawTensor& tensor : file.tensors)
    if (is_beside_generator(tensor.name)) left_out.push_back(tensor.name);
  return left_out;
}

// "2 tensors are no part of the generator: a, b"; empty if there are none.
inline std::string left_out_text(const std::vector<std::string>& names) {
  if (names.empty()) return "";
  return nlcl::text(names.size(), names.size() == 1 ? " tensor is" : " tensors are",
                    " left out, no part of the generator: ", names.front(), names.size() > 1 ? ", ..." : "");
}

// What a file is as a generator.
struct GeneratorForm {
  std::string reason;  // why it is none; empty if it is one
  nlcl::Index tile = 0;
  nlcl::Index parameters = 0;  // of the generator; of a file that is none, all numbers
  std::vector<std::string> left_out{};
};

inline GeneratorForm form_of(const nlcl::StateFile& file) {
  try {
    nlcl::Generator<float> generator;
    std::vector<std::string> left_out = load_generator(generator, file);
    // Its form is in the file too, and is no parameter.
    return {"", generator.tile(), nlcl::parameter_count(generator), std::move(left_out)};
  } catch (const nlcl::FormatError& error) {
    nlcl::Index numbers = 0;
    for (const nlcl::RawTensor& tensor : file.tensors) numbers += tensor.shape.size();
    return {error.what(), 0, numbers};
  }
}

}  // namespace tools
