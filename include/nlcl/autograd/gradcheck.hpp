// The gradient check: backward against central differences, in double, for every element of every input.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/random.hpp"

namespace nlcl {

struct GradcheckResult {
  double worst = 0;  // largest |analytic - numeric| / (1 + |numeric|)
  std::size_t input = 0;
  Index element = 0;
  double analytic = 0, numeric = 0;
};

// Compares the gradients of sum(f(inputs) * w), w fixed random weights, with (f(x + h) - f(x - h)) / 2h. The
// error of that quotient is of order h^2 from the third derivative and 1e-16 / h from rounding: h = 1e-5
// leaves about 1e-10. Inputs should stay clear of kinks (ReLU at 0) by more than h.
inline GradcheckResult gradcheck(const std::function<Tensor<double>(const std::vector<Tensor<double>>&)>& f,
                                 const std::vector<Tensor<double>>& inputs, double h = 1e-5) {
  std::vector<Tensor<double>> leaves;
  for (const auto& input : inputs) {
    leaves.push_back(input.clone());
    leaves.back().set_requires_grad(true);
  }
  Tensor<double> weights;
  const Gradients<double> gradients = [&] {
    Tape<double> tape;
    const Tensor<double> y = f(leaves);
    weights = Tensor<double>(y.shape());
    Random random(1);
    std::generate_n(weights.mutable_data(), weights.size(), [&] { return random.uniform(-1, 1); });
    return tape.backward(y, weights);
  }();

  const auto objective = [&] {
    const NoGrad no_grad;
    const Tensor<double> y = f(leaves);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * weights.data()[i];
    return sum;
  };

  GradcheckResult result;
  for (std::size_t n = 0; n < leaves.size(); ++n) {
    const Tensor<double>& analytic = gradients.of(leaves[n]);
    require<ShapeError>(analytic.shape() == leaves[n].shape(), "gradcheck: input ", n, " has shape ",
                        leaves[n].shape(), ", its gradient ", analytic.shape());
    for (Index i = 0; i < leaves[n].size(); ++i) {
      const double x = leaves[n].data()[i];
      leaves[n].mutable_data()[i] = x + h;
      const double above = objective();
      leaves[n].mutable_data()[i] = x - h;
      const double below = objective();
      leaves[n].mutable_data()[i] = x;
      const double numeric = (above - below) / (2 * h);
      const double error = std::abs(analytic.data()[i] - numeric) / (1 + std::abs(numeric));
      if (std::isnan(error)) return {error, n, i, analytic.data()[i], numeric};
      if (error > result.worst) result = {error, n, i, analytic.data()[i], numeric};
    }
  }
  return result;
}

}  // namespace nlcl
