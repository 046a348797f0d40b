// Tells what a checkpoint holds, whether it is a generator, and how much memory inference with it needs.
#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "checkpoint.hpp"
#include "common.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "paths.hpp"
#include "values.hpp"

using namespace nlcl;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* purpose =
    "Tells what a checkpoint (PyTorch or safetensors) holds, whether it is a generator of nlcl, and how much "
    "memory\n"
    "inference with it needs.";

constexpr const char* notes =
    "Exit codes: 0 done, for any valid checkpoint; 1 FILE is not valid; 2 wrong usage, or FILE is "
    "missing;\n"
    "130 stopped by Ctrl-C, 143 by SIGTERM.\n\n"
    "Example:\n"
    "  nlcl-inspect back.safetensors --size 1080x1920 --size 2160x3840";

struct Options {
  std::filesystem::path file;
  std::string key;
  std::vector<std::string> sizes{"256x256", "512x1024", "2160x3840"};
  int threads = nlcl::threads();
  bool json = false;
};

struct Size {
  Index height = 0, width = 0;
};

// "HxW", with sides of 1 to 100000 pixels.
std::optional<Size> parse_size(const std::string& text) {
  const auto sides = tools::numbers_in<Index, 2>(text, 'x');
  const auto is_sane = [](Index side) { return side >= 1 && side <= 100'000; };
  if (!sides || !std::ranges::all_of(*sides, is_sane)) return std::nullopt;
  return Size{(*sides)[0], (*sides)[1]};
}

Json describe(const Options& options) {
  bool is_torch = false;
  std::size_t size = 0;
  const StateFile file = parse_file(options.file, [&](ByteSpan bytes) {
    is_torch = is_torch_checkpoint(bytes);
    size = bytes.size();
    return parse_checkpoint(bytes, options.key);
  });
  Json tensors = Json::array(), memory = Json::array();
  for (const RawTensor& tensor : file.tensors)
    tensors.push_back({{"name", tensor.name},
                       {"dtype", info_of(tensor.dtype).name},
                       {"shape", std::vector<Index>(tensor.shape.begin(), tensor.shape.end())}});
  const auto [reason, tile, parameters, left_out] = tools::form_of(file);
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
    if (!left_out.empty()) result["left_out"] = left_out;
    result["tile"] = tile;
    result["threads"] = options.threads;
    result["memory"] = memory;
  } else {
    result["reason"] = reason;
  }
  return result;
}

void print(const Json& d) {
  const auto print_row = [](const std::string& name, const auto&... values) {
    tools::print(text("  ", padded(name, 32), ' ', std::left, values...));
  };
  const auto string = [](const Json& value) { return value.get<std::string>(); };
  tools::print(text(string(d["file"]), ": ", string(d["format"]), ", ", d["tensors"].size(), " tensors, ",
                    d["parameters"], " parameters, ", d["bytes"], " bytes"));
  for (const Json& tensor : d["tensors"])
    print_row(string(tensor["name"]), std::setw(5), string(tensor["dtype"]), tensor["shape"].dump());
  if (!d["metadata"].empty()) tools::print("metadata");
  for (const auto& [key, value] : d["metadata"].items()) print_row(key, value.dump());
  if (!d["generator"]) return tools::print("not a generator: " + string(d["reason"]));
  if (d.contains("left_out"))
    tools::print(tools::left_out_text(d["left_out"].get<std::vector<std::string>>()));
  tools::print(text("a generator, which takes images ",
                    d["tile"] == 0 ? "whole" : text("in squares of ", d["tile"]),
                    "; memory for inference with ", d["threads"], " threads"));
  for (const Json& m : d["memory"])
    print_row(text(m["size"][0], " x ", m["size"][1], " pixels"), tools::bytes_text(m["bytes"]));
}

int inspect(const Options& options) {
  const Json description = describe(options);
  if (!options.json) {
    print(description);
    return tools::all_done;
  }
  const std::string json = description.dump(2, ' ', false, Json::error_handler_t::replace);
  for (const std::string& line : tools::lines_of(json)) tools::print(line);
  return tools::all_done;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(purpose, "nlcl-inspect");
  app.footer(notes);
  Options options;
  app.add_option("FILE", options.file, "checkpoint")->required()->check(tools::check_file)->option_text(" ");
  tools::add_key(app, options.key);
  app.add_option("--size", options.sizes,
                 "height and width of an image to tell the memory for; may be repeated")
      ->allow_extra_args(false)
      ->check([](const std::string& size) { return parse_size(size) ? "" : "expected HxW, is " + size; })
      ->option_text("HxW");
  app.add_option("-j,--threads", options.threads,
                 "number of threads to tell the memory for (default: all cores)")
      ->check(tools::within(1, 1024))
      ->option_text("N");
  app.add_flag("--json", options.json, "print JSON");
  return tools::run(app, argc, argv, [&] { return inspect(options); });
}
