#include "nlcl/ops/soft_match.hpp"

#include <cmath>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

double temperature(const Attributes& a) { return a.value("temperature", 0.5); }

// The gradient comes from the whole Jacobian of the weights: dw_k/dd_j = w_k (w_j - (j = k)) / t.
Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  const Tensor<double>&distances = inputs[0], &features = inputs[1];
  const Index queries = distances.shape()[0], count = distances.shape()[1], channels = features.shape()[1];
  const double t = temperature(attributes);
  auto y = Tensor<double>::zeros({queries, channels});
  auto ddistances = Tensor<double>::zeros(distances.shape()),
       dfeatures = Tensor<double>::zeros(features.shape());
  for (Index q = 0; q < queries; ++q) {
    double total = 0;
    for (Index k = 0; k < count; ++k) total += std::exp(-distances(q, k) / t);
    const auto weight = [&](Index k) { return std::exp(-distances(q, k) / t) / total; };
    for (Index k = 0; k < count; ++k)
      for (Index c = 0; c < channels; ++c) {
        const double feature = features(q * count + k, c);
        y.mutable_data()[q * channels + c] += weight(k) * feature;
        dfeatures.mutable_data()[(q * count + k) * channels + c] = weight(k) * dy(q, c);
        for (Index j = 0; j < count; ++j)
          ddistances.mutable_data()[q * count + j] +=
              dy(q, c) * feature * weight(k) * (weight(j) - (j == k)) / t;
      }
  }
  return {y, {ddistances, dfeatures}};
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](Index queries, Index count, Index channels, double t) {
    all.push_back({.name = "",
                   .shapes = {{queries, count}, {queries * count, channels}},
                   .attributes = {{"temperature", t}}});
  };
  for (Index queries : {1, 3})
    for (Index count : {2, 7})
      for (Index channels : {1, 3, 32}) add(queries, count, channels, 0.5);
  for (double t : {0.1, 1.0, 30.0}) add(2, 5, 4, t);
  add(4, 128, 16, 0.5);
  return all;
}

}  // namespace

TEST_CASE("soft_match", "[ops]") {
  const std::string expected = "soft_match: expects distances [Q,K] and features [Q*K,C], are ";
  check_op({
      .inputs = {"distances", "features"},
      .call = [](const auto& in, const Attributes& a) { return soft_match(in[0], in[1], temperature(a)); },
      .oracle = oracle,
      .golden = {"soft_match"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{6}, {6, 4}}, .message = expected + "[6] and [6,4]"},
              {.shapes = {{2, 3}, {2, 3, 4}}, .message = expected + "[2,3] and [2,3,4]"},
              {.shapes = {{2, 3}, {5, 4}}, .message = expected + "[2,3] and [5,4]"},
              {.shapes = {{2, 3}, {6, 0}}, .message = expected + "[2,3] and [6,0]"},
              {.shapes = {{2, 0}, {0, 4}}, .message = expected + "[2,0] and [0,4]"},
              {.shapes = {{2, 3}, {6, 4}},
               .attributes = {{"temperature", 0}},
               .message = "soft_match: temperature is 0, expected more than 0"},
              {.shapes = {{2, 3}, {6, 4}},
               .attributes = {{"temperature", -1}},
               .message = "soft_match: temperature is -1, expected more than 0"},
          },
  });
}

TEMPLATE_TEST_CASE("the softer, the more matches count", "[ops]", float, double) {
  using T = TestType;
  const Tensor<T> distances({1, 3}, {2, 1, 4}), features({3, 1}, {10, 20, 60});
  CHECK(soft_match(distances, features, 1e-3).item() == 20);
  CHECK(soft_match(distances, features, 1e6).item() == Approx(30).epsilon(1e-4));
  CHECK(soft_match(Tensor<T>::full({1, 3}, T{5}), features, 1).item() == Approx(30).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("distances far beyond the temperature do not overflow", "[ops]", float, double) {
  using T = TestType;
  const auto y =
      soft_match(Tensor<T>({2, 2}, {1e6, 1e6, 1e30f, 2e30f}), Tensor<T>({4, 1}, {1, 3, 5, 7}), 0.01);
  CHECK(same_bits(y, Tensor<T>({2, 1}, {2, 5})));
}
