#include "nlcl/ops/gather_patches.hpp"

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

Tensor<PatchCenter> centers(const Attributes& a) {
  std::vector<PatchCenter> result;
  for (const auto& center : a.at("centers"))
    result.push_back({center.at(0).get<Index>(), center.at(1).get<Index>(), center.at(2).get<Index>()});
  return patch_centers(result);
}

Attributes attributes(const std::vector<std::vector<Index>>& centers, Index height, Index width) {
  return {{"centers", centers}, {"height", height}, {"width", width}};
}

// Where the i-th of `size` rows of an image falls among `count` rows of a feature map: on the last row k with
// k / count <= i / size.
Index position(Index i, Index size, Index count) {
  Index k = 0;
  while ((k + 1) * size <= i * count) ++k;
  return k;
}

Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& a) {
  const Tensor<double>& x = inputs[0];
  const Index height = a.at("height"), width = a.at("width"), channels = x.shape()[3];
  Tensor<double> y(dy.shape()), dx = Tensor<double>::zeros(x.shape());
  Index m = 0;
  const auto all_centers = centers(a);
  for (const auto& [image, row, column] : all_centers.values()) {
    const Index i = position(row, height, x.shape()[1]), j = position(column, width, x.shape()[2]);
    for (Index c = 0; c < channels; ++c) {
      y.mutable_data()[m * channels + c] = x(image, i, j, c);
      writable(dx)(image, i, j, c) += dy(m, c);
    }
    ++m;
  }
  return {y, {dx}};
}

// The first centre is the corner, so that a NaN there is seen. Others fall on the same vector, or on the last one.
std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto some = [](Index height, Index width) {
    return attributes(
        {{0, 0, 0}, {1, height - 1, width - 1}, {1, height / 2, width / 3}, {0, height - 1, 0}, {0, 0, 0}},
        height, width);
  };
  for (Index channels : {1, 3, 32})
    all.push_back({.name = "channels", .shapes = {{2, 6, 5, channels}}, .attributes = some(6, 5)});
  for (Index height : {5, 6, 7, 11, 12, 24})
    for (Index width : {6, 7, 20})
      all.push_back({.name = "smaller map", .shapes = {{2, 5, 6, 2}}, .attributes = some(height, width)});
  all.push_back({.name = "larger map", .shapes = {{2, 9, 11, 2}}, .attributes = some(4, 5)});
  all.push_back({.name = "a single vector", .shapes = {{2, 1, 1, 3}}, .attributes = some(40, 30)});
  return all;
}

}  // namespace

TEST_CASE("gather_patches", "[ops]") {
  const auto outside = [](const std::string& center, Index image) {
    return text("gather_patches: centre ", center, " of image ", image, " is outside of 2 images of 12 x 15");
  };
  check_op({
      .inputs = {"x"},
      .call =
          [](const auto& in, const Attributes& a) {
            return gather_patches(in[0], centers(a), a.at("height"), a.at("width"));
          },
      .oracle = oracle,
      .golden = {"gather_patches"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{6, 5, 3}},
               .attributes = attributes({}, 6, 5),
               .message = "gather_patches: x expects [N,H,W,C], is [6,5,3]"},
              {.shapes = {{1, 0, 5, 3}},
               .attributes = attributes({}, 6, 5),
               .message = "gather_patches: x expects [N,H,W,C], is [1,0,5,3]"},
              {.shapes = {{2, 6, 5, 3}},
               .attributes = attributes({{0, 12, 0}}, 12, 15),
               .message = outside("(12, 0)", 0)},
              {.shapes = {{2, 6, 5, 3}},
               .attributes = attributes({{1, 3, 15}}, 12, 15),
               .message = outside("(3, 15)", 1)},
              {.shapes = {{2, 6, 5, 3}},
               .attributes = attributes({{0, -1, 0}}, 12, 15),
               .message = outside("(-1, 0)", 0)},
              {.shapes = {{2, 6, 5, 3}},
               .attributes = attributes({{0, 3, -1}}, 12, 15),
               .message = outside("(3, -1)", 0)},
              {.shapes = {{2, 6, 5, 3}},
               .attributes = attributes({{2, 3, 4}}, 12, 15),
               .message = outside("(3, 4)", 2)},
              {.shapes = {{2, 6, 5, 3}},
               .attributes = attributes({{-1, 3, 4}}, 12, 15),
               .message = outside("(3, 4)", -1)},
          },
  });
}

TEST_CASE("a centre falls on floor(row * h / H) for every crop", "[ops]") {
  for (Index size : {33, 100, 255, 256, 257, 320})
    for (Index count : {30, 63, 127, 255, 256}) {
      Tensor<double> x({1, count, 1, 1});
      for (Index k = 0; k < count; ++k) x.mutable_data()[k] = static_cast<double>(k);
      std::vector<PatchCenter> all;
      for (Index row = 0; row < size; ++row) all.push_back({0, row, 0});
      const auto y = gather_patches(x, patch_centers(all), size, 1);
      for (Index row = 0; row < size; ++row) {
        CAPTURE(size, count, row);
        REQUIRE(y(row, 0) == static_cast<double>(position(row, size, count)));
      }
    }
}

TEST_CASE("gather_patches of no centres", "[ops]") {
  CHECK(gather_patches(Tensor<float>::zeros({1, 4, 5, 3}), patch_centers({}), 8, 10).shape() == Shape{0, 3});
}

TEST_CASE("gather_patches wants its centres in a row", "[ops]") {
  const auto x = Tensor<float>::zeros({1, 4, 5, 3});
  const auto at = patch_centers({{0, 1, 1}, {0, 2, 2}}).reshaped({1, 2});
  CHECK(message_of<ShapeError>([&] { gather_patches(x, at, 8, 10); }) ==
        "gather_patches: centres expect [M], are [1,2]");
}

TEST_CASE("gather_patches adds up many gradients of few vectors on a CUDA device in the order of the CPU",
          "[ops]") {
  if (!cuda_is_there()) return;
  Random random(1);
  std::vector<PatchCenter> all;
  for (int i = 0; i < 150; ++i)
    all.push_back(
        {random.below(2), static_cast<Index>(random.below(12)), static_cast<Index>(random.below(15))});
  const auto x = random_tensor<float>({2, 3, 4, 37}, random), dy = random_tensor<float>({150, 37}, random);
  const auto gradient = [&](Device device, Device of_centers) {
    auto leaf = x.to(device).set_requires_grad(true);
    Tape<float> tape;
    const auto y = gather_patches(leaf, patch_centers(all).to(of_centers), 12, 15);
    return tape.backward(y, dy.to(device)).of(leaf).to(Device::cpu());
  };
  const auto expected = gradient(Device::cpu(), Device::cpu());
  CHECK(same_bits(gradient(cuda_device, Device::cpu()), expected));
  CHECK(same_bits(gradient(cuda_device, cuda_device), expected));
}

TEST_CASE("centres of a CUDA device that are outside are moved to the border", "[ops]") {
  if (!cuda_is_there()) return;
  Random random(1);
  const auto x = random_tensor<float>({2, 6, 5, 3}, random).to(cuda_device);
  const auto found = [&](const PatchCenter& center) {
    const auto at = patch_centers({center}).to(cuda_device);
    return gather_patches(x, at, 12, 15).to(Device::cpu());
  };
  CHECK(same_bits(found({0, -7, 100}), found({0, 0, 14})));
  CHECK(same_bits(found({2, 12, -1}), found({1, 11, 0})));
  CHECK(message_of<DeviceError>([&] {
          gather_patches(x.to(Device::cpu()), patch_centers({{0, 0, 0}}).to(cuda_device), 12, 15);
        }) == "gather_patches: x is on cpu, the centres on cuda:0");
}
