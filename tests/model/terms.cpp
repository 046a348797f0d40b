#include "nlcl/model/terms.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

#include "nlcl/io/file.hpp"
#include "support/paths.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// The document in one line: a sentence may be broken in two.
std::string chapter() {
  const auto bytes = read_file(source_path("docs/12-objective-and-training.md"));
  std::string content(text_of(bytes));
  for (char& c : content)
    if (c == '\n') c = ' ';
  return content;
}

}  // namespace

TEST_CASE("the table has the losses of a log in their order, and the weights of the method", "[model]") {
  const std::vector<std::pair<std::string, double>> expected{{"adversarial", 1},      {"location_rainy", 0.5},
                                                             {"location_clean", 0.5}, {"layer", 1},
                                                             {"consistency", 1},      {"sparsity", 0.1},
                                                             {"chroma", 0},           {"identity", 0},
                                                             {"recomposition", 0},    {"drawn", 0}};
  std::vector<std::pair<std::string, double>> rows;
  for (const Term<float>& term : loss_terms()) rows.emplace_back(term.name, term.weight * term.share);
  REQUIRE(rows.size() >= expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(rows[i].first);
    if (i < expected.size())
      CHECK(rows[i] == expected[i]);
    else
      CHECK(rows[i].second == 0);  // what comes after them is off unless asked for
  }
}

TEST_CASE("every row says what it means, and chapter 12 says the same", "[model]") {
  const std::string page = chapter();
  std::set<std::string> names, meanings;
  for (const Term<float>& term : loss_terms()) {
    CAPTURE(term.name, term.meaning);
    CHECK(names.insert(term.name).second);
    CHECK(meanings.insert(term.meaning).second);
    CHECK(term.meaning.size() > 10);
    CHECK(page.find(term.meaning) != std::string::npos);
    CHECK(page.find("`--" + term.weight_name() + "-weight`") != std::string::npos);
  }
}

TEST_CASE("the losses of a log have a meaning each, the two that are no terms too", "[model]") {
  std::vector<std::string> names;
  for (const auto& [name, meaning] : loss_meanings()) {
    names.push_back(name);
    CHECK_FALSE(meaning.empty());
  }
  std::vector<std::string> expected{"total", "discriminator"};
  for (const Term<float>& term : loss_terms()) expected.push_back(term.name);
  CHECK(names == expected);
}

TEST_CASE("passes are a set, and the discriminator needs what it judges", "[model]") {
  Passes passes;
  for (const Pass pass : {Pass::background, Pass::identity, Pass::rain, Pass::discriminator, Pass::drawn})
    CHECK_FALSE(passes.has(pass));
  passes |= {Pass::drawn};
  CHECK((passes.has(Pass::drawn) && !passes.has(Pass::background)));
  passes |= {Pass::discriminator, Pass::rain};
  CHECK((passes.has(Pass::discriminator) && passes.has(Pass::background) && passes.has(Pass::rain)));
  CHECK_FALSE(passes.has(Pass::identity));

  auto terms = loss_terms();
  for (Term<float>& term : terms) term.weight = 0;
  CHECK_FALSE(passes_of(terms).has(Pass::background));
  CHECK(memory_per_pixel(terms) == 0);
}

TEST_CASE("the memory of a step is that of its passes and terms", "[model]") {
  auto terms = loss_terms();
  const double whole = memory_per_pixel(terms);
  CHECK(whole == 25'100);
  const auto set = [&](const std::string& name, double weight) {
    for (Term<float>& term : terms)
      if (term.weight_name() == name) term.weight = weight;
  };
  set("chroma", 1), set("identity", 1);  // made of passes that are there
  CHECK(memory_per_pixel(terms) == whole);
  set("recomposition", 1), set("drawn", 1);  // a pass of G_B more each
  CHECK(memory_per_pixel(terms) == whole + 2 * 3700);
  for (Term<float>& term : terms) term.weight = 0;
  set("drawn", 1);
  CHECK(memory_per_pixel(terms) == 3700);
}
