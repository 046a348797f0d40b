#include "nlcl/nn/module.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "nlcl/nn/conv_layer.hpp"
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
