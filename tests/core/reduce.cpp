#include "nlcl/core/reduce.hpp"

#include <catch2/catch.hpp>

#include "nlcl/core/random.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("ordered_sum adds f of every index once", "[core]") {
  const WithThreads with(3);
  for (Index count :
       {Index{0}, Index{1}, elements_per_task, elements_per_task + 1, 3 * elements_per_task + 7})
    CHECK(ordered_sum(count, [](Index i) { return static_cast<double>(i + 1); }) ==
          static_cast<double>(count * (count + 1) / 2));
}

TEST_CASE("ordered_sum has the same bits on any number of threads", "[core]") {
  Random random(1);
  std::vector<double> values(10 * elements_per_task);
  for (double& value : values) value = random.normal();
  const auto sum = [&](int count) {
    const WithThreads with(count);
    return ordered_sum(static_cast<Index>(values.size()),
                       [&](Index i) { return values[static_cast<std::size_t>(i)]; });
  };
  const double expected = sum(1);
  for (int count : {1, 2, 3, 7}) CHECK(sum(count) == expected);
}
