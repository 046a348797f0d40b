// The same million numbers of one channel, added in float in the orders that a GPU may choose from.
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>
#include <vector>

#include "nlcl/core/random.hpp"

using namespace nlcl;
using Values = std::vector<float>;

float one_after_the_other(const Values& x) { return std::accumulate(x.begin(), x.end(), 0.0f); }

// Halves, and halves of halves: as the threads of a block add theirs, but for the whole channel.
float as_a_tree(Values x) {
  for (std::size_t rows = x.size(); rows > 1; rows = (rows + 1) / 2) {
    const std::size_t half = (rows + 1) / 2;
    for (std::size_t row = 0; row + half < rows; ++row) x[row] += x[row + half];
  }
  return x.front();
}

// Strips of 512: 32 threads with 16 numbers each, a tree, and the strips joined in double.
double in_strips(const Values& x) {
  constexpr std::size_t rows = 32, strip = 16 * rows;
  double total = 0;
  for (std::size_t first = 0; first < x.size(); first += strip) {
    Values sums(rows);
    for (std::size_t i = 0; i < strip; ++i) sums[i % rows] += x[first + i];
    total += static_cast<double>(as_a_tree(sums));
  }
  return total;
}

// What atomicAdd does: blocks arrive in whatever order they end.
float in_order_of_arrival(const Values& x, std::uint32_t run) {
  Values shuffled = x;
  Random random(run);
  for (std::size_t i = x.size(); i-- > 1;)
    std::swap(shuffled[i], shuffled[random.below(static_cast<std::uint32_t>(i + 1))]);
  return one_after_the_other(shuffled);
}

int main() {
  Values x(1 << 20);
  Random random(0);
  for (float& value : x) value = static_cast<float>(random.uniform(0, 1));
  const double exact = std::accumulate(x.begin(), x.end(), 0.0);

  const auto print = [&](const char* order, double sum) {
    std::printf("%-22s %11.3f   error %7.3f\n", order, sum, std::abs(sum - exact));
  };
  print("one after the other", static_cast<double>(one_after_the_other(x)));
  print("in order of arrival", static_cast<double>(in_order_of_arrival(x, 1)));
  print("the same, another run", static_cast<double>(in_order_of_arrival(x, 2)));
  print("as a tree", static_cast<double>(as_a_tree(x)));
  print("in strips", in_strips(x));
}
