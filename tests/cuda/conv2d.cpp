// The convolutions of a CUDA device in all precisions. tests/ops/conv2d.cpp has those in float32 in every shape.
#include "nlcl/ops/conv2d.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <utility>

#include "nlcl/ops/instance_norm.hpp"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/residual_block.hpp"
#include "nlcl/ops/sum.hpp"
#include "support/cuda.hpp"
#include "support/precision.hpp"
#include "support/tensors.hpp"

#if __has_include("execution.hpp")  // the emulated device, which can pretend to be another one
#define NLCL_TEST_OTHER_DEVICES
#include "choices.hpp"
#include "device.hpp"
#endif

using namespace nlcl;
using namespace nlcl::test;

namespace {

struct Case {
  Shape x, weight;
  Index stride = 1, padding = 1;

  Conv2dOptions options() const { return {.stride = stride, .padding = padding}; }
  Conv2dSizes sizes() const { return {x, weight, options()}; }
};

// All layers of the model, on few pixels and with fewer channels where there are hundreds; and sizes that no tile
// fits.
std::vector<Case> cases() {
  return {
      {{1, 20, 37, 32}, {3, 3, 32, 32}},  // the generator
      {{2, 5, 17, 32}, {3, 3, 32, 32}},        {{2, 9, 18, 3}, {3, 3, 3, 32}},
      {{2, 9, 18, 32}, {3, 3, 32, 3}},         {{2, 9, 10, 3}, {4, 4, 3, 64}},  // the discriminator
      {{2, 9, 18, 64}, {4, 4, 64, 128}},       {{1, 4, 9, 128}, {4, 4, 128, 96}},
      {{1, 3, 4, 256}, {4, 4, 256, 72}},       {{2, 5, 4, 512}, {4, 4, 512, 1}},
      {{1, 70, 130, 8}, {1, 1, 8, 65}, 1, 0},  // enough blocks for wide tiles
      {{2, 9, 11, 32}, {3, 3, 32, 32}, 2},     {{2, 9, 11, 17}, {2, 3, 17, 33}, 3},
      {{1, 8, 9, 40}, {4, 4, 40, 70}, 2, 3},   {{1, 9, 11, 7}, {4, 1, 7, 5}, 1, 0},
      {{1, 25, 26, 8}, {24, 20, 8, 6}, 1, 3},   // no margin of this size fits into shared memory
      {{2100, 1, 1, 40}, {1, 1, 40, 5}, 1, 0},  // several tiles to a block, several to a part
  };
}

// With so many significant bits, ties to even.
Tensor<double> rounded(const Tensor<float>& x, int bits) {
  Tensor<double> result(x.shape());
  std::transform(x.data(), x.data() + x.size(), result.mutable_data(), [=](float value) {
    int exponent = 0;
    const double fraction = std::frexp(static_cast<double>(value), &exponent);
    return std::ldexp(std::nearbyint(std::ldexp(fraction, bits)), exponent - bits);
  });
  return result;
}

// Convolutions from an image or to one are in float32 always.
int significant_bits(const Case& c, Precision precision) {
  if (precision == Precision::float32 || c.weight[2] <= 4 || c.weight[3] <= 4) return 24;
  return precision == Precision::tf32 ? 11 : 8;
}

// What sums of so many products may be off, relative to the largest of the tensor. In float, in whatever order, most errors
// cancel, and a few tens of 2^-24 remain. A sum that is cut off loses up to 2^-23 of what it is so far in every round, always
// towards zero, and a round takes 4 products of tf32 or 8 of bf16 (Ampere; Hopper takes twice as many).
double sum_tolerance(Index terms, int bits, const Way& way) {
  const double in_float = 1e-5;
  if (bits == 24 || !way.cuts_off) return in_float;
  const double rounds = std::ceil(static_cast<double>(terms) / (bits == 11 ? 4 : 8));
  return in_float + rounds * 0x1p-23;
}

struct Results {
  Tensor<float> y, dx, dweight, dbias;
};

Results on_device(const Case& c, const Tensor<float>& x, const Tensor<float>& weight,
                  const Tensor<float>& bias, const Tensor<float>& dy, Device device = cuda_device) {
  const auto leaf = [&](const Tensor<float>& values) { return values.to(device).set_requires_grad(true); };
  const Tensor<float> inputs[] = {leaf(x), leaf(weight), leaf(bias)};
  Tape<float> tape;
  const Tensor<float> y = conv2d(inputs[0], inputs[1], inputs[2], c.options());
  const Gradients<float> gradients = tape.backward(y, dy.to(device));
  const auto gradient = [&](int i) { return gradients.of(inputs[i]).to(Device::cpu()); };
  return {y.to(Device::cpu()), gradient(0), gradient(1), gradient(2)};
}

}  // namespace

TEST_CASE("a convolution on a device adds what it is given to the gradient of its input", "[cuda]") {
  if (!cuda_is_there()) return;
  Random random(9);
  for (const Case& c : cases()) {
    CAPTURE(c.x, c.weight, c.stride);
    const Conv2dSizes sizes = c.sizes();
    const Tensor<float> weight = random_tensor<float>(c.weight, random).to(cuda_device),
                        plus = random_tensor<float>(c.x, random).to(cuda_device);
    const Tensor<float> dy =
        random_tensor<float>({sizes.batch, sizes.out_height, sizes.out_width, sizes.out}, random)
            .to(cuda_device);
    Tensor<float> expected = cuda::conv2d_data_gradient(sizes, weight, dy);
    add_to(expected, plus);
    const Tensor<float> found = cuda::conv2d_data_gradient(sizes, weight, dy, plus);
    CHECK(same_bits(found.to(Device::cpu()), expected.to(Device::cpu())));
  }
}

TEST_CASE("conv2d on a device rounds what it multiplies, and nothing else", "[cuda][thorough]") {
  if (!cuda_is_there()) {
    WARN("skipped: no CUDA device here");
    return;
  }
  const auto [wanted, name] =
      GENERATE(std::pair(Precision::float32, "float32"), std::pair(Precision::tf32, "tf32"),
               std::pair(Precision::bf16, "bf16"));
  INFO(name);
  const WithPrecision with(wanted);
  std::size_t turn = 0;
  for (const Case& c : cases()) {
    INFO("x " << c.x << ", weight " << c.weight << ", stride " << c.stride << ", padding " << c.padding);
    const Conv2dSizes sizes = c.sizes();
    Random random(3);
    const auto x = random_tensor<float>(c.x, random), weight = random_tensor<float>(c.weight, random);
    const auto bias = random_tensor<float>({sizes.out}, random), dy = random_tensor<float>(sizes.y(), random);

    const int bits = significant_bits(c, wanted);
    const auto exact_x = rounded(x, bits), exact_weight = rounded(weight, bits), exact_dy = rounded(dy, bits);
    const auto y = detail::conv2d_direct(sizes, exact_x, exact_weight, converted<double>(bias));
    const auto dx = detail::conv2d_data_gradient(sizes, exact_weight, exact_dy);
    const auto dweight = detail::conv2d_weight_gradient_direct(sizes, exact_x, exact_dy, detail::ReadPlain{});
    const auto dbias = detail::conv2d_bias_gradient(sizes, converted<double>(dy));

    bool is_first = true;
    in_two_ways(wanted, turn++, [&](const Way& way) {
      INFO(way.name);
      const Results found = on_device(c, x, weight, bias, dy);
      const auto tolerance = [&](Index terms) { return sum_tolerance(terms, bits, way); };
      CHECK(relative_difference(found.y, y) <=
            tolerance(sizes.kernel_height * sizes.kernel_width * sizes.in));
      CHECK(relative_difference(found.dx, dx) <=
            tolerance(sizes.kernel_height * sizes.kernel_width * sizes.out));
      CHECK(relative_difference(found.dweight, dweight) <=
            tolerance(sizes.batch * sizes.out_height * sizes.out_width));
      CHECK(relative_difference(found.dbias, dbias) <= 1e-5);

      if (!std::exchange(is_first, false)) return;
      const Results again = on_device(c, x, weight, bias, dy);
      CHECK(same_bits(again.y, found.y));
      CHECK(same_bits(again.dx, found.dx));
      CHECK(same_bits(again.dweight, found.dweight));
      CHECK(same_bits(again.dbias, found.dbias));
    });
  }
}

// In bf16 what stands between the convolutions is rounded too, once more than the parts round it.
TEST_CASE("a residual block on a device is made of its parts, in all precisions", "[cuda]") {
  if (!cuda_is_there()) {
    WARN("skipped: no CUDA device here");
    return;
  }
  const auto [wanted, tolerance] =
      GENERATE(std::pair(Precision::float32, 1e-5), std::pair(Precision::tf32, 2e-3),
               std::pair(Precision::bf16, 2e-2));
  CAPTURE(static_cast<int>(wanted));
  const WithPrecision with(wanted);
  Random random(4);
  Tensors<float> in;
  const Shape weight{3, 3, 32, 32}, bias{32};
  for (const Shape& shape : {Shape{2, 19, 37, 32}, weight, bias, weight, bias})
    in.push_back(random_tensor<float>(shape, random).to(cuda_device).set_requires_grad(true));
  const auto dy = random_tensor<float>(in[0].shape(), random).to(cuda_device);
  const auto results = [&](const auto& block) {
    Tape<float> tape;
    const Tensor<float> y = block();
    const Gradients<float> gradients = tape.backward(y, dy);
    Tensors<float> all{y.to(Device::cpu())};
    for (const int i : {0, 1, 3})
      all.push_back(gradients.of(in[static_cast<std::size_t>(i)]).to(Device::cpu()));
    return all;
  };
  const auto whole = [&] { return residual_block(in[0], in[1], in[2], in[3], in[4]); };
  const Tensors<float> found = results(whole), again = results(whole),
                       expected = results([&] {
                         const Tensor<float> hidden =
                             relu(instance_norm(conv2d(in[0], in[1], in[2], {.padding = 1})));
                         return sum(in[0], instance_norm(conv2d(hidden, in[3], in[4], {.padding = 1})));
                       });
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_l2(found[i], expected[i]) <= tolerance);
    CHECK(same_bits(found[i], again[i]));
  }
}

TEST_CASE("the gradient of a residual block belongs to the precision of its forward pass", "[cuda]") {
  if (!cuda_is_there()) return;
  Random random(5);
  Tensors<float> in;
  for (const Shape& shape :
       {Shape{1, 5, 6, 32}, Shape{3, 3, 32, 32}, Shape{32}, Shape{3, 3, 32, 32}, Shape{32}})
    in.push_back(random_tensor<float>(shape, random).to(cuda_device).set_requires_grad(true));
  const auto gradient = [&](Precision backward) {
    Tape<float> tape;
    const Tensor<float> y = [&] {
      const WithPrecision with(Precision::bf16);
      return residual_block(in[0], in[1], in[2], in[3], in[4]);
    }();
    const WithPrecision with(backward);
    return tape.backward(y, y.detached()).of(in[0]).to(Device::cpu());
  };
  CHECK(same_bits(gradient(Precision::bf16), gradient(Precision::float32)));
}

TEST_CASE("conv2d on a device lets NaN and infinity through", "[cuda]") {
  if (!cuda_is_there()) {
    WARN("skipped: no CUDA device here");
    return;
  }
  const auto precision = GENERATE(Precision::float32, Precision::tf32, Precision::bf16);
  const WithPrecision with(precision);
  const Case c{{1, 5, 6, 32}, {3, 3, 32, 32}};
  for (float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    INFO("precision " << static_cast<int>(precision) << ", " << value);
    auto x = Tensor<float>::full(c.x, 1), weight = Tensor<float>::full(c.weight, 1);
    x.mutable_data()[0] = value;
    const Results found = on_device(c, x, weight, Tensor<float>::zeros({32}), Tensor<float>::full(c.x, 1));
    for (Index row = 0; row < 5; ++row) {  // what the pixel at (0, 0) reaches, and nothing else
      const bool reached = row <= 1;
      CHECK(std::isfinite(found.y(0, row, 1, 7)) == !reached);
      CHECK(std::isfinite(found.y(0, row, 2, 7)));
    }
    CHECK(!std::isfinite(found.dweight(1, 1, 0, 7)));
    CHECK(std::isfinite(found.dweight(1, 1, 1, 7)));
  }
}

#if defined(NLCL_TEST_OTHER_DEVICES)
// Before main(): what a device can is asked for once.
const Device older_device = [] {
  emulation::Device::at(1).capability = 75;
  return Device::cuda(1);
}();

TEST_CASE("conv2d multiplies in float32 where tensor cores know nothing else", "[cuda]") {
  const Case c{{1, 9, 17, 32}, {3, 3, 32, 32}};
  Random random(5);
  const auto x = random_tensor<float>(c.x, random), weight = random_tensor<float>(c.weight, random);
  const auto bias = random_tensor<float>({32}, random), dy = random_tensor<float>(c.x, random);
  const auto computed = [&](Precision wanted, Device device) {
    const WithPrecision with(wanted);
    return on_device(c, x, weight, bias, dy, device);
  };
  const Results expected = computed(Precision::float32, cuda_device);
  CHECK(!same_bits(computed(Precision::bf16, cuda_device).y, expected.y));
  for (Precision wanted : {Precision::float32, Precision::tf32, Precision::bf16}) {
    INFO("precision " << static_cast<int>(wanted));
    const Results found = computed(wanted, older_device);
    CHECK(same_bits(found.y, expected.y));
    CHECK(same_bits(found.dx, expected.dx));
    CHECK(same_bits(found.dweight, expected.dweight));
  }
}
#endif
