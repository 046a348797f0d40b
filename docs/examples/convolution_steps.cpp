// One convolution, 3x3, 32 to 32 channels, on 256 x 256 pixels, computed step by step faster, on one thread.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "nlcl/core/winograd.hpp"
#include "nlcl/nn/init.hpp"
#include "nlcl/ops/conv2d.hpp"

using namespace nlcl;

namespace {

// body.operator()<0>(), body.operator()<1>(), ..., written out at compile time.
template <int Count>
NLCL_INLINE void for_each_number(const auto& body) {
  [&]<int... N>(std::integer_sequence<int, N...>) NLCL_INLINE_LAMBDA { (body.template operator()<N>(), ...); }
  (std::make_integer_sequence<int, Count>{});
}

constexpr Index height = 256, width = 256, in = 32, out = 32;
constexpr Index padded = width + 2;  // pixels of a row of x, which comes with its frame of zeros
constexpr Index window = 3 * in;     // numbers that one output pixel sees of one input row

// Where a number lies in x [height+2,padded,in], in w [3,3,in,out] and in y [height,width,out]. Every step adds
// to y, which begins as zeros.
constexpr Index at_x(Index i, Index j, Index c = 0) { return (i * padded + j) * in + c; }
constexpr Index at_w(Index u, Index v, Index c, Index o = 0) { return ((u * 3 + v) * in + c) * out + o; }
constexpr Index at_y(Index i, Index j, Index o = 0) { return (i * width + j) * out + o; }

void naive_channels_outside(const float* x, const float* w, float* y) {
  for (Index o = 0; o < out; ++o)
    for (Index c = 0; c < in; ++c)
      for (Index u = 0; u < 3; ++u)
        for (Index v = 0; v < 3; ++v)
          for (Index i = 0; i < height; ++i)
            for (Index j = 0; j < width; ++j)
              y[at_y(i, j, o)] += x[at_x(i + u, j + v, c)] * w[at_w(u, v, c, o)];
}

void naive_formula(const float* x, const float* w, float* y) {
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j)
      for (Index o = 0; o < out; ++o) {
        float sum = 0;
        for (Index u = 0; u < 3; ++u)
          for (Index v = 0; v < 3; ++v)
            for (Index c = 0; c < in; ++c) sum += x[at_x(i + u, j + v, c)] * w[at_w(u, v, c, o)];
        y[at_y(i, j, o)] = sum;
      }
}

void naive_channels_inside(const float* x, const float* w, float* y) {
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j)
      for (Index u = 0; u < 3; ++u)
        for (Index v = 0; v < 3; ++v)
          for (Index c = 0; c < in; ++c) {
            const float value = x[at_x(i + u, j + v, c)];
            for (Index o = 0; o < out; ++o) y[at_y(i, j, o)] += value * w[at_w(u, v, c, o)];
          }
}

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Rows = Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>;

// Every window becomes a row of a matrix of its own: nine times the memory of x.
void im2col(const float* x, const float* w, Matrix& columns, float* y) {
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j)
      for (Index u = 0; u < 3; ++u)
        std::copy_n(x + at_x(i + u, j), window, &columns(i * width + j, u * window));
  Eigen::Map<Matrix>(y, height * width, out).noalias() =
      columns * Eigen::Map<const Matrix>(w, 3 * window, out);
}

// Row j of the left matrix begins one pixel after row j - 1: two thirds of them are the same memory.
void overlapping_rows(const float* x, const float* w, float* y) {
  for (Index i = 0; i < height; ++i)
    for (Index u = 0; u < 3; ++u) {
      const Rows row(x + at_x(i + u, 0), width, window, Eigen::OuterStride<>(in));
      const Eigen::Map<const Matrix> weight(w + at_w(u, 0, 0), window, out);
      Eigen::Map<Matrix>(y + at_y(i, 0), width, out).noalias() += row * weight;
    }
}

// `packed` is w in blocks of tile_columns. With 32 outputs and AVX-512 that is the same.
template <class Accumulate>
void tiles(const float* x, const float* packed, float* y, const Accumulate& accumulate) {
  constexpr Index columns = tile_columns<float>;
  for (Index o = 0; o < out; o += columns)
    for (Index i = 0; i < height; ++i)
      for_each_tile<float>(width, [&]<int Pixels>(Index j) NLCL_INLINE_LAMBDA {
        Tile<float, Pixels> tile;
        tile.load(y + at_y(i, j, o), out);
        for (Index u = 0; u < 3; ++u)
          accumulate(tile, x + at_x(i + u, j), packed + o * 3 * window + u * window * columns);
        tile.store(y + at_y(i, j, o), out);
      });
}

// The broadcast inside every multiply-add, {1to16}: what a compiler is free to make of Tile::accumulate.
#if defined(__AVX512F__) && defined(__GNUC__)
NLCL_INLINE void multiply_add_folded(const float* a, Pack<float> b, Pack<float>& sum) {
  asm("vfmadd231ps %1%{1to16%}, %2, %0" : "+v"(sum.raw) : "m"(*a), "v"(b.raw));
}

struct BroadcastFolded {
  template <int Pixels>
  NLCL_INLINE void operator()(Tile<float, Pixels>& tile, const float* a, const float* b) const {
    using V = Pack<float>;
    for (Index k = 0; k < window; ++k, ++a, b += tile_columns<float>) {
      const V left = V::load(b), right = V::load(b + V::width);
      for_each_number<Pixels>([&]<int R>() NLCL_INLINE_LAMBDA {
        multiply_add_folded(a + R * in, left, tile.left[R]);
        multiply_add_folded(a + R * in, right, tile.right[R]);
      });
    }
  }
};
#endif

struct BroadcastOnce {
  template <int Pixels>
  NLCL_INLINE void operator()(Tile<float, Pixels>& tile, const float* a, const float* b) const {
    tile.accumulate(a, in, 1, b, window);
  }
};

void winograd(const Winograd<float, in, out>& convolution, const float* x, float* y) {
  auto scratch = convolution.make_scratch();
  for (Index i = 0; i < height; i += 4) {
    std::array<const float*, 6> rows;
    for (Index r = 0; r < 6; ++r) rows[static_cast<std::size_t>(r)] = x + at_x(i + r, 0);
    convolution.strip(rows, width, 4, y + at_y(i, 0), nullptr, scratch, [](Index, Index) {});
  }
}

// The shortest of several runs, in seconds of processor time.
double measure(const auto& run, double at_least = 0.5) {
  double best = 1e9, total = 0;
  for (int runs = 0; runs < 2 || total < at_least; ++runs) {
    const std::clock_t start = std::clock();
    run();
    const double time = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    best = std::min(best, time);
    total += time;
  }
  return best;
}

// Multiply-adds on registers alone, enough of them at once to hide their latency, in operations per second.
double measure_peak() {
  using V = Pack<float>;
  constexpr Index rounds = 1'000'000, chains = 12;
  const float a = 0.999f, b = 0.001f;
  const V factor = broadcast_once(&a), term = broadcast_once(&b);
  volatile float sink = 0;
  const double time = measure([&] {
    V x[chains];
    for (V& value : x) value = term;
    const auto step = [&]<int C>() NLCL_INLINE_LAMBDA { x[C] = multiply_add(factor, x[C], term); };
    for (Index round = 0; round < rounds; ++round) for_each_number<chains>(step);
    V sum = x[0];
    for (Index i = 1; i < chains; ++i) sum = sum + x[i];
    sink = sum_of_lanes(sum);
  });
  return 2.0 * rounds * chains * V::width / time;
}

// The last layer of the generator, 32 to 3 channels: as tiles of 32 columns, 29 of them padding, and as dot
// products.
void print_few_channels(const Tensor<float>& image, const Tensor<float>& weight, double peak) {
  const Conv2dSizes sizes(image.shape(), weight.shape(), {.padding = 1});
  const double operations = 2 * sizes.multiply_adds();
  const auto row = [&](const char* name, const auto& run) {
    const double time = measure(run);
    std::printf("| %s | %.2f | %.1f | %.1f %% |\n", name, 1e3 * time, operations / time / 1e9,
                100 * operations / time / peak);
  };
  std::printf("\n| 32 to 3 channels | ms | GFLOP/s | of the peak |\n| --- | ---: | ---: | ---: |\n");
  row("register tile", [&] { detail::conv2d_direct<float>(sizes, image, weight, {}); });
  row("dot products", [&] { detail::conv2d_dot<float, 3>(sizes, image, weight, {}); });
}

Tensor<float> random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<float> tensor(shape);
  Random random(seed);
  fill_uniform(tensor, 1, random);
  return tensor;
}

Tensor<double> in_double(const Tensor<float>& x) {
  Tensor<double> result(x.shape());
  std::copy_n(x.data(), x.size(), result.mutable_data());
  return result;
}

}  // namespace

int main() {
  set_threads(1);
  const Tensor<float> image = random_tensor({1, height, width, in}, 1);
  const Tensor<float> weight = random_tensor({3, 3, in, out}, 2);
  auto framed = Tensor<float>::zeros({height + 2, padded, in});
  for (Index i = 0; i < height; ++i)
    std::copy_n(image.data() + i * width * in, width * in,
                framed.mutable_data() + ((i + 1) * padded + 1) * in);
  Tensor<float> packed_weight({packed_size<float>(3 * window, out)});
  pack_columns(weight.data(), out, 3 * window, out, packed_weight.mutable_data());
  Matrix columns(height * width, 3 * window);
  const Winograd<float, in, out> convolution(weight, Tensor<float>::zeros({out}));
  const Tensor<double> exact = conv2d(in_double(image), in_double(weight), {}, {.padding = 1});

  const double peak = measure_peak(), operations = 2.0 * height * width * 9 * in * out;
  const int lanes = static_cast<int>(Pack<float>::width);
  std::printf("one thread, registers of %d numbers, peak %.1f GFLOP/s\n\n", lanes, peak / 1e9);
  std::printf("| step | ms | GFLOP/s | of the peak | error |\n| --- | ---: | ---: | ---: | ---: |\n");

  const auto step = [&](const char* name, const auto& run) {
    auto y = Tensor<float>::zeros({height, width, out});
    run(y.mutable_data());
    double squares = 0, error = 0;
    for (Index i = 0; i < y.size(); ++i) {
      squares += exact.data()[i] * exact.data()[i];
      error += std::pow(static_cast<double>(y.data()[i]) - exact.data()[i], 2);
    }
    const double time = measure([&] { run(y.mutable_data()); });
    std::printf("| %s | %.2f | %.1f | %.1f %% | %.1e |\n", name, 1e3 * time, operations / time / 1e9,
                100 * operations / time / peak, std::sqrt(error / squares));
    std::fflush(stdout);
  };
  const float *const x = framed.data(), *const w = weight.data(), *const packed = packed_weight.data();
  step("1. loops, channels outside", [&](float* y) { naive_channels_outside(x, w, y); });
  step("2. loops, as the formula", [&](float* y) { naive_formula(x, w, y); });
  step("3. loops, channels inside", [&](float* y) { naive_channels_inside(x, w, y); });
  step("4. im2col, Eigen's product", [&](float* y) { im2col(x, w, columns, y); });
  step("5. overlapping rows, Eigen's product", [&](float* y) { overlapping_rows(x, w, y); });
#if defined(__AVX512F__) && defined(__GNUC__)
  step("6. register tile, broadcast folded", [&](float* y) { tiles(x, packed, y, BroadcastFolded{}); });
#endif
  step("7. register tile, broadcast once", [&](float* y) { tiles(x, packed, y, BroadcastOnce{}); });
  step("8. Winograd", [&](float* y) { winograd(convolution, x, y); });

  print_few_channels(image, random_tensor({3, 3, in, 3}, 3), peak);
}
