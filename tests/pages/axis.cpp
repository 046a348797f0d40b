#include "nlcl/pages/axis.hpp"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

using namespace nlcl;

TEST_CASE("axis: marks are round, few, and tell each other apart", "[pages]") {
  CHECK(Axis::from_zero(20000).marks() == std::vector<double>{0, 5000, 10000, 15000, 20000});
  CHECK(std::signbit(Axis::around(0, 1).marks().front()) == false);
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0, 1}, {-3, 0.2}, {17.5, 17.6}, {1e-7, 3e-7}, {5, 5}, {0, 0}, {-2, -2}, {1e6, 1e6 + 1}}) {
    CAPTURE(low, high);
    const Axis axis = Axis::around(low, high);
    CHECK(axis.low <= low);
    CHECK(axis.high >= high);
    const std::vector<double> marks = axis.marks();
    CHECK(marks.size() >= 3);
    CHECK(marks.size() <= 7);
    for (std::size_t i = 1; i < marks.size(); ++i) CHECK(axis.label(marks[i]) != axis.label(marks[i - 1]));
  }
}

TEST_CASE("axis: numbers as one reads them", "[pages]") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(17.5432) == "17.5");
  CHECK(short_number(-0.00298) == "-0.00298");
  CHECK(short_number(0.00015) == "1.5e-4");
  CHECK(short_number(12345) == "12345");
  CHECK(short_number(3e7) == "3e7");
}
