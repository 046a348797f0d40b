// The intrinsic dimension of a set of points: of how many numbers a point is really made, however many it
// has.
//
// In d dimensions the number of neighbours within a distance t grows as t^d. From the distances T_1 <= ... <=
// T_K of a point to its nearest neighbours, the maximum likelihood estimate at that point is (Levina and
// Bickel, NIPS 2004)
//
//     1 / d = 1 / (K - 1) sum over j < K of ln(T_K / T_j)
//
// and over all points the inverses are averaged, not the estimates (MacKay and Ghahramani, 2005). TwoNN needs
// the two nearest neighbours only (Facco et al., Scientific Reports 2017): with mu = T_2 / T_1, d = (n - 1) /
// sum of ln(mu).
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// The distances of each point to its `count` nearest others, nearest first: [n, count]. Points equal to an
// earlier one are left out, so n may be less than the number of rows of `points` [rows, dims]. Throws
// ShapeError if too few are left.
inline Tensor<double> neighbor_distances(const Tensor<float>& points, Index count) {
  require<ShapeError>(points.shape().rank() == 2 && count >= 2,
                      "intrinsic_dimension: expects points [n,dims] and at least 2 neighbours, are ",
                      points.shape(), " and ", count);
  const Index rows = points.shape()[0], dims = points.shape()[1];
  std::vector<double> squared(static_cast<std::size_t>(rows * rows));
  const auto at = [&](Index i, Index j) -> double& {
    return squared[static_cast<std::size_t>(i * rows + j)];
  };
  parallel_for(rows, [&](Index i) {
    for (Index j = 0; j < rows; ++j) {
      double sum = 0;
      for (Index k = 0; k < dims; ++k) {
        const double difference =
            static_cast<double>(points.data()[i * dims + k] - points.data()[j * dims + k]);
        sum += difference * difference;
      }
      at(i, j) = sum;
    }
  });
  std::vector<Index> distinct;
  for (Index i = 0; i < rows; ++i)
    if (std::none_of(distinct.begin(), distinct.end(), [&](Index j) { return at(i, j) == 0; }))
      distinct.push_back(i);
  const Index n = static_cast<Index>(distinct.size());
  require<ShapeError>(n > count, "intrinsic_dimension: ", n, " distinct points, expected more than the ",
                      count, " neighbours");

  Tensor<double> result({n, count});
  std::vector<double> line;
  for (Index i = 0; i < n; ++i) {
    line.clear();
    for (Index other : distinct)
      if (other != distinct[static_cast<std::size_t>(i)])
        line.push_back(at(distinct[static_cast<std::size_t>(i)], other));
    std::partial_sort(line.begin(), line.begin() + count, line.end());
    for (Index k = 0; k < count; ++k)
      result.mutable_data()[i * count + k] = std::sqrt(line[static_cast<std::size_t>(k)]);
  }
  return result;
}

// The mean of 1 / d over the points, from their neighbours' distances [n,K]: means of several groups can be
// averaged.
inline double inverse_dimension(const Tensor<double>& distances) {
  const Index n = distances.shape()[0], count = distances.shape()[1];
  double sum = 0;
  for (Index i = 0; i < n; ++i) {
    const double* const t = distances.data() + i * count;
    for (Index j = 0; j + 1 < count; ++j) sum += std::log(t[count - 1] / t[j]);
  }
  return sum / static_cast<double>(n * (count - 1));
}

// Levina and Bickel's estimate.
inline double levina_bickel(const Tensor<float>& points, Index neighbors = 10) {
  return 1 / inverse_dimension(neighbor_distances(points, neighbors));
}

// Facco et al.'s.
inline double two_nn(const Tensor<float>& points) {
  const Tensor<double> t = neighbor_distances(points, 2);
  double sum = 0;
  for (Index i = 0; i < t.shape()[0]; ++i) sum += std::log(t(i, 1) / t(i, 0));
  return static_cast<double>(t.shape()[0] - 1) / sum;
}

}  // namespace nlcl
