// The axis of a chart, with round marks, and short numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <string>
#include <vector>

#include "nlcl/core/error.hpp"

namespace nlcl {

// With that many significant digits at least; 0.00015 is 1.5e-4.
inline std::string short_number(double value, int digits = 3) {
  const int power = value == 0 ? 0 : static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9));
  if (power >= -3 && power < 6) return text(std::setprecision(std::max(digits, power + 1)), value);
  return text(std::setprecision(digits), value / std::pow(10, power), 'e', power);
}

// Marks of an axis at round numbers, four or so.
struct Axis {
  double low = 0, high = 1, spacing = 1;

  // Reaches to the marks around the range.
  static Axis around(double low, double high) {
    if (high - low < 1e-9 * std::max(std::abs(low), std::abs(high)) || high == low) {
      const double margin = low == 0 ? 1 : std::abs(low) / 2;
      low -= margin, high += margin;
    }
    const double spacing = round_spacing(high - low);
    return {std::floor(low / spacing + 1e-9) * spacing, std::ceil(high / spacing - 1e-9) * spacing, spacing};
  }
  static Axis from_zero(double high) { return {0, high, round_spacing(high)}; }

  std::vector<double> marks() const {
    std::vector<double> result;
    for (double k = std::ceil(low / spacing - 1e-9); k * spacing <= high + 1e-9 * spacing; ++k)
      result.push_back(k * spacing + 0.0);  // never -0
    return result;
  }

  // As many digits as tell a mark from the next.
  std::string label(double mark) const {
    const double larger = std::max(std::abs(mark), spacing);
    return short_number(
        mark, 1 + static_cast<int>(std::floor(std::log10(larger)) - std::floor(std::log10(spacing))));
  }

 private:
  static double round_spacing(double range) {
    const double power = std::pow(10, std::floor(std::log10(range / 4)));
    for (const double factor : {1, 2, 5})
      if (range / (factor * power) <= 5) return factor * power;
    return 10 * power;
  }
};

}  // namespace nlcl
