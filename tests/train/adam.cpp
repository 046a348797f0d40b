#include "nlcl/train/adam.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// Parameters without a network.
template <class T>
struct Parameters {
  std::vector<Tensor<T>> tensors;

  void parameters(const std::string& prefix, const auto& visit) {
    for (std::size_t i = 0; i < tensors.size(); ++i) visit(join_name(prefix, text("p", i)), tensors[i]);
  }
};

template <class T>
Gradients<T> gradients_of(const Tensor<T>& parameter, const Tensor<T>& gradient) {
  Gradients<T> gradients;
  gradients.insert(parameter, gradient);
  return gradients;
}

// Row i of x [n,m], a tensor [m].
template <class T>
Tensor<T> row(const Tensor<T>& x, Index i) {
  const auto columns = static_cast<std::size_t>(x.shape()[1]);
  return {Shape{x.shape()[1]}, x.values().subspan(static_cast<std::size_t>(i) * columns, columns)};
}

}  // namespace

TEMPLATE_TEST_CASE("adam takes the steps of PyTorch", "[train]", float, double) {
  using T = TestType;
  const GoldenFile golden("adam");
  for (const std::string& name : golden.cases()) {
    CAPTURE(name);
    const Attributes a = golden.attributes(name);
    Parameters<T> module{{converted<T>(golden.tensor(name + ".x"))}};
    const auto gradients = converted<T>(golden.tensor(name + ".gradients"));
    const auto expected = golden.tensor(name + ".y");
    Adam<T> adam({a.at("beta1"), a.at("beta2"), a.at("eps")});
    adam.add("", module);
    const auto rates = a.at("rates").template get<std::vector<double>>();
    for (std::size_t step = 0; step < rates.size(); ++step) {
      CAPTURE(step);
      adam.step(gradients_of(module.tensors[0], row(gradients, static_cast<Index>(step))), rates[step]);
      const double tolerance = sizeof(T) == 8 ? 1e-15 : 2e-7;
      CHECK(difference(module.tensors[0], row(expected, static_cast<Index>(step))) <= tolerance);
    }
    CHECK(adam.steps() == rates.size());
  }
}

TEMPLATE_TEST_CASE("the first step is as long as the learning rate, however large the gradient", "[train]",
                   float, double) {
  using T = TestType;
  for (double gradient : {1e-3, 1.0, -1e4}) {
    CAPTURE(gradient);
    Parameters<T> module{{Tensor<T>::zeros({1})}};
    Adam<T> adam;
    adam.add("", module);
    adam.step(gradients_of(module.tensors[0], Tensor<T>::full({1}, static_cast<T>(gradient))), 0.01);
    CHECK(static_cast<double>(module.tensors[0](0)) == Approx(-std::copysign(0.01, gradient)).epsilon(2e-5));
  }
}

TEST_CASE("adam goes down", "[train]") {
  // The sum of (w - target)^2.
  const Tensor<double> target({3}, {0.5, -2, 0});
  Parameters<double> module{{Tensor<double>({3}, {1, 1, 1})}};
  Adam<double> adam;
  adam.add("", module);
  for (int step = 0; step < 3000; ++step) {
    Tensor<double> gradient({3});
    for (Index i = 0; i < 3; ++i) gradient.mutable_data()[i] = 2 * (module.tensors[0](i) - target(i));
    adam.step(gradients_of(module.tensors[0], gradient), step < 2000 ? 1e-2 : 1e-4);
  }
  CHECK(difference(module.tensors[0], target) <= 1e-3);
}

TEST_CASE("a parameter without a gradient stays as it is", "[train]") {
  Parameters<float> module{{Tensor<float>::full({2}, 1), Tensor<float>::full({2}, 1)}};
  Adam<float> adam;
  adam.add("", module);
  adam.step(gradients_of(module.tensors[0], Tensor<float>::full({2}, 1)), 0.1);
  CHECK(module.tensors[0](0) < 1);
  CHECK(same_bits(module.tensors[1], Tensor<float>::full({2}, 1)));
}

TEST_CASE("adam names its state after the parameters", "[train]") {
  Parameters<float> first{{Tensor<float>::zeros({2, 3}), Tensor<float>::zeros({4})}},
      second{{Tensor<float>::zeros({5})}};
  Adam<float> adam;
  adam.add("a", first);
  adam.add("", second);
  std::vector<std::string> names;
  std::vector<Shape> shapes;
  adam.parameters("adam", [&](const std::string& name, const Tensor<float>& value) {
    names.push_back(name);
    shapes.push_back(value.shape());
    CHECK(max_abs(value) == 0);
  });
  CHECK(names == std::vector<std::string>{"adam.a.p0.mean", "adam.a.p0.square", "adam.a.p1.mean",
                                          "adam.a.p1.square", "adam.p0.mean", "adam.p0.square"});
  CHECK(shapes == std::vector<Shape>{{2, 3}, {2, 3}, {4}, {4}, {5}, {5}});
}

TEST_CASE("adam continues from its state as if it had never stopped", "[train]") {
  Random random(1);
  std::vector<Tensor<float>> gradients;
  for (int i = 0; i < 6; ++i) gradients.push_back(random_tensor<float>({7}, random));
  const auto start = random_tensor<float>({7}, random);

  Parameters<float> whole{{start.clone()}}, part{{start.clone()}};
  Adam<float> uninterrupted, before, after;
  uninterrupted.add("", whole);
  before.add("", part);
  for (const auto& gradient : gradients) uninterrupted.step(gradients_of(whole.tensors[0], gradient), 0.01);
  for (std::size_t i = 0; i < 3; ++i) before.step(gradients_of(part.tensors[0], gradients[i]), 0.01);

  after.add("", part);
  std::vector<Tensor<float>> state;
  before.parameters("",
                    [&](const std::string&, const Tensor<float>& value) { state.push_back(value.clone()); });
  std::size_t next = 0;
  after.parameters("", [&](const std::string&, Tensor<float>& value) { value = state[next++]; });
  after.set_steps(before.steps());
  for (std::size_t i = 3; i < 6; ++i) after.step(gradients_of(part.tensors[0], gradients[i]), 0.01);
  CHECK(same_bits(part.tensors[0], whole.tensors[0]));
  CHECK(after.steps() == uninterrupted.steps());
}

TEST_CASE("adam notices that values it stepped were saved for a backward", "[train]") {
  Parameters<float> module{{Tensor<float>::full({2}, 1)}};
  module.tensors[0].set_requires_grad(true);
  const auto version = module.tensors[0].version();
  Adam<float> adam;
  adam.add("", module);
  adam.step(gradients_of(module.tensors[0], Tensor<float>::full({2}, 1)), 0.1);
  CHECK(module.tensors[0].version() > version);
}

TEST_CASE("adam gives the same bits on any number of threads", "[train]") {
  Random random(1);
  const Shape shape{3, elements_per_task + 1};
  const auto start = random_tensor<float>(shape, random), gradient = random_tensor<float>(shape, random);
  const auto stepped = [&](int count) {
    const WithThreads with(count);
    Parameters<float> module{{start.clone()}};
    Adam<float> adam;
    adam.add("", module);
    for (int i = 0; i < 2; ++i) adam.step(gradients_of(module.tensors[0], gradient), 0.01);
    return module.tensors[0];
  };
  const auto expected = stepped(1);
  for (int count : {2, 3, 7}) CHECK(same_bits(stepped(count), expected));
}

TEST_CASE("adam takes the same steps on a CUDA device", "[train]") {
  if (!cuda_is_there()) return;
  Random random(1);
  Parameters<float> here, there;
  for (Index i = 0; i < 70; ++i) {  // more than one launch takes
    here.tensors.push_back(random_tensor<float>({i == 3 ? 5000 : i % 5}, random));
    there.tensors.push_back(here.tensors.back().to(cuda_device));
  }
  Adam<float> adam_here, adam_there;
  adam_here.add("", here);
  adam_there.add("", there);
  for (int step = 0; step < 3; ++step) {
    Gradients<float> gradients_here, gradients_there;
    for (std::size_t i = 0; i < 70; ++i) {
      if (i == 5) continue;  // stays as it is
      const auto gradient = random_tensor<float>(here.tensors[i].shape(), random);
      gradients_here.insert(here.tensors[i], gradient);
      gradients_there.insert(there.tensors[i], gradient.to(cuda_device));
    }
    adam_here.step(gradients_here, 0.01);
    adam_there.step(gradients_there, 0.01);
  }
  for (std::size_t i = 0; i < 70; ++i) {
    CAPTURE(i);
    CHECK(difference(there.tensors[i].to(Device::cpu()), here.tensors[i]) <= 2e-7);
  }
}

TEST_CASE("a recorded step of adam has each time the factors of its step", "[train]") {
  if (!cuda_is_there()) return;
  Random random(1);
  const auto start = random_tensor<float>({7}, random);
  Parameters<float> plain{{start.to(cuda_device)}}, recorded{{start.to(cuda_device)}};
  Adam<float> adam_plain, adam_recorded;
  adam_plain.add("", plain);
  adam_recorded.add("", recorded);
  const auto gradient = random_tensor<float>({7}, random).to(cuda_device);

  cuda::Graph graph;
  for (double rate : {0.1, 0.01, 0.02}) {
    adam_plain.step(gradients_of(plain.tensors[0], gradient), rate);
    adam_recorded.begin_step(rate);
    if (!graph)
      graph = cuda::record(
          0, [&] { adam_recorded.update_parameters(gradients_of(recorded.tensors[0], gradient)); });
    graph.replay();
    CHECK(same_bits(recorded.tensors[0].to(Device::cpu()), plain.tensors[0].to(Device::cpu())));
  }
  CHECK(difference(plain.tensors[0].to(Device::cpu()), start).worst > 0.1);
}

TEST_CASE("parameters of one adam are on one device", "[train]") {
  if (!cuda_is_there()) return;
  Parameters<float> both{{Tensor<float>::zeros({1}), Tensor<float>::zeros({1}, cuda_device)}};
  Adam<float> adam;
  CHECK(message_of<DeviceError>([&] { adam.add("", both); }) ==
        "adam: p1 is on cuda:0, parameters before it on cpu");
}

TEST_CASE("moving averages, on both devices", "[train]") {
  const Tensors<float> values{Tensor<float>({2}, {3, 6}), Tensor<float>({1, 1}, {-4})};
  const auto check = [&](Device device) {
    Tensors<float> means{Tensor<float>({2}, {1, 2}).to(device), Tensor<float>({1, 1}, {8}).to(device)}, news;
    for (const Tensor<float>& value : values) news.push_back(value.to(device));
    const std::uint64_t version = means[1].version();
    update_averages(means, news, MovingAverage<float>{0.75f});
    CHECK(means[1].version() > version);
    for (Tensor<float>& mean : means) mean = mean.to(Device::cpu());
    CHECK(means[0](0) == 1.5f);
    CHECK(means[0](1) == 3);
    CHECK(means[1](0, 0) == 5);
  };
  check(Device::cpu());
  if (cuda_is_there()) check(cuda_device);
  Tensors<float> none;
  CHECK(message_of<ShapeError>([&] { update_averages(none, values, MovingAverage<float>{}); }) ==
        "average: 0 means of 2 values");
}
