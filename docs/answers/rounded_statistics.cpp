// Mean and deviation of half a million numbers, and of the same rounded to the 8 bits of bf16.
#include <cmath>
#include <cstdio>
#include <vector>

#include "nlcl/core/random.hpp"

using namespace nlcl;

double in_bf16(double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

struct Moments {
  double mean = 0, deviation = 0;

  explicit Moments(const std::vector<double>& x) {
    for (const double value : x) mean += value / static_cast<double>(x.size());
    double square = 0;
    for (const double value : x) square += (value - mean) * (value - mean);
    deviation = std::sqrt(square / static_cast<double>(x.size()));
  }
};

int main() {
  for (const double mean : {0.0, 1.0, 10.0, 100.0}) {
    std::vector<double> x(500'000), rounded;
    Random random(1);
    for (double& value : x) value = mean + random.normal();
    for (const double value : x) rounded.push_back(in_bf16(value));
    const Moments exact(x), found(rounded);
    std::printf("mean %3.0f: the mean moves by %.0e, the deviation by %.0e\n", mean,
                std::abs(found.mean - exact.mean), std::abs(found.deviation - exact.deviation));
  }
}
