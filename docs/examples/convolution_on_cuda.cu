// One convolution, 3x3, 32 to 32 channels, computed step by step faster on a GPU. The first two steps are here, the
// others in cuda/nlcl/ops/conv2d/tiles.cuh.
//
//     convolution_on_cuda [height width]
//
// ends with an error if a step differs from the CPU's result.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "nlcl/core/block.cuh"
#include "nlcl/core/cuda.hpp"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/random.hpp"
#include "nlcl/ops/conv2d.hpp"

using namespace nlcl;

namespace {

constexpr int in = 32, out = 32;
constexpr int tile = 16, margin = tile + 2;  // of pixels, along both sides
constexpr int threads = 256, warps = threads / cuda::warp_size;

using cuda::block, cuda::lane, cuda::thread, cuda::warp;

// Every thread computes a number of y: its lane is the output channel, a warp is a pixel.
__global__ void naive(const float* x, const float* w, int height, int width, float* y) {
  const int o = lane(), pixel = block().x * warps + warp();
  const int i = pixel / width, j = pixel % width;
  if (i >= height) return;
  float sum = 0;
  for (int u = 0; u < 3; ++u)
    for (int v = 0; v < 3; ++v) {
      const int row = i + u - 1, column = j + v - 1;
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      for (int c = 0; c < in; ++c)
        sum += x[(row * width + column) * in + c] * w[((u * 3 + v) * in + c) * out + o];
    }
  y[pixel * out + o] = sum;
}

// The same from a tile of x in shared memory, with its margin: each pixel comes from global memory once, not nine times.
__global__ void shared_tile(const float* x, const float* w, int height, int width, float* y) {
  __shared__ cuda::SharedArray<float, margin, margin, in> x_tile;
  const int top = block().y * tile, left = block().x * tile;
  for (int n = thread().x; n < margin * margin * in; n += threads) {
    const int row = top + n / (margin * in) - 1, column = left + n / in % margin - 1;
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    x_tile[n] = inside ? x[(row * width + column) * in + n % in] : 0.0f;
  }
  cuda::block_sync();

  const int o = lane();
  for (int pixel = warp(); pixel < tile * tile; pixel += warps) {
    const int i = pixel / tile, j = pixel % tile;
    float sum = 0;
    for (int u = 0; u < 3; ++u)
      for (int v = 0; v < 3; ++v)
        for (int c = 0; c < in; ++c) sum += x_tile(i + u, j + v, c) * w[((u * 3 + v) * in + c) * out + o];
    if (top + i < height && left + j < width) y[((top + i) * width + left + j) * out + o] = sum;
  }
}

Tensor<float> random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<float> tensor(shape);
  Random random(seed);
  for (Index i = 0; i < tensor.size(); ++i)
    tensor.mutable_data()[i] = static_cast<float>(random.uniform(-1, 1));
  return tensor;
}

Tensor<double> in_double(const Tensor<float>& x) {
  Tensor<double> result(x.shape());
  std::copy_n(x.data(), x.size(), result.mutable_data());
  return result;
}

double relative_error(const Tensor<float>& found, const Tensor<double>& expected) {
  double error = 0, square = 0;
  for (Index i = 0; i < found.size(); ++i) {
    error += std::pow(static_cast<double>(found.data()[i]) - expected.data()[i], 2);
    square += std::pow(expected.data()[i], 2);
  }
  return std::sqrt(error / square);
}

// Of one run among `runs`.
double seconds(const auto& run, int runs) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < runs; ++i) run();
  cuda::synchronize(0);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / runs;
}

// Whether all steps are right.
bool run_steps(int height, int width) {
  const Device device = Device::cuda();
  const Conv2dOptions options{.padding = 1};
  const auto x = random_tensor({1, height, width, in}, 1), w = random_tensor({3, 3, in, out}, 2);
  const Tensor<double> expected = conv2d(in_double(x), in_double(w), {}, options);
  const Tensor<float> x_there = x.to(device), w_there = w.to(device);
  Tensor<float> y(expected.shape(), device);

  bool right = true;
  std::printf("| step | us | TFLOP/s | error |\n| --- | ---: | ---: | ---: |\n");
  const auto step = [&](const char* name, double tolerance, const auto& run) {
    run();
    const double error = relative_error(y.to(Device::cpu()), expected);
    const double first = seconds(run, 1);
    const double time = seconds(run, first < 1e-2 ? 100 : 1);
    std::printf("| %s | %.1f | %.2f | %.1e |\n", name, 1e6 * time,
                2.0 * height * width * 9 * in * out / time / 1e12, error);
    right = right && error <= tolerance;
  };

  step("1. naive", 1e-6, [&] {
    cuda::launch<naive>(
        {.device = device, .grid = cuda::blocks_for(Index{height} * width, warps), .block = threads},
        x_there.data(), w_there.data(), height, width, y.mutable_data());
  });
  step("2. shared tile", 1e-6, [&] {
    cuda::launch<shared_tile>({.device = device,
                               .grid = dim3(cuda::blocks_for(width, tile), cuda::blocks_for(height, tile)),
                               .block = threads},
                              x_there.data(), w_there.data(), height, width, y.mutable_data());
  });
  const auto engine = [&](Precision wanted) {
    return [&, wanted] {
      set_precision(wanted);
      y = conv2d(x_there, w_there, {}, options);
    };
  };
  step("3. register tile", 1e-6, engine(Precision::float32));
  step("4. tensor cores, tf32", 1e-3, engine(Precision::tf32));
  step("5. tensor cores, bf16", 1e-2, engine(Precision::bf16));
  return right;
}

}  // namespace

int main(int count, char** arguments) {
  const int height = count > 2 ? std::atoi(arguments[1]) : 512,
            width = count > 2 ? std::atoi(arguments[2]) : 1024;
  if (cuda::device_count() == 0) {
    std::printf("no CUDA device here\n");
    return 0;
  }
  return run_steps(height, width) ? 0 : 1;
}
