// What Winograd's filtering costs in accuracy: tiles of several sizes against the direct sum, all in float, for a layer
// of 32 channels.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <vector>

#include "nlcl/core/random.hpp"

using namespace nlcl;

namespace {

constexpr std::size_t channels = 32, rounds = 200;

// No fused multiply-add: the figures are then the same on every machine.
float times(float a, float b) {
  volatile float product = a * b;
  return product;
}

// The matrices of F(outputs, 3) from the points and infinity, as winograd_points.cpp makes them.
struct Filter {
  std::size_t outputs, window;
  std::vector<std::vector<double>> input, weight, output;  // B^T, G, A^T

  explicit Filter(const std::vector<double>& points) : outputs(points.size() - 1), window(points.size() + 1) {
    output.assign(outputs, std::vector<double>(window, 0));
    for (std::size_t p = 0; p < window; ++p) {
      std::vector<double> coefficients{1};  // of the product of (x - b) over all other points b
      double divisor = 1;
      for (std::size_t other = 0; other < points.size(); ++other) {
        if (other == p) continue;
        coefficients.insert(coefficients.begin(), 0);
        for (std::size_t i = 0; i + 1 < coefficients.size(); ++i)
          coefficients[i] -= points[other] * coefficients[i + 1];
        if (p < points.size()) divisor *= points[p] - points[other];
      }
      coefficients.resize(window, 0);
      input.push_back(coefficients);
      const auto power = [&](std::size_t i, std::size_t highest) {
        return p < points.size() ? std::pow(points[p], static_cast<double>(i)) : i == highest ? 1.0 : 0.0;
      };
      weight.push_back({power(0, 2) / divisor, power(1, 2) / divisor, power(2, 2) / divisor});
      for (std::size_t i = 0; i < outputs; ++i) output[i][p] = power(i, outputs - 1);
    }
  }
};

// m x m^T for a square x, in numbers of type T.
template <class T>
std::vector<T> both_ways(const std::vector<std::vector<double>>& m, const std::vector<T>& x) {
  const std::size_t rows = m.size(), side = m[0].size();
  std::vector<T> half(rows * side, 0), whole(rows * rows, 0);
  const auto multiply = [](double factor, T value) {
    if constexpr (sizeof(T) == sizeof(float))
      return times(static_cast<float>(factor), value);
    else
      return factor * value;
  };
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t k = 0; k < side; ++k)
      for (std::size_t j = 0; j < side; ++j) half[i * side + j] += multiply(m[i][k], x[k * side + j]);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t k = 0; k < side; ++k)
      for (std::size_t j = 0; j < rows; ++j) whole[i * rows + j] += multiply(m[j][k], half[i * side + k]);
  return whole;
}

std::vector<float> random_values(std::size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(2 * random.uniform() - 1);
  return values;
}

// Root mean square errors of the direct sum and of the filter, relative to the result in double.
struct Errors {
  double direct, filtered;
};

Errors errors_of(const Filter& filter) {
  Random random(1);
  const std::size_t n = filter.window, outputs = filter.outputs;
  double squares = 0, direct_squares = 0, filtered_squares = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    std::vector<double> exact(outputs * outputs, 0);
    std::vector<float> direct(outputs * outputs, 0), product(n * n, 0);
    for (std::size_t c = 0; c < channels; ++c) {
      const std::vector<float> d = random_values(n * n, random), w = random_values(9, random);
      for (std::size_t i = 0; i < outputs; ++i)
        for (std::size_t j = 0; j < outputs; ++j)
          for (std::size_t k = 0; k < 9; ++k) {
            const float left = d[(i + k / 3) * n + j + k % 3];
            exact[i * outputs + j] += static_cast<double>(left) * static_cast<double>(w[k]);
            direct[i * outputs + j] += times(left, w[k]);
          }
      const std::vector<double> u = both_ways(filter.weight, std::vector<double>(w.begin(), w.end()));
      const std::vector<float> v = both_ways(filter.input, d);
      for (std::size_t p = 0; p < n * n; ++p) product[p] += times(static_cast<float>(u[p]), v[p]);
    }
    const std::vector<float> filtered = both_ways(filter.output, product);
    for (std::size_t i = 0; i < exact.size(); ++i) {
      squares += exact[i] * exact[i];
      direct_squares += std::pow(static_cast<double>(direct[i]) - exact[i], 2);
      filtered_squares += std::pow(static_cast<double>(filtered[i]) - exact[i], 2);
    }
  }
  return {std::sqrt(direct_squares / squares), std::sqrt(filtered_squares / squares)};
}

void row(const char* name, const std::vector<double>& points) {
  const Filter filter(points);
  const Errors errors = errors_of(filter);
  const double products = static_cast<double>(filter.window * filter.window);
  std::printf("%-13s %2.0f products for %2zu outputs, %.2f each    error %.1f times the direct sum's\n", name,
              products, filter.outputs * filter.outputs,
              products / static_cast<double>(filter.outputs * filter.outputs),
              errors.filtered / errors.direct);
}

}  // namespace

int main() {
  row("F(2x2, 3x3)", {0, 1, -1});
  row("F(4x4, 3x3)", {0, 1, -1, 2, -2});
  row("F(6x6, 3x3)", {0, 1, -1, 2, -2, 0.5, -0.5});
}
