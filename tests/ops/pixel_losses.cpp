#include "nlcl/ops/pixel_losses.hpp"

#include <cmath>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

// The mean of value(a - b), and the gradients that derivative(a - b) gives.
Pass<double> mean_of(const auto& value, const auto& derivative, const Tensors<double>& inputs,
                     const Tensor<double>& dy) {
  const Tensor<double>&a = inputs[0], &b = inputs[1];
  const double count = static_cast<double>(a.size());
  double sum = 0;
  Tensor<double> da(a.shape()), db(a.shape());
  for (Index i = 0; i < a.size(); ++i) {
    const double difference = a.data()[i] - b.data()[i];
    sum += value(difference);
    da.mutable_data()[i] = dy.item() * derivative(difference) / count;
    db.mutable_data()[i] = -da.data()[i];
  }
  return {Tensor<double>::scalar(sum / count), {da, db}};
}

Pass<double> squared(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes&) {
  return mean_of([](double d) { return d * d; }, [](double d) { return 2 * d; }, inputs, dy);
}

Pass<double> absolute(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes&) {
  return mean_of([](double d) { return std::abs(d); },
                 [](double d) { return d == 0 ? 0 : std::copysign(1.0, d); }, inputs, dy);
}

Pass<double> adversarial(const Tensors<double>& inputs, const Tensor<double>& dy,
                         const Attributes& attributes) {
  const auto target = Tensor<double>::full(inputs[0].shape(), attributes.at("target"));
  Pass<double> pass = squared({inputs[0], target}, dy, attributes);
  pass.gradients.pop_back();
  return pass;
}

// No difference closer to 0 than the step of the differences.
void apart(Tensors<double>& inputs) {
  double* const a = inputs[0].mutable_data();
  for (Index i = 0; i < inputs[0].size(); ++i) a[i] += std::copysign(0.01, a[i] - inputs[1].data()[i]);
}

void partly_equal(Tensors<double>& inputs) {
  for (Index i = 1; i < inputs[0].size(); i += 3) inputs[0].mutable_data()[i] = inputs[1].data()[i];
}

std::vector<OpCase> pair_cases() {
  const Shape scalar, image{2, 5, 7, 3}, large{3, elements_per_task + 1};
  return {
      {.name = "scalar", .shapes = {scalar, scalar}, .adjust = apart},
      {.name = "image", .shapes = {image, image}, .adjust = apart},
      {.name = "equal elements", .shapes = {{3, 7}, {3, 7}}, .adjust = partly_equal, .smooth = false},
      {.name = "more than one task", .shapes = {large, large}},
  };
}

std::vector<OpError> pair_errors(const std::string& name) {
  return {
      {.shapes = {{1, 2, 3, 4}, {1, 2, 4, 3}}, .message = name + ": a has shape [1,2,3,4], b has [1,2,4,3]"},
      {.shapes = {{6}, {1, 6}}, .message = name + ": a has shape [6], b has [1,6]"},
      {.shapes = {{2, 0}, {2, 0}}, .message = name + ": a has shape [2,0], b has [2,0]"},
      {.shapes = {absent, {3}}, .message = name + ": a has shape [0], b has [3]"},
  };
}

}  // namespace

TEST_CASE("mean_squared_error", "[ops]") {
  check_op({
      .inputs = {"a", "b"},
      .call = [](const auto& in, const Attributes&) { return mean_squared_error(in[0], in[1]); },
      .oracle = squared,
      .golden = {"mean_squared_error"},
      .cases = pair_cases(),
      .errors = pair_errors("mean_squared_error"),
  });
}

TEST_CASE("mean_absolute_error", "[ops]") {
  check_op({
      .inputs = {"a", "b"},
      .call = [](const auto& in, const Attributes&) { return mean_absolute_error(in[0], in[1]); },
      .oracle = absolute,
      .golden = {"mean_absolute_error"},
      .cases = pair_cases(),
      .errors = pair_errors("mean_absolute_error"),
  });
}

TEST_CASE("lsgan", "[ops]") {
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in, const Attributes& a) { return lsgan(in[0], a.at("target")); },
      .oracle = adversarial,
      .golden = {"lsgan"},
      .cases =
          {
              {.name = "real", .shapes = {{2, 6, 5, 1}}, .attributes = {{"target", 1}}},
              {.name = "generated", .shapes = {{2, 6, 5, 1}}, .attributes = {{"target", 0}}},
              {.name = "scalar", .shapes = {{}}, .attributes = {{"target", 1}}},
          },
  });
}

TEMPLATE_TEST_CASE("a tensor has no error against itself, and no gradient", "[ops]", float, double) {
  Random random(1);
  const auto x = random_tensor<TestType>({3, 7}, random).set_requires_grad(true);
  for (const auto loss : {mean_squared_error<TestType>, mean_absolute_error<TestType>}) {
    Tape<TestType> tape;
    const auto y = loss(x, x);
    CHECK(y.item() == 0);
    CHECK(max_abs(tape.backward(y).of(x)) == 0);
  }
}

TEST_CASE("losses are averaged in double", "[ops]") {
  const Shape million{1000, 1000};
  const auto ones = Tensor<float>::full(million, 1.0f), tenths = Tensor<float>::full(million, 1.1f);
  const float difference = 1.1f - 1.0f;
  CHECK(mean_absolute_error(tenths, ones).item() == difference);
  CHECK(mean_squared_error(tenths, ones).item() == Approx(difference * difference).epsilon(1e-7));
}
