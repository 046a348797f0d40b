#include "nlcl/model/generator.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "nlcl/io/module_state.hpp"
#include "nlcl/io/safetensors.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/paths.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

std::uint64_t splitmix64(std::uint64_t z) {
  z += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// The weights of the golden files, a formula that tests/reference/generator.py repeats bit for bit:
// parameters are numbered in the order of the state dict, their elements in the order of PyTorch's layout.
template <class T>
Generator<T> formula_generator() {
  Generator<T> net;
  std::uint64_t number = 0;
  float scale = 0;  // a bias takes that of the weight before it
  for_each_parameter(net, [&](const std::string&, Tensor<T>& parameter) {
    const Shape& shape = parameter.shape();
    const bool is_weight = shape.rank() == 4;
    if (is_weight)
      scale = static_cast<float>(1 / std::sqrt(static_cast<double>(shape[0] * shape[1] * shape[2])));
    Tensor<T> values(is_weight ? Shape{shape[3], shape[2], shape[0], shape[1]} : shape);
    for (Index i = 0; i < values.size(); ++i) {
      const std::uint64_t hash = splitmix64((number << 32) + static_cast<std::uint64_t>(i));
      const float u = static_cast<float>(hash >> 40) / 0x1p24f;
      values.mutable_data()[i] = (2 * u - 1) * scale;
    }
    parameter = is_weight ? permuted(values, oihw_to_hwio) : values;
    parameter.set_requires_grad(true);
    ++number;
  });
  return net;
}

// The mean and the biased deviation of each channel, [C] each.
template <class T>
std::pair<Tensor<double>, Tensor<double>> channel_moments(const Tensor<T>& x) {
  const Index channels = x.shape()[3], pixels = x.size() / channels;
  auto mean = Tensor<double>::zeros({channels}), deviation = Tensor<double>::zeros({channels});
  double *const m = mean.mutable_data(), *const d = deviation.mutable_data();
  for (Index i = 0; i < x.size(); ++i)
    m[i % channels] += static_cast<double>(x.data()[i]) / static_cast<double>(pixels);
  for (Index i = 0; i < x.size(); ++i)
    d[i % channels] +=
        std::pow(static_cast<double>(x.data()[i]) - m[i % channels], 2) / static_cast<double>(pixels);
  for (Index c = 0; c < channels; ++c) d[c] = std::sqrt(d[c]);
  return {mean, deviation};
}

// One row of an image [1,H,W,C] as PyTorch has it, [1,C,W].
template <class T>
Tensor<T> image_row(const Tensor<T>& x, Index row) {
  const Index width = x.shape()[2], channels = x.shape()[3];
  Tensor<T> result({1, channels, width});
  for (Index c = 0; c < channels; ++c)
    for (Index j = 0; j < width; ++j) result.mutable_data()[c * width + j] = x(0, row, j, c);
  return result;
}

// The first outputs of a weight [kh,kw,in,out].
template <class T>
Tensor<T> first_outputs(const Tensor<T>& weight, Index count) {
  const Shape& shape = weight.shape();
  Tensor<T> result({shape[0], shape[1], shape[2], count});
  for (Index i = 0; i < result.size(); ++i)
    result.mutable_data()[i] = weight.data()[i / count * shape[3] + i % count];
  return result;
}

template <class T>
std::pair<double, double> norm_and_sum(const Tensor<T>& x) {
  double squares = 0, sum = 0;
  for (T value : x.values())
    squares += std::pow(static_cast<double>(value), 2), sum += static_cast<double>(value);
  return {std::sqrt(squares), sum};
}

// Rounding passes through 35 convolutions and 33 norms: it comes out as some 1e-14 in double, some 1e-5 in
// float.
template <class T>
constexpr double value_tolerance = sizeof(T) == 8 ? 1e-12 : 1e-4;

// In float, a ReLU whose input is within rounding of 0 can fall to the other side. That moves single
// gradients by a few percent (as does a change of the input by 1e-6 in double): compared as a whole.
template <class T>
constexpr double gradient_tolerance = sizeof(T) == 8 ? 1e-12 : 0.05;

std::string last_tensor(Generator<float>& net) { return state_of(net).tensors.back().name; }

}  // namespace

TEST_CASE("the parameters of the generator have the names of the checkpoints, in their order", "[model]") {
  Generator<float> net;
  std::vector<std::string> names, expected;
  for_each_parameter(net, [&](const std::string& name, const Tensor<float>& parameter) {
    names.push_back(name);
    CHECK(parameter.requires_grad());
  });
  const std::string prefix = "small.gradnorm.";
  for (const RawTensor& tensor : read_safetensors(source_path("tests/golden/generator.safetensors")).tensors)
    if (tensor.name.starts_with(prefix)) expected.push_back(tensor.name.substr(prefix.size()));
  CHECK(names == expected);
  CHECK(names.size() == 72);
  CHECK(names.front() == "gen.0.weight");
  CHECK(names[3] == "gen.1.model.0.conv.bias");
  CHECK(names.back() == "gen.18.bias");
  CHECK(parameter_count(net) == 316'195);
}

TEST_CASE("initial weights are drawn from the random numbers that are given", "[model]") {
  const auto weights = [](std::uint64_t seed) {
    Generator<float> net{Random(seed)};
    std::vector<Tensor<float>> all;
    for_each_parameter(net, [&](const std::string&, const Tensor<float>& value) { all.push_back(value); });
    return all;
  };
  const auto first = weights(1), again = weights(1), other = weights(2);
  for (std::size_t i = 0; i < first.size(); ++i) {
    CHECK(same_bits(first[i], again[i]));
    CHECK_FALSE(same_bits(first[i], other[i]));
    for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(same_bits(first[i], first[j]));
  }
}

TEMPLATE_TEST_CASE("the generator and its gradients are those of PyTorch", "[model]", float, double) {
  using T = TestType;
  const GoldenFile golden("generator");
  Generator<T> net = formula_generator<T>();
  const auto x = converted<T>(golden.tensor("small.x")).set_requires_grad(true);
  const auto near = [](const auto& found, const auto& expected) {
    CHECK(relative_difference(found, expected) <= value_tolerance<T>);
  };

  Tape<T> tape;
  const Attributes attributes = golden.attributes("small");
  const auto row = attributes.at("row").template get<Index>();
  auto taps = attributes.at("taps").template get<std::vector<int>>();
  taps.push_back(18);
  const std::vector<Tensor<T>> outputs = net.encode(x, taps);
  near(outputs.back(), golden.tensor("small.y"));
  for (std::size_t i = 0; i + 1 < taps.size(); ++i) {
    INFO("tap " << taps[i]);
    const std::string tap = text("small.tap", taps[i]);
    const auto [mean, deviation] = channel_moments(outputs[i]);
    near(mean, golden.tensor(tap + ".mean"));
    near(deviation, golden.tensor(tap + ".std"));
    near(image_row(outputs[i], row), golden.tensor(tap + ".row"));
  }

  const auto gradients = tape.backward(outputs.back(), converted<T>(golden.tensor("small.dy")));
  CHECK(relative_l2(gradients.of(x), golden.tensor("small.dx")) <= gradient_tolerance<T>);
  double largest = 0;  // norm; the gradient of a bias before a norm is nothing but rounding
  for_each_parameter(net, [&](const std::string& name, const Tensor<T>&) {
    largest = std::max(largest, golden.tensor("small.gradnorm." + name)(0));
  });
  for_each_parameter(net, [&](const std::string& name, const Tensor<T>& parameter) {
    INFO(name);
    const Tensor<T>& gradient = gradients.of(parameter);
    const auto [norm, sum] = norm_and_sum(gradient);
    const Tensor<double> expected = golden.tensor("small.gradnorm." + name);
    CHECK(std::abs(norm - expected(0)) <= gradient_tolerance<T> * largest);
    CHECK(std::abs(sum - expected(1)) <= gradient_tolerance<T> * largest);
    if (const std::string full = "small.grad." + name; golden.has(full))
      CHECK(relative_l2(gradient, golden.tensor(full)) <= gradient_tolerance<T>);
    if (const std::string head = "small.gradhead." + name; golden.has(head))
      CHECK(relative_l2(first_outputs(gradient, 8), golden.tensor(head)) <= gradient_tolerance<T>);
  });
}

TEMPLATE_TEST_CASE("an image with odd sides is that of PyTorch", "[model]", float, double) {
  const GoldenFile golden("generator");
  const auto net = formula_generator<TestType>();
  const auto y = net(converted<TestType>(golden.tensor("odd.x")));
  CHECK(relative_difference(y, golden.tensor("odd.y")) <= value_tolerance<TestType>);
}

TEST_CASE("the generator takes any height and width", "[model]") {
  const auto net = formula_generator<float>();
  Random random(1);
  for (const Shape& shape :
       {Shape{1, 1, 1, 3}, {1, 1, 7, 3}, {1, 5, 1, 3}, {1, 2, 3, 3}, {2, 9, 13, 3}, {1, 16, 16, 3}}) {
    CAPTURE(shape);
    const auto y = net(random_tensor<float>(shape, random));
    CHECK(y.shape() == shape);
    CHECK_FALSE(has_nan(y));
  }
}

TEST_CASE("images of a batch do not see each other", "[model]") {
  const auto net = formula_generator<float>();
  Random random(1);
  const auto batch = random_tensor<float>({2, 9, 6, 3}, random);
  const auto image = [](const Tensor<float>& x, std::size_t n) {
    const std::size_t size = static_cast<std::size_t>(x.size()) / 2;
    return Tensor<float>({1, 9, 6, 3}, x.values().subspan(n * size, size));
  };
  const auto y = net(batch);
  for (std::size_t n : {0u, 1u}) CHECK(same_bits(image(y, n), net(image(batch, n))));
}

TEST_CASE("the generator gives the same bits on any number of threads", "[model][large]") {
  const auto net = formula_generator<float>();
  Random random(1);
  const auto x = random_tensor<float>({1, 37, 21, 3}, random).set_requires_grad(true);
  const auto dy = random_tensor<float>(x.shape(), random);
  const auto pass = [&](int count) {
    const WithThreads with(count);
    Tape<float> tape;
    const auto y = net(x);
    return std::pair(y, tape.backward(y, dy));
  };
  const auto [y, gradients] = pass(1);
  for (int count : {1, 2, 3, 7}) {
    CAPTURE(count);
    const auto [same_y, same_gradients] = pass(count);
    CHECK(same_bits(same_y, y));
    CHECK(same_bits(same_gradients.of(x), gradients.of(x)));
    CHECK(same_bits(same_gradients.of(net.head.weight), gradients.of(net.head.weight)));
  }
}

TEST_CASE("encode gives the outputs of the layers that are named", "[model]") {
  auto net = formula_generator<float>();
  Random random(1);
  const auto x = random_tensor<float>({1, 5, 6, 3}, random);
  const auto outputs = net.encode(x, {0, 3, 3, 17, 18});
  REQUIRE(outputs.size() == 5);
  CHECK(same_bits(outputs[0], net.head(x)));
  CHECK(outputs[1].shape() == Shape{1, 5, 6, 32});
  CHECK(same_bits(outputs[1], outputs[2]));
  CHECK(same_bits(outputs[1], net.encode(x, {3}).front()));
  CHECK(same_bits(net.tail(outputs[3]), outputs[4]));
  CHECK(same_bits(net(x), outputs[4]));

  net.tail.weight = {};  // and computes none after the last of them
  CHECK_NOTHROW(net.encode(x, {17}));
  CHECK_THROWS_AS(net.encode(x, {18}), ShapeError);
}

TEST_CASE("taps that do not exist or do not ascend", "[model]") {
  const Generator<float> net;
  const auto x = Tensor<float>::zeros({1, 4, 4, 3});
  for (const std::vector<int>& taps : std::vector<std::vector<int>>{{}, {-1}, {19}, {0, 19}, {4, 2}})
    CHECK_THAT(message_of<ShapeError>([&] { net.encode(x, taps); }),
               Catch::StartsWith("encode: taps must ascend within 0 to 18"));
}

TEST_CASE("the generator refuses images of another number of channels", "[model]") {
  const Generator<float> net;
  CHECK(message_of<ShapeError>([&] {
          net(Tensor<float>::zeros({1, 8, 8, 1}));
        }) == "conv2d: weight expects 3 input channels, x has 1 (x [1,8,8,1], weight [3,3,3,32])");
  CHECK(message_of<ShapeError>([&] {
          net(Tensor<float>::zeros({8, 8, 3}));
        }) == "conv2d: x expects [N,H,W,C], is [8,8,3]");
}

TEST_CASE("with a skip the layers say what to change", "[model]") {
  Generator<float> generator(Random(2));
  Random random(1);
  const auto x = random_tensor<float>({1, 7, 9, 3}, random);
  const Tensor<float> layers = generator(x);
  generator.set_skip(true);
  CHECK(generator.has_skip());
  CHECK(same_bits(generator(x), sum(layers, x)));
  CHECK(last_tensor(generator) == "gen.skip");

  generator.clear_tail();
  CHECK(same_bits(generator(x), x));
  generator.set_skip(false);
  CHECK(max_abs(generator(x)) == 0);
  CHECK(last_tensor(generator) == "gen.18.bias");
}

TEST_CASE("the form of a generator is no parameter", "[model]") {
  Generator<float> plain(Random(2)), formed(Random(2));
  formed.set_skip(true);
  formed.set_norm_free(true);
  formed.set_tile(64);
  const auto parameters_of = [](Generator<float>& generator) {
    std::vector<std::string> names;
    for_each_parameter(generator,
                       [&](const std::string& name, const Tensor<float>&) { names.push_back(name); });
    return names;
  };
  CHECK(parameters_of(formed) == parameters_of(plain));
  CHECK(parameter_count(formed) == 316'195);
  set_trainable(formed, false);
  set_trainable(formed, true);
  for_each_parameter(formed,
                     [](const std::string&, const Tensor<float>& value) { CHECK(value.requires_grad()); });

  std::map<std::string, Index> numbers;
  for_each_form(formed, [&](const std::string& name, Index value, Index smallest, Index largest) {
    CHECK((smallest <= value && value <= largest));
    numbers[name] = value;
  });
  CHECK(numbers == std::map<std::string, Index>{{"gen.skip", 1}, {"gen.norm_free", 1}, {"gen.tile", 64}});
  const StateFile file = state_of(formed);  // in a file they are tensors
  CHECK(file.tensors.size() == 75);
  CHECK(file.tensors[72].name == "gen.skip");
  CHECK(file.tensors[73].name == "gen.norm_free");
  CHECK(file.tensors[74].name == "gen.tile");
  CHECK(same_bits(to_tensor(file.tensors[72]), Tensor<float>({1}, {1})));
  CHECK(same_bits(to_tensor(file.tensors[73]), Tensor<float>({1}, {1})));
  CHECK(same_bits(to_tensor(file.tensors[74]), Tensor<float>({1}, {64})));

  for (const Index side : {Index{-1}, Index{31}, Index{65537}})
    CHECK_THROWS_WITH(formed.set_tile(side), Catch::StartsWith("generator: tile is "));
  CHECK(formed.tile() == 64);
}

TEST_CASE("without norms the layers are convolutions, ReLU and sums", "[model]") {
  Generator<double> generator(Random(2));
  generator.set_norm_free(true);
  Random random(1);
  const auto x = random_tensor<double>({2, 7, 9, 3}, random);
  Tensor<double> y = generator.head(x);
  for (std::size_t i = 0; i < 16; ++i)
    y = sum(y, generator.pairs[i].second(relu(generator.pairs[i].first(y))));
  CHECK(same_bits(generator.encode(x, {16}).front(), y));
  y = generator.tail(generator.pairs[16].second(relu(generator.pairs[16].first(y))));
  CHECK(same_bits(generator(x), y));
}

TEST_CASE("without norms a pixel is made of the pixels around it, whatever else is in the image",
          "[model][large]") {
  Generator<double> generator(Random(2));
  generator.set_norm_free(true);
  Random random(1);
  const auto x = random_tensor<double>({1, 80, 90, 3}, random);
  const auto part = [](const Tensor<double>& image, Index row, Index column, Index side) {
    Tensor<double> result({1, side, side, 3});
    for (Index r = 0; r < side; ++r)
      std::copy_n(&image.data()[((row + r) * image.shape()[2] + column) * 3], 3 * side,
                  result.mutable_data() + r * 3 * side);
    return result;
  };
  const NoGrad no_grad;
  const auto crop = part(x, 3, 8, 75);  // 36 pixels to each side of its middle three
  const auto found = part(generator(crop), 36, 36, 3), expected = part(generator(x), 39, 44, 3);
  CHECK(relative_difference(found, expected) <= 1e-12);
  generator.set_norm_free(false);
  CHECK_FALSE(relative_difference(part(generator(crop), 36, 36, 3), part(generator(x), 39, 44, 3)) <= 1e-3);
}

TEST_CASE("a skip passes the gradient on to the input", "[model]") {
  Generator<double> generator(Random(2));
  generator.set_skip(true);
  generator.clear_tail();
  Random random(1);
  Tensor<double> x = random_tensor<double>({1, 5, 6, 3}, random);
  x.set_requires_grad(true);
  const Tensor<double> dy = random_tensor<double>(x.shape(), random);
  Tape<double> tape;
  const Gradients<double> gradients = tape.backward(generator(x), dy);
  CHECK(same_bits(gradients.of(x), dy));  // nothing comes through a tail of zeros
  CHECK(max_abs(gradients.of(generator.tail.weight)) > 0);
}

TEST_CASE("a generator takes the form of the checkpoint that it loads", "[model]") {
  Generator<float> published(Random(2)), ours(Random(3)), loaded(Random(4));
  ours.set_skip(true);
  ours.set_norm_free(true);
  Random random(1);
  const auto x = random_tensor<float>({1, 6, 5, 3}, random);
  load_state(loaded, state_of(ours));
  CHECK(same_bits(loaded(x), ours(x)));
  load_state(loaded, state_of(published));
  CHECK_FALSE(loaded.has_skip());
  CHECK_FALSE(loaded.is_norm_free());
  CHECK(same_bits(loaded(x), published(x)));
}

TEST_CASE("a load that fails changes nothing, whatever is wrong with the file", "[model]") {
  Generator<float> source(Random(3)), plain(Random(4)), formed(Random(5));
  source.set_skip(true);
  source.set_tile(96);
  formed.set_skip(true);
  formed.set_tile(64);
  const StateFile good = state_of(source);
  const auto number = [](float value) { return from_tensor("gen.tile", Tensor<float>::full({1}, value)); };
  struct Fault {
    std::string message;
    std::function<void(StateFile&)> make;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<Fault> faults{
      {"no tensor 'gen.18.bias'", [](StateFile& file) { file.tensors.erase(file.tensors.begin() + 71); }},
      {"'gen.18.bias' has shape [4], expected [3]",
       [](StateFile& file) { file.tensors[71] = from_tensor("gen.18.bias", Tensor<float>::zeros({4})); }},
      {"tensor 'gen.18.bias': 11 bytes for F32 [3]",
       [](StateFile& file) { file.tensors[71].bytes.pop_back(); }},
      {"unexpected tensor 'gen.step'", [](StateFile& file) { file.tensors[72].name = "gen.step"; }},
      {"unexpected tensor 'other', the module has 72 parameters and the file 75 tensors",
       [](StateFile& file) { file.tensors.push_back(from_tensor("other", Tensor<float>::zeros({1}))); }},
      {"'gen.skip' is 0, expected 1",
       [](StateFile& file) { file.tensors[72] = from_tensor("gen.skip", Tensor<float>::zeros({1})); }},
      {"'gen.skip' has shape [2], expected [1]",
       [](StateFile& file) { file.tensors[72] = from_tensor("gen.skip", Tensor<float>::full({2}, 1)); }},
      {"tensor 'gen.tile': 3 bytes", [](StateFile& file) { file.tensors[73].bytes.pop_back(); }}};
  for (const float side : {31.0f, 65537.0f, -5.0f, nan, INFINITY})
    faults.push_back({text("'gen.tile' is ", side, ", expected 32 to 65536"),
                      [=](StateFile& file) { file.tensors[73] = number(side); }});

  for (Generator<float>* generator : {&plain, &formed}) {
    const StateFile before = state_of(*generator);
    const void* const place = generator->tail.bias.identity();
    for (const Fault& fault : faults) {
      StateFile file = good;
      fault.make(file);
      CHECK_THAT(message_of<FormatError>([&] { load_state(*generator, file); }),
                 Catch::Contains(fault.message));
      const StateFile after = state_of(*generator);
      REQUIRE(after.tensors.size() == before.tensors.size());
      for (std::size_t i = 0; i < before.tensors.size(); ++i) {
        CHECK(after.tensors[i].name == before.tensors[i].name);
        CHECK(after.tensors[i].bytes == before.tensors[i].bytes);
      }
    }
    load_state(*generator, good);
    CHECK(generator->has_skip());
    CHECK(generator->tile() == 96);
    CHECK(generator->tail.bias.identity() == place);  // the tensors stay the same
    CHECK(same_bits(generator->tail.bias, source.tail.bias));
  }
}
