#include "nlcl/ops/patch_nce.hpp"

#include <cmath>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

double temperature(const Attributes& a) { return a.value("temperature", 0.07); }
Index groups(const Attributes& a) { return a.value("groups", 1); }

// Row by row, the cross entropy of 1 + M logits as PatchNCE lists them: the positive, then the negatives with -10 in the
// place of the positive.
Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  const Tensor<double>&queries = inputs[0], &keys = inputs[1];
  const Index rows = queries.shape()[0], channels = queries.shape()[1], count = rows / groups(attributes);
  const double t = temperature(attributes);
  double loss = 0;
  auto dqueries = Tensor<double>::zeros(queries.shape()), dkeys = Tensor<double>::zeros(keys.shape());
  for (Index i = 0; i < rows; ++i) {
    const Index first = i / count * count, last = first + count;  // of its group
    const auto similarity = [&](Index j) {
      double sum = 0;
      for (Index c = 0; c < channels; ++c) sum += queries(i, c) * keys(j, c);
      return sum;
    };
    std::vector<double> logits{similarity(i) / t};
    for (Index j = first; j < last; ++j) logits.push_back((i == j ? -10 : similarity(j)) / t);
    double total = 0;
    for (double logit : logits) total += std::exp(logit);
    loss += (std::log(total) - logits[0]) / static_cast<double>(rows);

    const auto give = [&](Index j, double slope) {  // d loss / d similarity(j)
      for (Index c = 0; c < channels; ++c) {
        dqueries.mutable_data()[i * channels + c] += dy.item() * slope * keys(j, c);
        dkeys.mutable_data()[j * channels + c] += dy.item() * slope * queries(i, c);
      }
    };
    const double share = 1 / (t * static_cast<double>(rows));
    give(i, share * (std::exp(logits[0]) / total - 1));
    for (Index j = first; j < last; ++j)
      if (j != i) give(j, share * std::exp(logits[static_cast<std::size_t>(j - first) + 1]) / total);
  }
  return {Tensor<double>::scalar(loss), {dqueries, dkeys}};
}

std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](Index count, Index channels, double t, bool smooth = true) {
    all.push_back({.name = "",
                   .shapes = {{count, channels}, {count, channels}},
                   .attributes = {{"temperature", t}},
                   .adjust = unit_rows,
                   .smooth = smooth});
  };
  for (Index count : {2, 3, 16, 17})
    for (Index channels : {1, 5, 16}) add(count, channels, 0.5);
  // The third derivative goes with the cube of 1 / t, too far for the differences.
  for (Index count : {2, 33}) add(count, 12, 0.07, false);
  add(256, 32, 0.07, false);
  for (double t : {2.0, 10.0})
    add(1, 4, t);  // the logit in place of the positive counts when it is as warm as that
  add(5, 4, 10);
  for (Index groups : {2, 3}) {
    add(groups * 5, 7, 0.5);
    all.back().attributes["groups"] = groups;
  }
  return all;
}

}  // namespace

TEST_CASE("patch_nce", "[ops]") {
  const std::string expected = "patch_nce: expects queries and keys of one shape [M,C], are ";
  check_op({
      .inputs = {"queries", "keys"},
      .call = [](const auto& in,
                 const Attributes& a) { return patch_nce(in[0], in[1], temperature(a), groups(a)); },
      .oracle = oracle,
      .golden = {"patch_nce"},
      .cases = cases(),
      .errors =
          {
              {.shapes = {{6}, {6}}, .message = expected + "[6] and [6]"},
              {.shapes = {{3, 4}, {3, 5}}, .message = expected + "[3,4] and [3,5]"},
              {.shapes = {{3, 4}, {2, 4}}, .message = expected + "[3,4] and [2,4]"},
              {.shapes = {{0, 4}, {0, 4}}, .message = expected + "[0,4] and [0,4]"},
              {.shapes = {{3, 4}, absent}, .message = expected + "[3,4] and [0]"},
              {.shapes = {{3, 4}, {3, 4}},
               .attributes = {{"temperature", 0}},
               .message = "patch_nce: temperature is 0, expected more than 0"},
              {.shapes = {{5, 4}, {5, 4}},
               .attributes = {{"groups", 2}},
               .message = "patch_nce: 5 rows in 2 groups"},
              {.shapes = {{5, 4}, {5, 4}},
               .attributes = {{"groups", 0}},
               .message = "patch_nce: 5 rows in 0 groups"},
          },
  });
}

TEMPLATE_TEST_CASE("the loss of vectors that say nothing is that of guessing", "[ops]", float, double) {
  using T = TestType;
  const auto same = Tensor<T>({3, 2}, {1, 0, 1, 0, 1, 0});
  CHECK(patch_nce(same, same).item() == Approx(std::log(3)).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("queries that are their keys, and unlike the others, have no loss", "[ops]", float,
                   double) {
  using T = TestType;
  const auto apart = Tensor<T>({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
  const double expected = std::log1p(2 * std::exp(-1 / 0.07));
  CHECK(patch_nce(apart, apart).item() == Approx(expected).margin(2e-6));
  const auto turned = Tensor<T>({3, 3}, {0, 1, 0, 0, 0, 1, 1, 0, 0});
  CHECK(patch_nce(apart, turned).item() == Approx(1 / 0.07).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("patch_nce does not overflow where it is very cold", "[ops]", float, double) {
  using T = TestType;
  const auto apart = Tensor<T>({2, 2}, {1, 0, 0, 1}), turned = Tensor<T>({2, 2}, {0, 1, 1, 0});
  CHECK(patch_nce(apart, apart, 1e-4).item() == 0);
  CHECK(patch_nce(apart, turned, 1e-4).item() == Approx(1e4));
}

TEST_CASE("keys that are detached get no gradient", "[ops]") {
  Random random(1);
  auto x = random_tensor<float>({4, 5}, random).set_requires_grad(true);
  const auto y = random_tensor<float>({4, 5}, random);
  Tape<float> tape;
  const auto gradients = tape.backward(patch_nce(x, x.detached()));
  const auto alone = [&] {
    auto keys = x.clone();
    Tape<float> other;
    return other.backward(patch_nce(x, keys));
  }();
  CHECK(same_bits(gradients.of(x), alone.of(x)));
}
