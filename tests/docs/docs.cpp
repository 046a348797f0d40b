// The documentation says what the code does: quotes are verbatim, printed output is real, links lead somewhere.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "support/paths.hpp"

namespace fs = std::filesystem;
using nlcl::text;
using Lines = std::vector<std::string>;

namespace {

const fs::path root = nlcl::test::source_path();
const fs::path docs = root / "docs", answers = docs / "answers";

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  nlcl::require<nlcl::IoError>(file.is_open(), "cannot read ", path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

Lines lines_of(const std::string& content) {
  Lines lines;
  std::istringstream in(content);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<fs::path> files_in(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == extension) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

// The chapters and what stands beside them, and the answers to their exercises.
std::vector<fs::path> all_pages() {
  std::vector<fs::path> pages = files_in(docs, ".md");
  std::ranges::copy(files_in(answers, ".md"), std::back_inserter(pages));
  return pages;
}

// A block between ``` lines. `source` is the path in the comment on the line before, relative to the page, or empty.
struct Fence {
  std::string language, source;
  Lines lines;
  std::size_t line = 0;
};

std::vector<Fence> fences_of(const Lines& page) {
  static const std::regex comment("<!-- (\\S+) -->");
  std::vector<Fence> fences;
  bool open = false;
  for (std::size_t i = 0; i < page.size(); ++i) {
    if (page[i].starts_with("```")) {
      open = !open;
      if (!open) continue;
      Fence& fence = fences.emplace_back();
      fence.language = page[i].substr(3);
      fence.line = i + 1;
      if (std::smatch match; i > 0 && std::regex_match(page[i - 1], match, comment)) fence.source = match[1];
    } else if (open) {
      fences.back().lines.push_back(page[i]);
    }
  }
  return fences;
}

// The lines without the indentation that all of them share.
Lines without_indentation(Lines lines) {
  std::size_t shared = std::string::npos;
  for (const std::string& line : lines) shared = std::min(shared, line.find_first_not_of(' '));
  if (shared != std::string::npos)
    for (std::string& line : lines) line.erase(0, shared);
  return lines;
}

// Whether `quote` is a run of lines of `source`, indented as there or less.
bool occurs(const Lines& quote, const Lines& source) {
  const Lines expected = without_indentation(quote);
  for (std::size_t first = 0; first + quote.size() <= source.size(); ++first) {
    const auto begin = source.begin() + static_cast<std::ptrdiff_t>(first);
    if (without_indentation(Lines(begin, begin + static_cast<std::ptrdiff_t>(quote.size()))) == expected)
      return true;
  }
  return false;
}

// Where the links of a page lead, those to other sites and within the page left out. Code is no text.
std::vector<std::string> links_of(const Lines& page) {
  static const std::regex code("`[^`]*`"), link("\\]\\(([^)\\s]+)\\)");
  std::vector<std::string> targets;
  bool open = false;
  for (const std::string& line : page) {
    if (line.starts_with("```")) open = !open;
    if (open || line.starts_with("    ")) continue;
    const std::string prose = std::regex_replace(line, code, "");
    for (std::sregex_iterator match(prose.begin(), prose.end(), link), end; match != end; ++match) {
      const std::string target = (*match)[1], file = target.substr(0, target.find('#'));
      if (!file.empty() && target.find(':') == std::string::npos) targets.push_back(file);
    }
  }
  return targets;
}

// What the program prints. Throws unless it ends well.
std::string output_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  nlcl::require<nlcl::IoError>(pipe != nullptr, "cannot run ", command);
  std::string output;
  std::array<char, 4096> block;
  for (std::size_t count; (count = std::fread(block.data(), 1, block.size(), pipe)) > 0;)
    output.append(block.data(), count);
  nlcl::require<nlcl::IoError>(pclose(pipe) == 0, command, " failed");
  return output;
}

std::string quoted(const fs::path& path) { return text("'", path.string(), "'"); }

}  // namespace

TEST_CASE("quotes in the chapters are verbatim", "[docs]") {
  for (const fs::path& page : all_pages())
    for (const Fence& fence : fences_of(lines_of(content_of(page)))) {
      INFO(page.filename().string() << ", line " << fence.line << ": " << fence.source);
      if (fence.source.empty()) {
        CHECK(fence.language != "cpp");  // code and output are taken from files
        CHECK(fence.language != "text");
        continue;
      }
      const Lines source = lines_of(content_of(page.parent_path() / fence.source));
      if (fence.source.ends_with(".out"))
        CHECK(fence.lines == source);
      else
        CHECK(occurs(fence.lines, source));
    }
}

TEST_CASE("links in the documentation lead to files", "[docs]") {
  std::vector<fs::path> pages = all_pages();
  if (fs::exists(root / "README.md")) pages.push_back(root / "README.md");
  for (const fs::path& page : pages)
    for (const std::string& target : links_of(lines_of(content_of(page)))) {
      INFO(page.filename().string() << " links to " << target);
      CHECK(fs::exists(page.parent_path() / target));
    }
}

// The numbers of an ordered list under the heading "Exercises", and of headings as "## 1. What it says".
std::vector<std::string> numbers_in(const fs::path& page, const std::regex& number) {
  std::vector<std::string> numbers;
  bool under_exercises = page.parent_path() == answers;
  for (const std::string& line : lines_of(content_of(page))) {
    if (line.starts_with("## ") && page.parent_path() == docs) under_exercises = line == "## Exercises";
    if (std::smatch match; under_exercises && std::regex_search(line, match, number))
      numbers.push_back(match[1]);
  }
  return numbers;
}

TEST_CASE("every exercise has an answer, and the chapter leads to it", "[docs]") {
  static const std::regex exercise("^(\\d+)\\. "), answer("^## (\\d+)\\. ");
  for (const fs::path& page : files_in(docs, ".md")) {
    INFO(page.filename().string());
    const std::vector<std::string> asked = numbers_in(page, exercise);
    if (asked.empty()) continue;
    REQUIRE(fs::exists(answers / page.filename()));
    CHECK(numbers_in(answers / page.filename(), answer) == asked);
    CHECK(content_of(page).ends_with("[Answers](answers/" + page.filename().string() + ")\n"));
  }
}

TEST_CASE("the contents list every chapter, and a chapter shows every example", "[docs]") {
  const std::string contents = content_of(docs / "README.md");
  for (const fs::path& page : files_in(docs, ".md")) {
    INFO(page.filename().string());
    if (page.filename() != "README.md")
      CHECK(contents.find("](" + page.filename().string() + ")") != std::string::npos);
  }
  std::string text_of_all;
  for (const fs::path& page : all_pages()) text_of_all += content_of(page);
  for (const std::string kind : {"examples", "answers"})
    for (const fs::path& program : files_in(docs / kind, ".cpp")) {
      INFO(program.string());
      const std::string name = program.filename().string();
      CHECK(text_of_all.find((kind == "examples" ? "examples/" : "](") + name) != std::string::npos);
    }
}

TEST_CASE("examples and answers print what the pages show", "[docs]") {
  for (const std::string kind : {"examples", "answers"})
    for (const fs::path& expected : files_in(docs / kind, ".out")) {
      INFO(expected.string());
      CHECK(output_of(quoted(nlcl::test::program_path(kind) / expected.stem())) == content_of(expected));
    }
}

TEST_CASE("the program of the quick start removes the rain", "[docs]") {
  using namespace nlcl;
  const fs::path folder = fs::temp_directory_path() / text("nlcl-docs-", std::random_device()());
  fs::create_directory(folder);
  const fs::path weights = folder / "weights.safetensors", in = folder / "in.png", out = folder / "out.png";

  Generator<float> generator;
  write_checkpoint(weights, state_of(generator));
  Image image{9, 14, 3, std::vector<std::uint8_t>(9 * 14 * 3)};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 37);
  write_image(in, image);

  output_of(text(quoted(nlcl::test::program_path("examples/derain")), ' ', quoted(weights), ' ', quoted(in),
                 ' ', quoted(out)));
  const Image found = read_image(out), expected = to_image(GeneratorPlan(generator)(to_tensor(image)));
  REQUIRE(found.pixels.size() == expected.pixels.size());
  int worst = 0;  // one level where the two programs were compiled for different instruction sets
  for (std::size_t i = 0; i < found.pixels.size(); ++i)
    worst = std::max(worst, std::abs(found.pixels[i] - expected.pixels[i]));
  CHECK(worst <= 1);
  fs::remove_all(folder);
}
