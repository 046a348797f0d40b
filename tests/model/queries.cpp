#include "nlcl/model/queries.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("queries are drawn for each image, 16 pixels and more from the border", "[model]") {
  Random random(1);
  std::set<Index> rows, columns;
  for (int i = 0; i < 200; ++i) {
    const auto queries = draw_queries({3, 36, 40, 3}, random);
    REQUIRE(queries.size() == 3);
    for (Index n = 0; n < 3; ++n) {
      CHECK(queries(n).image == n);
      rows.insert(queries(n).row);
      columns.insert(queries(n).column);
    }
  }
  CHECK(rows == std::set<Index>{16, 17, 18, 19, 20});
  CHECK(columns == std::set<Index>{16, 17, 18, 19, 20, 21, 22, 23, 24});
}

TEST_CASE("images too small for a query", "[model]") {
  Random random(1);
  CHECK(draw_queries({1, 33, 33, 3}, random).size() == 1);
  CHECK(message_of<ShapeError>([&] {
          draw_queries({1, 32, 40, 3}, random);
        }) == "queries: images expect sides above 32, x is [1,32,40,3]");
  CHECK(message_of<ShapeError>([&] {
          draw_queries({1, 40, 32, 3}, random);
        }) == "queries: images expect sides above 32, x is [1,40,32,3]");
  CHECK(message_of<ShapeError>([&] {
          draw_queries({40, 40, 3}, random);
        }) == "queries: images expect sides above 32, x is [40,40,3]");
}
