// The variance of chapter 5 with sums around 0: in double, of squares that were rounded to float.
#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <limits>

int main() {
  double sum = 0, square_sum = 0;
  const int count = 65536;
  for (int i = 0; i < count; ++i) {
    const float d = i % 2 ? 100.1f : 99.9f;
    sum += static_cast<double>(d);
    square_sum += static_cast<double>(d * d);
  }
  const double mean = sum / count;
  std::printf("mean %.4f, variance %.4f\n", mean, square_sum / count - mean * mean);
  const float square = 100.1f * 100.1f;
  std::printf(
      "half a unit in the last place of %.0f: %.5f\n", static_cast<double>(square),
      static_cast<double>(std::nextafter(square, std::numeric_limits<float>::infinity()) - square) / 2);
  for (const float d : {99.9f, 100.1f})
    std::printf("%.1f: its square is rounded by %+.5f\n", static_cast<double>(d),
                static_cast<double>(d * d) - static_cast<double>(d) * static_cast<double>(d));
}
