#include "nlcl/nn/module.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "nlcl/io/module_state.hpp"
#include "nlcl/nn/conv_layer.hpp"
#include "support/cuda.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

struct TwoLayers {
  ConvLayer<double> first, second;
  explicit TwoLayers(Random& random) : first(2, 3, 1, {}, random), second(3, 1, 3, {.padding = 1}, random) {}

  Tensor<double> operator()(const Tensor<double>& x) const { return second(first(x)); }
  void parameters(const std::string& prefix, const auto& visit) {
    first.parameters(join_name(prefix, "a"), visit);
    second.parameters(join_name(prefix, "b.conv"), visit);
  }
};

}  // namespace

TEST_CASE("names are joined by a dot, unless there is nothing to join", "[nn]") {
  CHECK(join_name("gen", "0") == "gen.0");
  CHECK(join_name("", "gen") == "gen");
}

TEST_CASE("a module names its parameters in order", "[nn]") {
  Random random(1);
  TwoLayers net(random);
  std::vector<std::string> names;
  for_each_parameter(net, [&](const std::string& name, const Tensor<double>&) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"a.weight", "a.bias", "b.conv.weight", "b.conv.bias"});
  CHECK(parameter_count(net) == 2 * 3 + 3 + 9 * 3 * 1 + 1);

  names.clear();
  net.parameters("net", [&](const std::string& name, const Tensor<double>&) { names.push_back(name); });
  CHECK(names.front() == "net.a.weight");
}

TEST_CASE("a visitor can replace and write parameters", "[nn]") {
  Random random(1);
  TwoLayers net(random);
  for_each_parameter(
      net, [](const std::string&, Tensor<double>& value) { value = Tensor<double>::zeros(value.shape()); });
  CHECK(max_abs(net.first.weight) == 0);
  CHECK(max_abs(net.second.bias) == 0);
}

TEST_CASE("a frozen module gets no gradients, but passes them on", "[nn]") {
  Random random(1);
  TwoLayers net(random);
  const auto x = random_tensor<double>({1, 3, 4, 2}, random).set_requires_grad(true);
  const auto dy = random_tensor<double>({1, 3, 4, 1}, random);
  const auto gradients = [&] {
    Tape<double> tape;
    return tape.backward(net(x), dy);
  };
  const auto trainable = gradients();
  CHECK(trainable.size() == 5);

  set_trainable(net, false);
  const auto frozen = gradients();
  CHECK(frozen.size() == 1);
  CHECK(same_bits(frozen.of(x), trainable.of(x)));

  set_trainable(net, true);
  CHECK(same_bits(gradients().of(net.first.weight), trainable.of(net.first.weight)));
}

TEST_CASE("a module moves to a device and back, and its file is the same everywhere", "[nn]") {
  if (!cuda_is_there()) return;
  Random random(1);
  ConvLayer<float> layer(3, 4, 3, {}, random);
  layer.bias.set_requires_grad(false);
  const StateFile here = state_of(layer);
  const void* const before = layer.weight.identity();
  to(layer, Device::cpu());
  CHECK(layer.weight.identity() == before);  // nothing to do
  to(layer, cuda_device);
  CHECK(layer.weight.device() == cuda_device);
  CHECK(layer.weight.identity() != before);
  CHECK(layer.weight.requires_grad());
  CHECK_FALSE(layer.bias.requires_grad());
  const StateFile there = state_of(layer);
  for (std::size_t i = 0; i < here.tensors.size(); ++i)
    CHECK(there.tensors[i].bytes == here.tensors[i].bytes);

  ConvLayer<float> other(3, 4, 3, {}, random);
  to(other, cuda_device);
  const void* const place = other.weight.identity();
  load_state(other, here);
  CHECK(other.weight.identity() == place);  // the values change, the tensor does not
  CHECK(state_of(other).tensors.front().bytes == here.tensors.front().bytes);
}
