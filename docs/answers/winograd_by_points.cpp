// Winograd's filters for any points, in double: F(2, 3) and F(6, 3), their largest entries, and that they compute the
// filter.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

using Points = std::vector<double>;  // and infinity

void filter(const char* name, const Points& points) {
  constexpr std::size_t taps = 3;
  const std::size_t window = points.size() + 1, outputs = window - taps + 1;
  const std::vector<double> d{3, 1, 4, 1, 5, 9, 2, 6}, w{2, 7, 1};
  std::vector<double> y(outputs, 0.0);
  double largest_a = 0, largest_b = 0;
  for (std::size_t p = 0; p < window; ++p) {
    const bool infinite = p == points.size();
    std::vector<double> row(window, 0.0);  // of B^T
    row[0] = 1;
    double divisor = 1;
    for (std::size_t other = 0; other < points.size(); ++other) {
      if (other == p) continue;
      for (std::size_t i = window - 1; i > 0; --i) row[i] = row[i - 1] - points[other] * row[i];
      row[0] *= -points[other];
      if (!infinite) divisor *= points[p] - points[other];
    }
    const auto power = [&](std::size_t e, std::size_t last) {
      return infinite ? (e == last ? 1.0 : 0.0) : std::pow(points[p], e);
    };
    double left = 0, right = 0;
    for (std::size_t i = 0; i < window; ++i)
      left += row[i] * d[i], largest_b = std::max(largest_b, std::abs(row[i]));
    for (std::size_t k = 0; k < taps; ++k) right += power(k, taps - 1) * w[k] / divisor;
    for (std::size_t i = 0; i < outputs; ++i) {
      y[i] += power(i, outputs - 1) * left * right;
      largest_a = std::max(largest_a, power(i, outputs - 1));
    }
  }
  std::printf("%s: largest of A^T %g, of B^T %g; outputs", name, largest_a, largest_b);
  double worst = 0;
  for (std::size_t i = 0; i < outputs; ++i) {
    std::printf(" %.0f", y[i]);
    worst = std::max(worst, std::abs(y[i] - (d[i] * w[0] + d[i + 1] * w[1] + d[i + 2] * w[2])));
  }
  std::printf(", as directly: %s\n", worst < 1e-9 ? "yes" : "no");
}

int main() {
  filter("F(2,3), points 0 1 -1            ", {0, 1, -1});
  filter("F(4,3), points 0 1 -1 2 -2       ", {0, 1, -1, 2, -2});
  filter("F(6,3), and 1/2 -1/2             ", {0, 1, -1, 2, -2, 0.5, -0.5});
  filter("F(6,3), and 3 -3 in place of them", {0, 1, -1, 2, -2, 3, -3});
}
