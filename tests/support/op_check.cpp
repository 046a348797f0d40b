#include "support/op_check.hpp"

#include <cmath>
#include <limits>

#include "nlcl/autograd/gradcheck.hpp"

namespace nlcl::test {

void unit_rows(Tensors<double>& inputs) {
  for (Tensor<double>& x : inputs) {
    const Index columns = x.shape()[1];
    for (Index row = 0; row < x.shape()[0]; ++row) {
      double* const first = x.mutable_data() + row * columns;
      double square = 0;
      for (Index c = 0; c < columns; ++c) square += first[c] * first[c];
      for (Index c = 0; c < columns; ++c) first[c] /= std::sqrt(square);
    }
  }
}

void clear_of_kink(Tensors<double>& inputs) {
  double* const x = inputs[0].mutable_data();
  for (Index i = 0; i < inputs[0].size(); ++i) x[i] += std::copysign(0.01, x[i]);
}

void with_zeros(Tensors<double>& inputs) {
  double* const x = inputs[0].mutable_data();
  for (Index i = 1; i < inputs[0].size(); i += 3) x[i] = std::copysign(0.0, x[i]);
}

namespace {

// Relative to the largest value of the tensor. Sums of up to a thousand terms, each rounded to 1e-16 or 6e-8,
// err by a few tens of that, since most errors cancel. A term that is missing is off by 1e-3 and more.
constexpr double double_tolerance = 1e-12;
constexpr double float_tolerance = 1e-5;

// The differences themselves err by 1e-10 times the size of the sums and of the third derivative.
constexpr double gradcheck_tolerance = 1e-7;

// They cost two runs for each element; in larger cases the oracle has to do.
constexpr Index gradcheck_elements = 1000;

// One pass forward and backward, with gradients for the inputs that are `wanted`. `between` sees the inputs
// and y after the one and before the other.
template <class T>
Pass<T> run(const OpDescription& op, const Attributes& attributes, Tensors<T> inputs, const Tensor<T>& dy,
            const std::vector<bool>& wanted, const auto& between) {
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].set_requires_grad(wanted[i]);
  Tape<T> tape;
  Pass<T> pass{op.call(inputs, attributes), {}};
  between(inputs, pass.y);
  const Gradients<T> gradients = tape.backward(pass.y, dy);
  for (const auto& input : inputs)
    pass.gradients.push_back(gradients.has(input) ? gradients.of(input) : Tensor<T>());
  return pass;
}

template <class T>
Pass<T> run(const OpDescription& op, const Attributes& attributes, const Tensors<T>& inputs,
            const Tensor<T>& dy) {
  return run(op, attributes, inputs, dy, std::vector<bool>(inputs.size(), true), [](const auto&...) {});
}

template <class T>
void check_near(const OpDescription& op, const Pass<T>& found, const Pass<double>& expected,
                double tolerance) {
  CHECK(relative_difference(found.y, expected.y) <= tolerance);
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    INFO("gradient of " << op.inputs[i]);
    CHECK(relative_difference(found.gradients[i], expected.gradients[i]) <= tolerance);
  }
}

template <class T>
void check_same_bits(const OpDescription& op, const Pass<T>& found, const Pass<T>& expected) {
  CHECK(same_bits(found.y, expected.y));
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    INFO("gradient of " << op.inputs[i]);
    CHECK(same_bits(found.gradients[i], expected.gradients[i]));
  }
}

// Both number types against values in double. The inputs are float values.
void check_both(const OpDescription& op, const Attributes& attributes, const Tensors<double>& inputs,
                const Tensor<double>& dy, const Pass<double>& expected) {
  const double condition = op.condition(inputs);
  INFO("in double");
  check_near(op, run(op, attributes, inputs, dy), expected, condition * double_tolerance);
  INFO("in float");
  check_near(op, run(op, attributes, converted<float>(inputs), converted<float>(dy)), expected,
             condition * float_tolerance);
}

// The same on a CUDA device, twice. The results are copied back.
void check_on_cuda(const OpDescription& op, const Attributes& attributes, const Tensors<double>& inputs,
                   const Tensor<double>& dy, const Pass<double>& expected) {
  INFO("in float on " << cuda_device);
  const auto once = [&] {
    Pass<float> pass = run(op, attributes, on_device(converted<float>(inputs), cuda_device),
                           converted<float>(dy).to(cuda_device));
    CHECK(pass.y.device() == cuda_device);
    return Pass<float>{pass.y.to(Device::cpu()), on_device(pass.gradients, Device::cpu())};
  };
  const Pass<float> pass = once();
  check_near(op, pass, expected, op.condition(inputs) * float_tolerance);
  check_same_bits(op, once(), pass);
}

Tensors<double> random_inputs(const std::vector<Shape>& shapes, Random& random) {
  Tensors<double> inputs;
  for (const Shape& shape : shapes)
    inputs.push_back(shape == absent ? Tensor<double>() : random_tensor<double>(shape, random));
  return inputs;
}

// body(case, inputs, dy), with the same numbers in every kind of test.
void for_each_case(const OpDescription& op, const auto& body) {
  for (std::size_t i = 0; i < op.cases.size(); ++i) {
    const OpCase& c = op.cases[i];
    INFO("case " << c.name << ' ' << c.attributes);
    Random random(1, i);
    Tensors<double> inputs = random_inputs(c.shapes, random);
    c.adjust(inputs);
    inputs = converted<double>(converted<float>(inputs));
    const Shape y = op.call(inputs, c.attributes).shape();
    body(c, inputs, random_tensor<double>(y, random));
  }
}

void check_values(const OpDescription& op) {
  for_each_case(op, [&](const OpCase& c, const Tensors<double>& inputs, const Tensor<double>& dy) {
    check_both(op, c.attributes, inputs, dy, op.oracle(inputs, dy, c.attributes));
  });
}

void check_golden(const OpDescription& op) {
  for (const std::string& name : op.golden) {
    const GoldenFile file(name);
    for (const std::string& c : file.cases()) {
      INFO("golden " << name << ' ' << c);
      Tensors<double> inputs;
      Pass<double> expected{file.tensor(c + ".y"), {}};
      for (const std::string& input : op.inputs) {
        inputs.push_back(file.tensor(c + "." + input));
        expected.gradients.push_back(file.tensor(c + ".d" + input));
      }
      check_both(op, file.attributes(c), inputs, file.tensor(c + ".dy"), expected);
    }
  }
}

void check_gradients(const OpDescription& op) {
  for_each_case(op, [&](const OpCase& c, const Tensors<double>& inputs, const Tensor<double>&) {
    Tensors<double> present;
    Index elements = 0;
    for (const auto& input : inputs) {
      if (input) present.push_back(input);
      elements += input.size();
    }
    if (!c.smooth || elements > gradcheck_elements) return;
    const auto call = [&](const Tensors<double>& leaves) {
      Tensors<double> all;  // with the absent ones in their places
      for (std::size_t i = 0, leaf = 0; i < inputs.size(); ++i)
        all.push_back(inputs[i] ? leaves[leaf++] : Tensor<double>());
      return op.call(all, c.attributes);
    };
    const GradcheckResult result = gradcheck(call, present);
    INFO("input " << result.input << ", element " << result.element << ": backward gives " << result.analytic
                  << ", differences " << result.numeric);
    CHECK(result.worst <= gradcheck_tolerance);
  });
}

void check_alone(const OpDescription& op) {
  for_each_case(op, [&](const OpCase& c, const Tensors<double>& inputs, const Tensor<double>& dy) {
    const Pass<double> together = run(op, c.attributes, inputs, dy);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i]) continue;
      std::vector<bool> only(inputs.size(), false);
      only[i] = true;
      Pass<double> expected{together.y, Tensors<double>(inputs.size())};
      expected.gradients[i] = together.gradients[i];
      check_same_bits(op, run(op, c.attributes, inputs, dy, only, [](const auto&...) {}), expected);
    }
  });
}

// Either backward() notices, or it did not need what has changed.
void check_in_place(const OpDescription& op) {
  for_each_case(op, [&](const OpCase& c, const Tensors<double>& inputs, const Tensor<double>& dy) {
    const Pass<double> expected = run(op, c.attributes, inputs, dy);
    for (std::size_t i = 0; i <= inputs.size(); ++i) {
      const auto write = [&](Tensors<double>& leaves, Tensor<double>& y) {
        Tensor<double>& changed = i < leaves.size() ? leaves[i] : y;
        std::fill_n(changed.mutable_data(), changed.size(), 2.0);
      };
      INFO("written to: " << (i < inputs.size() ? op.inputs[i] : "y"));
      Tensors<double> copies;
      for (const auto& input : inputs) copies.push_back(input.clone());
      try {
        const std::vector<bool> all(inputs.size(), true);
        const Pass<double> pass = run(op, c.attributes, copies, dy, all, write);
        check_same_bits(op, Pass<double>{expected.y, pass.gradients}, expected);
      } catch (const TapeError& error) {
        CHECK_THAT(error.what(), Catch::Contains("was changed in place after the forward pass"));
      }
    }
  });
}

template <class T>
void check_bits(const OpDescription& op) {
  for_each_case(op, [&](const OpCase& c, const Tensors<double>& inputs, const Tensor<double>& dy) {
    const Tensors<T> x = converted<T>(inputs);
    const auto pass = [&](int count) {
      const WithThreads with(count);
      return run(op, c.attributes, x, converted<T>(dy));
    };
    const Pass<T> expected = pass(1);
    for (int count : {1, 2, 3, 7}) {
      INFO(count << " threads");
      check_same_bits(op, pass(count), expected);
    }
    CHECK(same_bits(op.call(x, c.attributes), expected.y));
  });
}

// The inputs, with NaN as the first value of one of them that the op reads.
Tensors<double> with_nan(const OpDescription& op, const Tensors<double>& inputs, const Attributes& attributes,
                         std::size_t i) {
  Tensors<double> broken = inputs;
  broken[i] = inputs[i].clone();
  broken[i].mutable_data()[op.first_read(inputs, attributes)] = std::numeric_limits<double>::quiet_NaN();
  return broken;
}

void check_nan(const OpDescription& op) {
  for_each_case(op, [&](const OpCase& c, const Tensors<double>& inputs, const Tensor<double>&) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].size() == 0) continue;
      INFO("NaN in " << op.inputs[i]);
      const Tensors<double> broken = with_nan(op, inputs, c.attributes, i);
      CHECK(has_nan(op.call(broken, c.attributes)));
      CHECK(has_nan(op.call(converted<float>(broken), c.attributes)));
    }
  });
}

void check_errors(const OpDescription& op) {
  for (const OpError& error : op.errors) {
    Random random(1);
    const Tensors<double> inputs = random_inputs(error.shapes, random);
    CHECK(message_of<ShapeError>([&] { op.call(inputs, error.attributes); }) == error.message);
    CHECK(message_of<ShapeError>([&] { op.call(converted<float>(inputs), error.attributes); }) ==
          error.message);
  }
}

void check_cuda(const OpDescription& op) {
  for_each_case(op, [&](const OpCase& c, const Tensors<double>& inputs, const Tensor<double>& dy) {
    check_on_cuda(op, c.attributes, inputs, dy, op.oracle(inputs, dy, c.attributes));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].size() == 0) continue;
      INFO("NaN in " << op.inputs[i]);
      const Tensor<float> y = op.call(
          on_device(converted<float>(with_nan(op, inputs, c.attributes, i)), cuda_device), c.attributes);
      CHECK(has_nan(y.to(Device::cpu())));
    }
  });
}

}  // namespace

void check_op(const OpDescription& op) {
  SECTION("values") { check_values(op); }
  SECTION("golden") { check_golden(op); }
  SECTION("gradcheck") { check_gradients(op); }
  SECTION("alone") { check_alone(op); }
  SECTION("in place") { check_in_place(op); }
  SECTION("same bits") {
    check_bits<float>(op);
    check_bits<double>(op);
  }
  SECTION("NaN") { check_nan(op); }
  SECTION("cuda") {
    if (cuda_is_there()) check_cuda(op);
  }
  SECTION("errors") { check_errors(op); }
}

}  // namespace nlcl::test
