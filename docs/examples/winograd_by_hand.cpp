// Winograd's F(2, 3) with numbers, and the same along both axes of an image: F(2 x 2, 3 x 3).
#include <array>
#include <cstddef>
#include <cstdio>

template <std::size_t Rows, std::size_t Columns>
using Matrix = std::array<std::array<double, Columns>, Rows>;

template <std::size_t Rows, std::size_t Inner, std::size_t Columns>
Matrix<Rows, Columns> product(const Matrix<Rows, Inner>& a, const Matrix<Inner, Columns>& b) {
  Matrix<Rows, Columns> c{};
  for (std::size_t i = 0; i < Rows; ++i)
    for (std::size_t k = 0; k < Inner; ++k)
      for (std::size_t j = 0; j < Columns; ++j) c[i][j] += a[i][k] * b[k][j];
  return c;
}

// m x m^T: the transform m of every column of x, and then of every row.
template <std::size_t Rows, std::size_t Side>
Matrix<Rows, Rows> both_ways(const Matrix<Rows, Side>& m, const Matrix<Side, Side>& x) {
  Matrix<Side, Rows> transposed{};
  for (std::size_t i = 0; i < Rows; ++i)
    for (std::size_t j = 0; j < Side; ++j) transposed[j][i] = m[i][j];
  return product(product(m, x), transposed);
}

constexpr Matrix<4, 4> input{{{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}}};  // B^T
constexpr Matrix<4, 3> weight{
    {{1, 0, 0}, {1. / 2, 1. / 2, 1. / 2}, {1. / 2, -1. / 2, 1. / 2}, {0, 0, 1}}};  // G
constexpr Matrix<2, 4> output{{{1, 1, 1, 0}, {0, 1, -1, -1}}};                     // A^T

template <std::size_t Rows, std::size_t Columns>
void print(const char* name, const Matrix<Rows, Columns>& x) {
  for (const auto& row : x) {
    std::printf("%-10s", &row == &x[0] ? name : "");
    for (double value : row) std::printf("%4.0f", value + 0.0);  // no -0
    std::printf("\n");
  }
}

void one_dimension() {
  const std::array<double, 4> d{3, 1, 4, 1};
  const std::array<double, 3> w{2, 7, 1};
  const double m0 = (d[0] - d[2]) * w[0];
  const double m1 = (d[1] + d[2]) * ((w[0] + w[1] + w[2]) / 2);
  const double m2 = (d[2] - d[1]) * ((w[0] - w[1] + w[2]) / 2);
  const double m3 = (d[1] - d[3]) * w[2];
  std::printf("m = %.0f %.0f %.0f %.0f\n", m0, m1, m2, m3);
  std::printf("y = %.0f %.0f\n", m0 + m1 + m2, m1 - m2 - m3);
  std::printf("directly %.0f %.0f\n\n", d[0] * w[0] + d[1] * w[1] + d[2] * w[2],
              d[1] * w[0] + d[2] * w[1] + d[3] * w[2]);
}

void two_dimensions() {
  const Matrix<4, 4> d{{{3, 1, 4, 1}, {5, 9, 2, 6}, {5, 3, 5, 8}, {9, 7, 9, 3}}};
  const Matrix<3, 3> w{{{1, 2, 1}, {0, 2, 2}, {3, 0, 1}}};
  const Matrix<4, 4> v = both_ways(input, d), u = both_ways(weight, w);
  Matrix<4, 4> m{};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      m[i][j] = u[i][j] * v[i][j];  // all multiplications of data and weight
  Matrix<2, 2> directly{};
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 2; ++j)
      for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t c = 0; c < 3; ++c) directly[i][j] += d[i + r][j + c] * w[r][c];
  print("V", v);
  print("U", u);
  print("U . V", m);
  print("y", both_ways(output, m));
  print("directly", directly);
}

int main() {
  one_dimension();
  two_dimensions();
}
