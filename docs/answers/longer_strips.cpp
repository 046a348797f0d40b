// The numbers of summation_order.cpp, added in strips: what joins the strips in which numbers, and how long the strips are.
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

#include "nlcl/core/random.hpp"

using namespace nlcl;
using Values = std::vector<float>;

float as_a_tree(Values x) {
  for (std::size_t rows = x.size(); rows > 1; rows = (rows + 1) / 2) {
    const std::size_t half = (rows + 1) / 2;
    for (std::size_t row = 0; row + half < rows; ++row) x[row] += x[row + half];
  }
  return x.front();
}

// Strips of 32 rows with `steps` numbers each; `Total` joins them.
template <class Total>
double in_strips(const Values& x, std::size_t steps) {
  constexpr std::size_t rows = 32;
  Total total = 0;
  for (std::size_t first = 0; first < x.size(); first += rows * steps) {
    Values sums(rows);
    for (std::size_t i = 0; i < rows * steps; ++i) sums[i % rows] += x[first + i];
    total += static_cast<Total>(as_a_tree(sums));
  }
  return static_cast<double>(total);
}

// Of 16 draws, what is usual: the root of the mean square.
void print(const char* name, const auto& sum_of) {
  double square = 0;
  constexpr std::uint64_t draws = 16;
  for (std::uint64_t seed = 0; seed < draws; ++seed) {
    Values x(1 << 20);
    Random random(seed);
    for (float& value : x) value = static_cast<float>(random.uniform(0, 1));
    square += std::pow(sum_of(x) - std::accumulate(x.begin(), x.end(), 0.0), 2);
  }
  std::printf("%-40s error %8.4f\n", name, std::sqrt(square / static_cast<double>(draws)));
}

int main() {
  print("one after the other",
        [](const Values& x) { return static_cast<double>(std::accumulate(x.begin(), x.end(), 0.0f)); });
  print("strips of   512, joined in double", [](const Values& x) { return in_strips<double>(x, 16); });
  print("strips of   512, joined in float", [](const Values& x) { return in_strips<float>(x, 16); });
  print("strips of 8,192, joined in double", [](const Values& x) { return in_strips<double>(x, 256); });
  print("strips of 8,192, joined in float", [](const Values& x) { return in_strips<float>(x, 256); });
}
