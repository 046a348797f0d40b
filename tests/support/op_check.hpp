// One description of an op serves every kind of test of it; check_op(description) runs them all:
//
//   values      y and all gradients against a naive oracle, in double and in float
//   golden      the same against PyTorch in float64
//   gradcheck   gradients against central differences, in double, for every element of every input
//   alone       the gradient of one input without those of the others
//   in place    no wrong gradient after an input or the output was written to
//   same bits   for 1, 2, 3 and 7 threads, in a second run, and without a tape
//   NaN         that goes in comes out
//   cuda        values, gradients, same bits and NaN on a CUDA device, in float
//   errors      with their whole message
//
// Parameters are inputs like any other. A kind of test that only one op needs is a TEST_CASE in the file of
// that op.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/tensors.hpp"
#include "support/threads.hpp"

namespace nlcl::test {

// An op as a function of its inputs, for both number types, made from one generic lambda.
class OpCall {
 public:
  template <class F>
  OpCall(F f) : float_(f), double_(f) {}  // NOLINT: the lambda is the call

  Tensor<float> operator()(const Tensors<float>& inputs, const Attributes& a) const {
    return float_(inputs, a);
  }
  Tensor<double> operator()(const Tensors<double>& inputs, const Attributes& a) const {
    return double_(inputs, a);
  }

 private:
  std::function<Tensor<float>(const Tensors<float>&, const Attributes&)> float_;
  std::function<Tensor<double>(const Tensors<double>&, const Attributes&)> double_;
};

// What comes out of an op, forward and backward.
template <class T>
struct Pass {
  Tensor<T> y;
  Tensors<T> gradients;  // of sum(y * dy), one for each input; absent where nobody asked for it
};

inline const Shape absent{0};  // the shape of an input that is left out

// Inputs are uniform in [-1, 1) unless `adjust` changes them.
struct OpCase {
  std::string name;
  std::vector<Shape> shapes;
  Attributes attributes = Attributes::object();
  std::function<void(Tensors<double>&)> adjust = [](Tensors<double>&) {};
  bool smooth = true;  // false: kinks or cliffs within the step of the differences, only the oracle judges
};

// What `adjust` may be.
void unit_rows(Tensors<double>& inputs);      // rows of length 1
void clear_of_kink(Tensors<double>& inputs);  // no value closer to 0 than the step of the differences
void with_zeros(Tensors<double>& inputs);     // every third value is 0, of either sign

struct OpError {
  std::vector<Shape> shapes;
  Attributes attributes = Attributes::object();
  std::string message;  // of a ShapeError
};

struct OpDescription {
  std::vector<std::string> inputs;  // by their names in the golden files
  OpCall call;
  std::function<Pass<double>(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes&)>
      oracle;
  std::vector<std::string> golden;  // files
  std::vector<OpCase> cases;
  std::vector<OpError> errors = {};
  // How much more than usual the op has to magnify the rounding of these inputs.
  std::function<double(const Tensors<double>& inputs)> condition = [](const Tensors<double>&) { return 1.0; };
  // The first value of an input that the op reads.
  std::function<Index(const Tensors<double>& inputs, const Attributes&)> first_read =
      [](const Tensors<double>&, const Attributes&) { return Index{0}; };
};

// Runs all of them, each as a section of the test that calls it.
void check_op(const OpDescription& op);

}  // namespace nlcl::test
