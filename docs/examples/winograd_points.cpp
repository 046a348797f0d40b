// The matrices of Winograd's F(4, 3), made from the points 0, 1, -1, 2, -2 and infinity, and a filter computed
// with them.
#include <array>
#include <cstdio>

constexpr int outputs = 4, taps = 3, window = outputs + taps - 1;
constexpr std::array<int, window - 1> points{0, 1, -1, 2, -2};  // and infinity

int power(int base, int exponent) { return exponent == 0 ? 1 : base * power(base, exponent - 1); }

// Column p of A^T and row p of G before the division: the powers of the point. At infinity only the highest
// counts.
int a(int i, int p) {
  return p < window - 1 ? power(points[static_cast<std::size_t>(p)], i) : i == outputs - 1;
}
int g(int p, int k) { return p < window - 1 ? power(points[static_cast<std::size_t>(p)], k) : k == taps - 1; }

// Row p of B^T: the coefficients of the product of (x - b) over all other points b.
std::array<int, window> b(int p) {
  std::array<int, window> product{1};
  for (int other = 0; other < window - 1; ++other) {
    if (other == p) continue;
    for (std::size_t i = window - 1; i > 0; --i)
      product[i] = product[i - 1] - points[static_cast<std::size_t>(other)] * product[i];
    product[0] *= -points[static_cast<std::size_t>(other)];
  }
  return product;
}

// What row p of G is divided by: that product at the point itself.
int divisor(int p) {
  int product = 1;
  for (int other = 0; p < window - 1 && other < window - 1; ++other)
    if (other != p) product *= points[static_cast<std::size_t>(p)] - points[static_cast<std::size_t>(other)];
  return product;
}

int main() {
  std::printf("B^T\n");
  for (int p = 0; p < window; ++p) {
    for (int value : b(p)) std::printf("%4d", value);
    std::printf("\n");
  }
  std::printf("G\n");
  for (int p = 0; p < window; ++p) std::printf("  (%d %2d %d) / %d\n", g(p, 0), g(p, 1), g(p, 2), divisor(p));
  std::printf("A^T\n");
  for (int i = 0; i < outputs; ++i) {
    for (int p = 0; p < window; ++p) std::printf("%4d", a(i, p));
    std::printf("\n");
  }

  const std::array<double, 6> d{3, 1, 4, 1, 5, 9};
  const std::array<double, taps> w{2, 7, 1};
  std::array<double, outputs> y{};
  for (int p = 0; p < window; ++p) {
    double left = 0, right = 0;
    for (std::size_t i = 0; i < window; ++i) left += b(p)[i] * d[i];
    for (std::size_t k = 0; k < taps; ++k) right += g(p, static_cast<int>(k)) * w[k] / divisor(p);
    const double product = left * right;  // one multiplication for each point
    for (std::size_t i = 0; i < outputs; ++i) y[i] += a(static_cast<int>(i), p) * product;
  }
  for (std::size_t i = 0; i < outputs; ++i)
    std::printf("y[%d] = %.4f, directly %.0f\n", static_cast<int>(i), y[i],
                d[i] * w[0] + d[i + 1] * w[1] + d[i + 2] * w[2]);
}
