// Converts a checkpoint between PyTorch and safetensors. Numbers and their types stay as they are.
#include <filesystem>
#include <map>
#include <vector>

#include "common.hpp"
#include "nlcl/io/checkpoint.hpp"

namespace fs = std::filesystem;
using namespace nlcl;
using tools::UsageError;

namespace {

constexpr const char* purpose =
    "Converts a checkpoint between PyTorch (.pth, .pt) and safetensors (.safetensors): IN as its content "
    "says, OUT as\n"
    "its name says. Numbers and their types stay as they are.";

constexpr const char* notes =
    "A PyTorch checkpoint has no place for metadata.\n\n"
    "Exit codes: 0 done; 1 IN is not valid or OUT cannot be written; 2 wrong usage, or IN is missing.\n\n"
    "Example:\n"
    "  nlcl-convert latest_net_Back.pth back.safetensors --metadata license=MIT";

struct Options {
  fs::path input, output;
  std::vector<std::string> metadata;  // KEY=VALUE
};

int convert_checkpoint(const Options& options) {
  std::error_code ignored;
  const std::string extension = options.output.extension().string();
  const bool is_torch = extension == ".pth" || extension == ".pt";
  require<UsageError>(is_torch || extension == ".safetensors", options.output.string(),
                      ": the name ends in '", extension, "', expected .pth, .pt or .safetensors");
  require<UsageError>(!is_torch || options.metadata.empty(), options.output.string(),
                      ": a PyTorch checkpoint has no place for --metadata");
  require<UsageError>(!fs::equivalent(options.input, options.output, ignored), options.output.string(),
                      " would overwrite the input");

  StateFile file = read_checkpoint(options.input);
  for (const std::string& entry : options.metadata) {
    const std::size_t equals = entry.find('=');
    file.metadata[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  write_checkpoint(options.output, file);
  if (is_torch && !file.metadata.empty())
    std::cerr << "nlcl-convert: " << file.metadata.size()
              << " entries of metadata are left out, a PyTorch checkpoint "
              << "has no place for them\n";

  Index parameters = 0;
  for (const RawTensor& tensor : file.tensors) parameters += tensor.shape.size();
  std::cout << options.output.string() << ": " << file.tensors.size() << " tensors, " << parameters
            << " parameters, " << fs::file_size(options.output) << " bytes\n";
  return tools::all_done;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-convert");
  app.footer(notes);
  Options options;
  app.add_option("IN", options.input, "checkpoint to read")
      ->required()
      ->check(CLI::ExistingFile)
      ->option_text(" ");
  app.add_option("OUT", options.output, "checkpoint to write")->required()->option_text(" ");
  app.add_option("--metadata", options.metadata, "text for a safetensors file; may be repeated")
      ->allow_extra_args(false)
      ->check([](const std::string& entry) {
        return entry.find('=') + 1 > 1 ? "" : "expected KEY=VALUE, is " + entry;
      })
      ->option_text("KEY=VALUE");
  return tools::run(app, argc, argv, [&] { return convert_checkpoint(options); });
}
