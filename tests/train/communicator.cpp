#include "nlcl/train/communicator.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "nlcl/core/random.hpp"
#include "support/thread_ranks.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("a rank alone", "[train]") {
  Alone alone;
  CHECK(alone.rank() == 0);
  CHECK(alone.size() == 1);
  CHECK(alone.gather("x") == std::vector<std::string>{"x"});
  Tensor<float> total({2}, {1, 2});
  alone.add_in_order(total, Tensor<float>({2}, {10, 20}));
  CHECK(total.values()[0] == 11);
  CHECK(total.values()[1] == 22);
  CHECK_NOTHROW(require_same(alone, "images", [] { return std::string("x"); }));
}

TEST_CASE("parts of all sizes cover everything once", "[train]") {
  for (const std::size_t size : {0u, 1u, 3u, 4u, 10u})
    for (const int ranks : {1, 2, 3, 7}) {
      CHECK(part_begin(size, 0, ranks) == 0);
      CHECK(part_begin(size, ranks, ranks) == size);
      for (int rank = 0; rank < ranks; ++rank) {
        const std::size_t count = part_begin(size, rank + 1, ranks) - part_begin(size, rank, ranks);
        CHECK(count >= size / static_cast<std::size_t>(ranks));
        CHECK(count <= size / static_cast<std::size_t>(ranks) + 1);
      }
    }
}

TEST_CASE("sums are in the order of the ranks, on all of them", "[train]") {
  constexpr int ranks = 4;
  Random random(7);
  std::vector<std::vector<float>> values(ranks, std::vector<float>(11));
  for (auto& row : values)
    for (float& value : row) value = static_cast<float>(random.normal() * std::pow(10, random.uniform() * 8));
  std::vector<float> expected(11, -0.0f), backwards = expected;
  for (int rank = 0; rank < ranks; ++rank)
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] += values[static_cast<std::size_t>(rank)][i];
      backwards[i] += values[static_cast<std::size_t>(ranks - 1 - rank)][i];
    }
  REQUIRE(expected != backwards);  // the order can be told from the sums
  std::vector<Tensor<float>> found(ranks);
  on_ranks(ranks, [&](Communicator& here) {
    const auto rank = static_cast<std::size_t>(here.rank());
    found[rank] = Tensor<float>::full({11}, -0.0f);
    here.add_in_order(found[rank], Tensor<float>({11}, values[rank]));
  });
  for (const Tensor<float>& sums : found) CHECK(std::ranges::equal(sums.values(), expected));
}

TEST_CASE("what goes wrong on one rank is told to all", "[train]") {
  std::vector<std::string> told(3);
  on_ranks(3, [&](Communicator& here) {
    std::string& mine = told[static_cast<std::size_t>(here.rank())];
    try {
      together(here, [] {});
      together(here, [&] { require<IoError>(here.rank() != 1, "no such file"); });
      mine = "nothing";
    } catch (const IoError& error) {
      mine = std::string("own: ") + error.what();
    } catch (const OtherRankError& error) {
      mine = std::string("other: ") + error.what();
    }
  });
  CHECK(told == std::vector<std::string>{"other: rank 1: no such file", "own: no such file",
                                         "other: rank 1: no such file"});
  on_ranks(3, [&](Communicator& here) {
    std::string& mine = told[static_cast<std::size_t>(here.rank())];
    try {
      require_same(here, "options", [] { return std::string("same"); });
      require_same(here, "images", [&] { return std::string(here.rank() == 2 ? "cats" : "dogs"); });
      mine = "nothing";
    } catch (const Error& error) {
      mine = error.what();
    }
  });
  CHECK(told == std::vector<std::string>(3, "rank 2 has other images than rank 0"));
}
