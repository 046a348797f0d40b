// Tells what a checkpoint holds, whether it is a generator, and how much memory inference with it needs.
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "common.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"

using namespace nlcl;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* purpose =
    "Tells what a checkpoint (PyTorch or safetensors) holds, whether it is a generator of nlcl, and how much "
    "memory\n"
    "inference with it needs.";

constexpr const char* notes =
    "Exit codes: 0 done, for any valid checkpoint; 1 FILE is not valid; 2 wrong usage, or FILE is "
    "missing.\n\n"
    "Example:\n"
    "  nlcl-inspect back.safetensors --size 1080x1920 --size 2160x3840";

struct Options {
  std::filesystem::path file;
  std::vector<std::string> sizes{"256x256", "512x1024", "2160x3840"};
  int threads = nlcl::threads();
  bool json = false;
};

struct Size {
  Index height = 0, width = 0;
};

// "HxW", with sides of 1 to 100000 pixels.
std::optional<Size> parse_size(const std::string& text) {
  Size size;
  const char* const end = text.data() + text.size();
  const auto [x, error] = std::from_chars(text.data(), end, size.height);
  if (error != std::errc() || x == end || *x != 'x') return std::nullopt;
  const auto [rest, second_error] = std::from_chars(x + 1, end, size.width);
  const bool is_sane = std::min(size.height, size.width) >= 1 && std::max(size.height, size.width) <= 100'000;
  return second_error == std::errc() && rest == end && is_sane ? std::optional(size) : std::nullopt;
}

struct Form {
  std::string reason;  // why the file is no generator; empty if it is one
  Index tile = 0;      // of the generator
};
Form form_of(const StateFile& file) {
  try {
    Generator<float> generator;
    load_state(generator, file);
    return {"", generator.tile()};
  } catch (const FormatError& error) {
    return {error.what()};
  }
}

Json describe(const Options& options) {
  bool is_torch = false;
  std::size_t size = 0;
  const StateFile file = parse_file(options.file, [&](ByteSpan bytes) {
    is_torch = is_torch_checkpoint(bytes);
    size = bytes.size();
    return parse_checkpoint(bytes);
  });
  Json tensors = Json::array(), memory = Json::array();
  Index parameters = 0;
  for (const RawTensor& tensor : file.tensors) {
    parameters += tensor.shape.size();
    tensors.push_back({{"name", tensor.name},
                       {"dtype", info_of(tensor.dtype).name},
                       {"shape", std::vector<Index>(tensor.shape.begin(), tensor.shape.end())}});
  }
  const auto [reason, tile] = form_of(file);
  for (const std::string& image : options.sizes) {
    const auto [height, width] = *parse_size(image);
    memory.push_back(
        {{"size", {height, width}}, {"bytes", GeneratorPlan::memory(height, width, options.threads, tile)}});
  }
  Json result{{"file", options.file.string()},
              {"format", is_torch ? "PyTorch" : "safetensors"},
              {"bytes", size},
              {"tensors", tensors},
              {"parameters", parameters},
              {"metadata", file.metadata},
              {"generator", reason.empty()}};
  if (reason.empty()) {
    result["tile"] = tile;
    result["threads"] = options.threads;
    result["memory"] = memory;
  } else {
    result["reason"] = reason;
  }
  return result;
}

void print(const Json& d) {
  std::cout << std::left << d["file"].get<std::string>() << ": " << d["format"].get<std::string>() << ", "
            << d["tensors"].size() << " tensors, " << d["parameters"] << " parameters, " << d["bytes"]
            << " bytes\n";
  for (const Json& tensor : d["tensors"])
    std::cout << "  " << std::setw(32) << tensor["name"].get<std::string>() << ' ' << std::setw(5)
              << tensor["dtype"].get<std::string>() << tensor["shape"].dump() << '\n';
  if (!d["metadata"].empty()) std::cout << "metadata\n";
  for (const auto& [key, value] : d["metadata"].items())
    std::cout << "  " << std::setw(32) << key << ' ' << value.dump() << '\n';
  if (!d["generator"]) {
    std::cout << "not a generator: " << d["reason"].get<std::string>() << '\n';
    return;
  }
  std::cout << "a generator, which takes images "
            << (d["tile"] == 0 ? "whole" : text("in squares of ", d["tile"]))
            << "; memory for inference with " << d["threads"] << " threads\n";
  for (const Json& m : d["memory"])
    std::cout << "  " << std::setw(32) << text(m["size"][0], " x ", m["size"][1], " pixels") << ' '
              << tools::bytes_text(m["bytes"]) << '\n';
}

int inspect(const Options& options) {
  const Json description = describe(options);
  if (options.json)
    std::cout << description.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  else
    print(description);
  return tools::all_done;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-inspect");
  app.footer(notes);
  Options options;
  app.add_option("FILE", options.file, "checkpoint")->required()->check(CLI::ExistingFile)->option_text(" ");
  app.add_option("--size", options.sizes,
                 "height and width of an image to tell the memory for; may be repeated")
      ->allow_extra_args(false)
      ->check([](const std::string& size) { return parse_size(size) ? "" : "expected HxW, is " + size; })
      ->option_text("HxW");
  app.add_option("-j,--threads", options.threads,
                 "number of threads to tell the memory for (default: all cores)")
      ->check(CLI::Range(1, 1024))
      ->option_text("N");
  app.add_flag("--json", options.json, "print JSON");
  return tools::run(app, argc, argv, [&] { return inspect(options); });
}
