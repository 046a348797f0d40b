// nlcl-bench: how fast each kernel and the whole generator are, beside what the machine can do.
//
// Every figure is the median of several runs. A kernel that computes is compared with the peak of
// multiply-adds, one that mostly moves data with the speed of a copy of the same size; both are measured
// here, in the same run, with the same threads.
//
// On a CUDA device times are the device's own, between two events, the peak is that of the matrix instructions
// of the precision, and what both computes and moves data is held against both: the larger of the two least times is
// its floor.
//
// An emulated device (tests/emulation/) has no times of its own, but what it is asked for is what a real one would be
// asked for: --count prints how many launches, copies, fills and waits a run takes, and how many bytes.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iomanip>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common.hpp"
#include "nlcl/core/arithmetic_rate.hpp"
#include "nlcl/core/stopwatch.hpp"
#include "nlcl/nlcl.hpp"

#if __has_include("counters.hpp")  // the device is an emulated one
#define NLCL_BENCH_COUNTS
#include "counters.hpp"
#endif

namespace {

using namespace nlcl;

struct Options {
  std::vector<std::string> names;
  Index height = 256, width = 256;
  int repeat = 9;
  bool json = false, list = false, count = false;
  tools::Compute compute;
};

Device device;  // where everything runs

// One benchmark, ready to run. `operations` counts a multiply-add as two; `bytes` is the least that must be
// read and written.
struct Work {
  std::function<void()> run;
  double operations = 0, bytes = 0;
};

struct Benchmark {
  std::string name, what;
  std::function<Work(const Options&)> prepare;
  enum class On { any, cpu, cuda } on = On::any;

  bool is_for(Device where) const { return on == On::any || (on == On::cuda) == where.is_cuda(); }
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of `repeat` runs, sorted.
std::vector<double> times_of(const std::function<void()>& run, int repeat) {
  std::vector<double> times;
  if constexpr (has_cuda)
    if (device.is_cuda()) {
      for (int i = 0; i < 2; ++i) run();  // loads kernels; a step of training is recorded in its second run
      cuda::Stopwatch watch(device.index);
      for (int i = 0; i < repeat; ++i) {
        watch.start();
        run();
        times.push_back(watch.stop());
      }
      std::ranges::sort(times);
      return times;
    }
  run();  // the first run finds cold caches and an empty pool
  for (int i = 0; i < repeat; ++i) {
    const double start = seconds();
    run();
    times.push_back(seconds() - start);
  }
  std::ranges::sort(times);
  return times;
}

double median_seconds(const std::function<void()>& run, int repeat) {
  return times_of(run, repeat)[static_cast<std::size_t>(repeat / 2)];
}

Pool& pool() {
  if constexpr (has_cuda)
    if (device.is_cuda()) return cuda::pool(device.index);
  return Pool::cpu();
}

// The largest resident memory of the process since reset_resident_peak(), where the system tells; else, and on
// a CUDA device, of the tensors.
std::size_t resident_peak() {
  std::ifstream status("/proc/self/status");
  if (!device.is_cuda())
    for (std::string word; status >> word;)
      if (std::size_t kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  return pool().stats().peak;
}
void reset_resident_peak() {
  pool().trim();
  pool().reset_peak();
  std::ofstream("/proc/self/clear_refs") << 5;
}

// ---- the machine

// Multiply-adds on registers alone, enough of them in flight to hide their latency: operations per second of
// all threads. A peak is the best of many runs, and an idle processor takes a while to wake up.
double measure_peak_operations() {
  if constexpr (has_cuda)
    if (device.is_cuda()) return cuda::arithmetic_rate(device.index, precision());
  constexpr Index rounds = 4'000'000, chains = 12;
  std::vector<float> sink(static_cast<std::size_t>(threads()));
  const double time = times_of(
                          [&] {
                            parallel_for(threads(), [&](Index i) {
                              const float a = 0.999f, b = 0.001f;
                              const Pack<float> factor = broadcast_once(&a), term = broadcast_once(&b);
                              Pack<float> x[chains];
                              for (auto& value : x) value = term;
                              for (Index round = 0; round < rounds; ++round)
                                [&]<int... C>(std::integer_sequence<int, C...>) NLCL_INLINE_LAMBDA {
                                  ((x[C] = multiply_add(factor, x[C], term)), ...);
                                }
                              (std::make_integer_sequence<int, chains>{});
                              Pack<float> sum = x[0];
                              for (Index c = 1; c < chains; ++c) sum = sum + x[c];
                              sink[static_cast<std::size_t>(i)] = sum_of_lanes(sum);
                            });
                          },
                          20)
                          .front();
  return 2.0 * static_cast<double>(rounds * chains * Pack<float>::width * threads()) / time;
}

// A copy that reads and writes `bytes` in all: bytes per second. A benchmark is compared with a copy of its
// own size, since what fits into the caches is copied several times as fast; no cache holds a gigabyte.
double measure_copy_bandwidth(double bytes) {
  const Index count = std::max<Index>(1, static_cast<Index>(std::min(bytes, 0x1p30) / (2 * sizeof(float))));
  const Tensor<float> from = Tensor<float>::full({count}, 1, device);
  Tensor<float> to = Tensor<float>::zeros({count}, device);
  float* const out = to.mutable_data();
  const double time = median_seconds(
      [&] {
        if (device.is_cuda()) return to.assign(from);
        parallel_blocks(count, elements_per_task, [&](Index begin, Index end) {
          std::copy(from.data() + begin, from.data() + end, out + begin);
        });
      },
      5);
  return 2.0 * sizeof(float) * static_cast<double>(count) / time;
}

// ---- the benchmarks

Tensor<float> random_tensor(const Shape& shape, std::uint64_t seed) {
  Tensor<float> tensor(shape);
  Random random(seed);
  fill_uniform(tensor, 1, random);
  return tensor.to(device);
}

Generator<float> generator() {
  Generator<float> result;
  to(result, device);
  return result;
}

double bytes_of(std::initializer_list<Index> elements) {
  double sum = 0;
  for (Index count : elements) sum += static_cast<double>(count) * sizeof(float);
  return sum;
}

// One direction of one convolution of the model.
Benchmark convolution(const std::string& direction, Index kernel, Index in, Index out) {
  const std::string k = std::to_string(kernel), channels = std::to_string(in) + "-" + std::to_string(out);
  return {"conv2d-" + direction + "-" + k + "x" + k + "-" + channels,
          "conv2d " + direction + ", " + k + "x" + k + ", " + channels + " channels",
          [=](const Options& options) {
            const auto x = random_tensor({1, options.height, options.width, in}, 1);
            const auto weight = random_tensor({kernel, kernel, in, out}, 2), bias = random_tensor({out}, 3);
            const Conv2dSizes sizes(x.shape(), weight.shape(), {.padding = 1});
            const auto dy = random_tensor(sizes.y(), 4);
            Work work;
            work.operations = 2 * sizes.multiply_adds();
            work.bytes = bytes_of({x.size(), dy.size(), weight.size()});
            if (direction == "forward")
              work.run = [=] { detail::conv2d_compute(sizes, x, weight, bias); };
            else if (direction == "direct")  // without Winograd, for comparison
              work.run = [=] { detail::conv2d_direct(sizes, x, weight, bias); };
            else if (direction == "data-gradient")
              work.run = [=] { detail::conv2d_data_gradient(sizes, weight, dy); };
            else
              work.run = [=] { detail::conv2d_weight_gradient(sizes, x, dy); };
            return work;
          },
          direction == "direct" ? Benchmark::On::cpu : Benchmark::On::any};
}

// An operation of one input that moves data: forward, and backward, which reads `saved` tensors of x's size.
template <class Op>
std::vector<Benchmark> moving(const std::string& name, const Op& op, int saved) {
  const auto input = [](const Options& options) {
    return random_tensor({1, options.height, options.width, 32}, 1);
  };
  return {{name + "-forward", name + ", 32 channels",
           [=](const Options& options) {
             const auto x = input(options);
             const Index size = Op(op).forward(x).size();
             return Work{[=] { Op(op).forward(x); }, 0, bytes_of({x.size(), size})};
           }},
          {name + "-backward", name + " backward, 32 channels", [=](const Options& options) {
             const auto x = input(options);
             Op recorded = op;
             const auto dy = random_tensor(recorded.forward(x).shape(), 2);
             return Work{[=] { recorded.backward(dy, {true}); }, 0,
                         bytes_of({dy.size(), (saved + 1) * x.size()})};
           }}};
}

double generator_operations(Index height, Index width) {
  const Index c = Generator<float>::channels, per_pixel = 34 * 9 * c * c + 2 * 9 * 3 * c;
  return 2.0 * static_cast<double>(per_pixel * height * width);
}

// A full step of training on one crop, counted as direct convolutions. G: three passes of a generator and two as far as the last tap
// of the location contrast. D: two passes in its own step, in which it learns; in the generators' step one on B and one on R as
// far as its last tap, which only pass gradients on. A backward pass costs its forward pass twice, or once where nothing learns.
double training_operations(Index side) {
  const double pixels = static_cast<double>(side * side), c = static_cast<double>(Generator<float>::channels);
  const double to_last_tap = 2 * pixels * (27 * c + 24 * 9 * c * c);
  const double generators = 3 * (3 * generator_operations(side, side) + 2 * to_last_tap);
  double features = 0, whole = 0;  // of the discriminator, forward
  Index size = side;
  const Index channels[] = {3, 64, 128, 256, 512, 1};
  for (int i = 0; i < 5; ++i) {
    size -= 1;
    whole += 2.0 * 16 * static_cast<double>(channels[i] * channels[i + 1] * size * size);
    if (i == 2) features = whole;
    if (i < 3) size = (size + 1) / 2;
  }
  return generators + 2 * 3 * whole + 2 * (whole + features);
}

// The least that a step must move, as if every norm, activation and sum were made where a convolution reads or
// writes. A map of numbers between two convolutions is written and read forward; its gradient is written once and
// read once, and twice more where a weight learns, once with the map itself: 6 in all, 4 where nothing learns. The
// optimiser reads a parameter, its gradient and two means, and writes all but the gradient.
double training_bytes(Index batch, Index side) {
  const double map = static_cast<double>(batch * side * side * Generator<float>::channels);
  double numbers = 6 * map * (3 * 35 + 2 * 25);  // three passes of a generator, two as far as the last tap
  Index size = side;
  for (const Index channels : {64, 128, 256, 512}) {
    size -= 1;
    const int moves =
        channels < 512 ? 2 * 6 + 4 + 4 : 2 * 6 + 4;  // D learns from two passes, and judges B and R
    numbers += moves * static_cast<double>(batch * channels * size * size);
    if (channels < 512) size = (size + 1) / 2;
  }
  Networks<float> networks;
  return sizeof(float) * (numbers + 7 * static_cast<double>(parameter_count(networks)));
}

// A full step of the cvpr2022 objective.
Work training_step(Index batch, Index side) {
  TrainerOptions options;
  options.objective.layer_contrast.pooled = true;
  options.device = device;
  const auto trainer = std::make_shared<Trainer>(options);
  const Shape shape{batch, side, side, 3};
  const std::vector<Batch> batches{{random_tensor(shape, 1), random_tensor(shape, 2)}};
  return {[=] { trainer->run(batches); }, static_cast<double>(batch) * training_operations(side),
          device.is_cuda() ? training_bytes(batch, side) : 0};
}

// The least that the plan must move, as in cuda/nlcl/model/cuda_plan.cuh: 101 maps, and an image twice.
double plan_bytes(Index height, Index width) {
  const double pixels = static_cast<double>(height * width);
  return pixels * (101 * 32 * (precision() == Precision::bf16 ? 2.0 : 4.0) + 2 * 3 * 4);
}

Work plan_work(Index height, Index width) {
  const GeneratorPlan plan{generator()};
  const auto x = random_tensor({1, height, width, 3}, 7);
  return {[=] { plan(x); }, generator_operations(height, width),
          device.is_cuda() ? plan_bytes(height, width) : 0};
}

// The same in tiles of the side that most weights were trained on: what they compute and move, and the image and all
// tiles to cut them and to blend them.
Work tiled_work(Index height, Index width) {
  constexpr Index side = 96;
  Generator<float> network = generator();
  network.set_tile(side);
  const GeneratorPlan plan(network);
  const auto x = random_tensor({1, height, width, 3}, 7);
  const Tiling tiling(height, width, side);
  const Index rows = tiling.rows().side(), columns = tiling.columns().side();
  const auto tiles = static_cast<double>(tiling.size());
  return {[=] { plan(x); }, tiles * generator_operations(rows, columns),
          device.is_cuda() ? tiles * plan_bytes(rows, columns) +
                                 2 * bytes_of({x.size(), tiling.shape(tiling.size(), 3).size()})
                           : 0};
}

// The same, recorded and replayed.
Work replayed(Work work) {
  if constexpr (has_cuda)
    if (device.is_cuda()) {
      work.run();
      const cuda::Graph graph = cuda::record(device.index, work.run);
      work.run = [graph] { graph.replay(); };
    }
  return work;
}

Tensor<float> image(const Options& options) {
  return random_tensor({1, options.height, options.width, 3}, 7);
}

// What the location contrast and the layer contrast do with one tap: 256 centres, 256 numbers for each.
std::vector<Benchmark> contrast_benchmarks() {
  const auto recorded = [](const auto& call, std::vector<Tensor<float>> inputs) {
    for (auto& input : inputs) input.set_requires_grad(true);
    return [=] {
      Tape<float> tape;
      const Tensor<float> y = call(inputs);
      tape.backward(y, y);
    };
  };
  const auto unit = [](Index rows, std::uint64_t seed) {
    return l2_normalize(random_tensor({rows, 256}, seed));
  };
  const double products = 2.0 * 256 * 256 * 256;
  const auto centers = [](const Options& o) {
    std::vector<PatchCenter> result;
    for (Index i = 0; i < 256; ++i) result.push_back({0, i * o.height / 256, (i * 37 % 256) * o.width / 256});
    return patch_centers(result).to(device);
  };
  return {
      {"patch_search", "the four searches of a training step: 2 in 32 channels, 2 in 3",
       [](const Options& o) {
         const auto features = random_tensor({1, o.height, o.width, 32}, 1), picture = image(o);
         const auto query = patch_centers({{0, o.height / 2, o.width / 2}}).to(device);
         return Work{[=] {
                       for (int i = 0; i < 2; ++i) nearest_patches(features, query);
                       nearest_patches(picture, query, {.count = 8});
                       nearest_patches(picture, query, {.count = 128});
                     },
                     3.0 * 1600 * 256 * (32 + 32 + 3 + 3), 0};
       }},
      {"gather_patches", "256 centres in 32 channels, forward and backward",
       [=](const Options& o) {
         const auto at = centers(o);
         const auto x = random_tensor({1, o.height, o.width, 32}, 1);
         return Work{recorded([=, h = o.height,
                               w = o.width](const auto& in) { return gather_patches(in[0], at, h, w); },
                              {x}),
                     0, bytes_of({x.size()})};
       }},
      {"soft_match", "256 matches of 256 numbers, forward and backward",
       [=](const Options&) {
         return Work{recorded([](const auto& in) { return soft_match(in[0], in[1], 0.5); },
                              {random_tensor({1, 256}, 1), random_tensor({256, 256}, 2)}),
                     0, bytes_of({2 * 256 * 256})};
       }},
      {"linear", "256 x 256 -> 256, forward and backward",
       [=](const Options&) {
         return Work{
             recorded([](const auto& in) { return linear(in[0], in[1], in[2]); },
                      {random_tensor({256, 256}, 1), random_tensor({256, 256}, 2), random_tensor({256}, 3)}),
             3 * products, 0};
       }},
      {"l2_normalize", "256 rows of 256, forward and backward",
       [=](const Options&) {
         return Work{
             recorded([](const auto& in) { return l2_normalize(in[0]); }, {random_tensor({256, 256}, 1)}), 0,
             bytes_of({5 * 256 * 256})};
       }},
      {"patch_nce", "256 queries and keys of 256, forward and backward",
       [=](const Options&) {
         return Work{
             recorded([](const auto& in) { return patch_nce(in[0], in[1]); }, {unit(256, 1), unit(256, 2)}),
             3 * products, 0};
       }},
      {"slice", "half of 512 rows of 256, forward and backward",
       [=](const Options&) {
         return Work{
             recorded([](const auto& in) { return slice(in[0], 256, 256); }, {random_tensor({512, 256}, 1)}),
             0, bytes_of({256 * 256, 512 * 256})};
       }},
      {"layer_contrast", "8 and 128 vectors of 256, forward and backward",
       [=](const Options&) {
         return Work{recorded([](const auto& in) { return layer_contrast(in[0], in[1]); },
                              {unit(8, 1), unit(128, 2)}),
                     3 * 2.0 * 136 * 136 * 256, 0};
       }},
      {"pixel_losses", "mean squared error of 3 channels, forward and backward",
       [=](const Options& o) {
         return Work{
             recorded([](const auto& in) { return mean_squared_error(in[0], in[1]); }, {image(o), image(o)}),
             0, bytes_of({8 * o.height * o.width * 3})};
       }},
  };
}

std::vector<Benchmark> benchmarks() {
  std::vector<Benchmark> all = {
      {"training-step", "a full step of the cvpr2022 objective on one square crop of the given height",
       [](const Options& o) { return training_step(1, o.height); }},
      {"generator", "the generator, fused plan for inference",
       [](const Options& o) { return plan_work(o.height, o.width); }},
      {"generator-tiles", "the same in tiles of 96",
       [](const Options& o) { return tiled_work(o.height, o.width); }},
      {"generator-ops", "the generator, operation by operation, not recorded",
       [](const Options& o) {
         const Generator<float> network = generator();
         const auto x = image(o);
         return Work{[=] { network(x); }, generator_operations(o.height, o.width), 0};
       }},
      {"generator-training", "the generator recorded, and all gradients", [](const Options& o) {
         const Generator<float> network = generator();
         const auto x = image(o), dy = random_tensor(x.shape(), 8);
         return Work{[=] {
                       Tape<float> tape;
                       const auto y = network(x);
                       tape.backward(y, dy);
                     },
                     3 * generator_operations(o.height, o.width), 0};
       }}};
  for (const Index batch : {2, 4, 8, 16})
    all.push_back({"training-step-" + std::to_string(batch), text("the same with a batch of ", batch),
                   [=](const Options& o) { return training_step(batch, o.height); }, Benchmark::On::cuda});
  all.push_back({"generator-replayed", "the plan recorded as a graph and replayed",
                 [](const Options& o) { return replayed(plan_work(o.height, o.width)); },
                 Benchmark::On::cuda});
  all.push_back({"generator-512x1024", "the same for 512 x 1024 pixels, whatever the given size",
                 [](const Options&) { return replayed(plan_work(512, 1024)); }, Benchmark::On::cuda});
  all.push_back({"generator-tiles-512x1024", "the same in tiles of 96",
                 [](const Options&) { return replayed(tiled_work(512, 1024)); }, Benchmark::On::cuda});
  all.push_back({"residual_block", "one of 32 channels, forward and backward", [](const Options& o) {
                   const auto x = random_tensor({1, o.height, o.width, 32}, 1),
                              weight = random_tensor({3, 3, 32, 32}, 2), bias = random_tensor({32}, 3),
                              dy = random_tensor(x.shape(), 4);
                   return Work{[=] {
                                 ResidualBlock<float> block;
                                 block.forward(x, weight, bias, weight, bias);
                                 block.backward(dy, {true, true, true, true, true});
                               },
                               3 * 2 * 2.0 * 9 * 32 * 32 * static_cast<double>(o.height * o.width), 0};
                 }});
  all.push_back(convolution("direct", 3, 32, 32));
  for (const char* direction : {"forward", "data-gradient", "weight-gradient"}) {
    all.push_back(convolution(direction, 3, 3, 32));
    all.push_back(convolution(direction, 3, 32, 32));
    all.push_back(convolution(direction, 3, 32, 3));
    all.push_back(convolution(direction, 4, 64, 128));
  }
  for (const auto& benchmark :
       moving("instance_norm", InstanceNorm<float>{instance_norm_eps, {{}, 1}, {}, {}}, 1))
    all.push_back(benchmark);
  for (const auto& benchmark : moving("relu", Relu<float>{}, 1)) all.push_back(benchmark);
  for (const auto& benchmark : moving("leaky_relu", LeakyRelu<float>{0.2f, {}}, 1)) all.push_back(benchmark);
  for (const auto& benchmark : moving("blur_down", BlurDown<float>{}, 0)) all.push_back(benchmark);
  for (const auto& benchmark : moving("scale", Scale<float>{2}, 0)) all.push_back(benchmark);
  for (const auto& benchmark : contrast_benchmarks()) all.push_back(benchmark);
  all.push_back(
      {"sum-forward", "sum, 32 channels", [](const Options& o) {
         const auto a = random_tensor({1, o.height, o.width, 32}, 1), b = random_tensor(a.shape(), 2);
         return Work{[=] { sum(a, b); }, 0, bytes_of({3 * a.size()})};
       }});
  return all;
}

// ---- the report

nlohmann::json measure(const Benchmark& benchmark, const Options& options, double peak_operations) {
  reset_resident_peak();
  const Work work = benchmark.prepare(options);
  const double time = median_seconds(work.run, options.repeat);
  nlohmann::json row{{"name", benchmark.name},        {"seconds_median", time},
                     {"peak_bytes", resident_peak()}, {"height", options.height},
                     {"width", options.width},        {"threads", threads()},
                     {"repeat", options.repeat},      {"tensor_bytes", pool().stats().peak},
                     {"device", text(device)}};
  if (device.is_cuda()) row["precision"] = text(precision());
  if (work.operations > 0) {
    row["gflops"] = work.operations / time / 1e9;
    row["share_of_peak"] = work.operations / time / peak_operations;
    row["operations"] = work.operations;
    row["floor_seconds"] = work.operations / peak_operations;  // of direct convolutions
  }
  if (work.operations <= 0 || (device.is_cuda() && work.bytes > 0)) {
    row["gbytes_per_second"] = work.bytes / time / 1e9;
    row["share_of_copy"] = work.bytes / time / measure_copy_bandwidth(work.bytes);
    row["bytes"] = work.bytes;
  }
  return row;
}

void print_table_row(const nlohmann::json& row) {
  const bool computes = row.contains("gflops");
  std::printf("%-38s %10.3f ms %9.1f %s %6.0f %% %9.1f MB", row["name"].get<std::string>().c_str(),
              1e3 * row["seconds_median"].get<double>(),
              row[computes ? "gflops" : "gbytes_per_second"].get<double>(), computes ? "GFLOP/s" : "GB/s   ",
              100 * row[computes ? "share_of_peak" : "share_of_copy"].get<double>(),
              row["peak_bytes"].get<double>() / 1e6);
  if (computes)
    std::printf("  %.3g GFLOP, %.3f ms at the peak", row["operations"].get<double>() / 1e9,
                1e3 * row["floor_seconds"].get<double>());
  if (computes && row.contains("bytes"))
    std::printf("; %.3g GB, %.0f %% of a copy", row["bytes"].get<double>() / 1e9,
                100 * row["share_of_copy"].get<double>());
  std::printf("\n");
  std::fflush(stdout);
}

// ---- counts, in place of times

#if defined(NLCL_BENCH_COUNTS)
// Of a run like all further ones: a step of training is computed first, then recorded, and replayed from then on.
emulation::Counts count(const Benchmark& benchmark, const Options& options) {
  const emulation::WithChoices with;
  with->only_counts = true;
  emulation::Device::at(device.index).set_memory_limit(~std::size_t{0});  // none of it is touched
  const Work work = benchmark.prepare(options);
  for (int i = 0; i < 2; ++i) work.run();
  emulation::counts() = {};
  work.run();
  return emulation::counts();
}

// A table in Markdown; of a single benchmark another one by kernels.
int print_counts(const std::vector<Benchmark>& chosen, const Options& options) {
  require<tools::UsageError>(device.is_cuda(), "--count: on ", device, ", expected an emulated CUDA device");
  const auto print = [](const std::string& name, const auto&... columns) {
    std::printf("| %s |", name.c_str());
    (std::printf(" %s |", text(columns).c_str()), ...);
    std::printf("\n");
  };
  const auto megabytes = [](std::int64_t bytes) {
    return text(std::fixed, std::setprecision(1), static_cast<double>(bytes) / 1e6);
  };
  std::printf(
      "| in %s | launches | copies | fills | waits | MB |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
      text(precision()).c_str());
  emulation::Counts counts;
  for (const Benchmark& benchmark : chosen) {
    counts = count(benchmark, options);
    print(benchmark.name, counts.launches, counts.copies, counts.fills, counts.waits,
          megabytes(counts.bytes));
  }
  if (options.names.size() != 1) return tools::all_done;
  std::printf("\n| kernel | launches | MB |\n| --- | ---: | ---: |\n");
  for (const auto& [name, of] : counts.kernels) print(name, of.count, megabytes(of.bytes));
  return tools::all_done;
}
#else
int print_counts(const std::vector<Benchmark>&, const Options&) {
  throw tools::UsageError("--count: only nlcl-bench-emulated counts, which is built with the tests");
}
#endif

int bench(const Options& options, const CLI::App& app) {
  const std::vector<Benchmark> all = benchmarks();
  if (options.list) {
    for (const auto& benchmark : all)
      std::printf("%-38s %s\n", benchmark.name.c_str(), benchmark.what.c_str());
    return tools::all_done;
  }
  std::vector<Benchmark> chosen;
  for (const auto& name : options.names) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Benchmark& b) { return b.name == name; });
    if (found == all.end()) throw CLI::ValidationError("no benchmark '" + name + "', see --list");
    chosen.push_back(*found);
  }
  device = options.compute.apply(app, options.json);
  if (options.names.empty())
    std::ranges::copy_if(all, std::back_inserter(chosen),
                         [](const Benchmark& b) { return b.is_for(device); });
  for (const Benchmark& benchmark : chosen)
    require<tools::UsageError>(benchmark.is_for(device), benchmark.name, ": not on ", device);
  if (options.count) return print_counts(chosen, options);

  const double operations = measure_peak_operations(), bandwidth = measure_copy_bandwidth(0x1p29);
  if (!options.json && device.is_cuda())
    std::printf("%s in %s, ", text(device).c_str(), text(precision()).c_str());
  if (!options.json)
    std::printf("%d threads, %d x %d, peak %.1f GFLOP/s, copy %.1f GB/s\n", threads(),
                static_cast<int>(options.height), static_cast<int>(options.width), operations / 1e9,
                bandwidth / 1e9);
  auto rows = nlohmann::json::array();
  for (const auto& benchmark : chosen) {
    rows.push_back(measure(benchmark, options, operations));
    if (!options.json) print_table_row(rows.back());
  }
  if (!options.json) return tools::all_done;
  // One benchmark by name is one object; otherwise all of them, under the machine that they were measured on.
  const nlohmann::json machine{{"peak_gflops", operations / 1e9},
                               {"copy_gbytes_per_second", bandwidth / 1e9}};
  if (options.names.size() == 1) {
    rows[0].update(machine);
    std::printf("%s\n", rows[0].dump().c_str());
  } else {
    std::printf("%s\n", nlohmann::json{{"machine", machine}, {"benchmarks", rows}}.dump(1).c_str());
  }
  return tools::all_done;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Times every kernel and the whole generator: median seconds, GFLOP/s or GB/s, the share of the "
      "machine's measured "
      "peak (of a copy, where data is moved), and the peak memory of the process.",
      "nlcl-bench"};
  Options options;
  app.add_option("names", options.names, "benchmarks to run (default: all)")->option_text("NAME ...");
  app.add_option("--height", options.height, "image height in pixels (default: 256)")
      ->check(tools::within(1, 1 << 15))
      ->option_text("N");
  app.add_option("--width", options.width, "image width in pixels (default: 256)")
      ->check(tools::within(1, 1 << 15))
      ->option_text("N");
  app.add_option("--repeat", options.repeat, "runs, after one that is not counted (default: 9)")
      ->check(tools::within(1, 1 << 20))
      ->option_text("N");
  app.add_flag("--json", options.json, "print JSON");
  app.add_flag("--list", options.list, "name the benchmarks");
  app.add_flag("--count", options.count,
               "print launches, copies, fills, waits and bytes of each, where the device is an emulated one")
      ->excludes("--json")
      ->excludes("--repeat");
  options.compute.add_to(app);
  app.footer(
      "Exit codes: 0 all done; 2 wrong usage; 3 out of memory, or no such device; 130 stopped by Ctrl-C, 143 "
      "by "
      "SIGTERM.");
  return tools::run(app, argc, argv, [&] { return bench(options, app); });
}
