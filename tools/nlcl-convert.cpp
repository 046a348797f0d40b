// Converts a checkpoint between PyTorch and safetensors, or takes the mean of several.
#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "checkpoint.hpp"
#include "common.hpp"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator.hpp"
#include "paths.hpp"
#include "values.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::UsageError;

namespace {

constexpr const char* purpose =
    "Converts a checkpoint between PyTorch (.pth, .pt) and safetensors (.safetensors): IN as its content "
    "says, OUT as\n"
    "its name says. Numbers and their types stay as they are, unless there is something to take the mean of.";

constexpr const char* notes =
    "A PyTorch checkpoint has no place for metadata.\n\n"
    "The mean of the weights that a run has had at several of its steps can be better than each of them, "
    "while its rate\n"
    "has not fallen: training goes round a good place then. Of other runs only those that began\n"
    "with these weights have such a mean.\n\n"
    "Exit codes: 0 done; 1 IN is not valid or OUT cannot be written; 2 wrong usage, or IN is missing;\n"
    "130 stopped by Ctrl-C, 143 by SIGTERM.\n\n"
    "Examples:\n"
    "  nlcl-convert latest_net_Back.pth back.safetensors --metadata license=MIT\n"
    "  nlcl-convert RUN/checkpoints/step-00000200.safetensors a.safetensors --key average.G_B\n"
    "  nlcl-convert a.safetensors mean.safetensors --mean b.safetensors --mean c.safetensors";

struct Options {
  fs::path input, output;
  std::string key;                    // of the network or state dict, where there are several
  std::vector<fs::path> others;       // to take the mean with
  Index tile = -1;                    // of a generator; -1: as it is
  std::vector<std::string> metadata;  // KEY=VALUE
};

// Of checkpoints of one network, in float32; metadata are those of the first. (Izmailov et al., Averaging Weights Leads to
// Wider Optima and Better Generalization, 2018.)
StateFile mean_of(StateFile first, const Options& options) {
  std::vector<Tensor<double>> sums;
  for (const RawTensor& tensor : first.tensors) sums.push_back(to_tensor<double>(tensor));
  for (const fs::path& path : options.others) {
    const StateFile other = read_checkpoint(path, options.key);
    require<FormatError>(other.tensors.size() == sums.size(), path.string(), ": ", other.tensors.size(),
                         " tensors, expected ", sums.size(), " as in the first");
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const std::string& name = first.tensors[i].name;
      const RawTensor* tensor = other.find(name);
      require<FormatError>(tensor, path.string(), ": no tensor '", name, "', which the first has");
      require<FormatError>(tensor->shape == sums[i].shape(), path.string(), ": '", name, "' has shape ",
                           tensor->shape, ", expected ", sums[i].shape(), " as in the first");
      update(sums[i], to_tensor<double>(*tensor), Plus{});
    }
  }
  const double share = 1 / static_cast<double>(options.others.size() + 1);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    Tensor<float> mean(sums[i].shape());
    std::ranges::transform(sums[i].values(), mean.mutable_data(),
                           [&](double sum) { return static_cast<float>(share * sum); });
    first.tensors[i] = from_tensor(first.tensors[i].name, mean);
  }
  return first;
}

// Says that the generator takes images in squares of this side; 0: that it takes them whole.
void set_tile(StateFile& file, Index side) {
  try {
    Generator<float> generator;
    load_state(generator, file, tools::is_beside_generator);
    std::erase_if(file.tensors, [](const RawTensor& tensor) { return tensor.name == "gen.tile"; });
    if (side > 0)
      file.tensors.push_back(from_tensor("gen.tile", Tensor<float>::full({1}, static_cast<float>(side))));
  } catch (const FormatError& error) {
    throw FormatError(text("--tile is for a generator: ", error.what()));
  }
}

int convert_checkpoint(const Options& options) {
  std::error_code ignored;
  const std::string extension = options.output.extension().string();
  const bool is_torch = extension == ".pth" || extension == ".pt";
  require<UsageError>(is_torch || extension == ".safetensors", options.output.string(),
                      ": the name ends in '", extension, "', expected .pth, .pt or .safetensors");
  require<UsageError>(!is_torch || options.metadata.empty(), options.output.string(),
                      ": a PyTorch checkpoint has no place for --metadata");
  require<UsageError>(options.tile <= 0 || options.tile >= Tiling::smallest_side, "--tile ", options.tile,
                      ": expected 0, or ", Tiling::smallest_side, " to ", Tiling::largest_side);
  std::vector<fs::path> inputs = options.others;
  inputs.push_back(options.input);
  for (const fs::path& input : inputs)
    require<UsageError>(!fs::equivalent(input, options.output, ignored), options.output.string(),
                        " would overwrite the input");

  StateFile file = read_checkpoint(options.input, options.key);
  if (!options.others.empty()) file = mean_of(std::move(file), options);
  if (options.tile >= 0) set_tile(file, options.tile);
  for (const std::string& entry : options.metadata) {
    const std::size_t equals = entry.find('=');
    file.metadata[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  write_checkpoint(options.output, file);
  if (is_torch && !file.metadata.empty())
    tools::say(text("nlcl-convert: ", file.metadata.size(),
                    " entries of metadata are left out, a PyTorch checkpoint has no place for them"));

  const std::uintmax_t size = fs::file_size(options.output, ignored);  // a pipe has none
  tools::print(text(options.output.string(), ": ", file.tensors.size(), " tensors, ",
                    tools::form_of(file).parameters, " parameters",
                    ignored ? "" : text(", ", size, " bytes")));
  return tools::all_done;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-convert");
  app.footer(notes);
  Options options;
  app.add_option("IN", options.input, "checkpoint to read")
      ->required()
      ->check(tools::check_file)
      ->option_text(" ");
  app.add_option("OUT", options.output, "checkpoint to write")->required()->option_text(" ");
  app.add_option(
         "--key,--part", options.key,
         "only the network or state dict of this name: of a run's checkpoint G_B, G_R, and average.G_B, "
         "average.G_R")
      ->option_text("NAME");
  app.add_option("--mean", options.others, "take the mean of IN and this one; may be repeated")
      ->allow_extra_args(false)
      ->check(tools::check_file)
      ->option_text("FILE");
  app.add_option(
         "--tile", options.tile,
         "of a generator: take images in squares of N pixels, the crop that it was trained on; 0: whole")
      ->check(tools::within<Index>(0, Tiling::largest_side))
      ->option_text("N");
  app.add_option("--metadata", options.metadata, "text for a safetensors file; may be repeated")
      ->allow_extra_args(false)
      ->check([](const std::string& entry) {
        return entry.find('=') + 1 > 1 && is_utf8(entry) ? "" : "expected KEY=VALUE in UTF-8, is " + entry;
      })
      ->option_text("KEY=VALUE");
  return tools::run(app, argc, argv, [&] { return convert_checkpoint(options); });
}
