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
// sum of ln(mu). But for n - 1 in the place of n this is the same formula with K = 2.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

namespace detail {

inline double squared_distance_of_rows(const Tensor<float>& points, Index i, Index j) {
  const Index dims = points.shape()[1];
  const float *const a = points.data() + i * dims, *const b = points.data() + j * dims;
  double sum = 0;
  for (Index k = 0; k < dims; ++k) {
    const double difference = static_cast<double>(a[k] - b[k]);
    sum += difference * difference;
  }
  return sum;
}

}  // namespace detail

// The first `limit` rows of points [rows,dims] that are no copies of an earlier one. Two points are the same if they differ
// by less than rounding may have made of one: by 1e-5 of the larger one's length.
inline std::vector<Index> distinct_rows(const Tensor<float>& points, Index limit) {
  require<ShapeError>(points.shape().rank() == 2, "intrinsic_dimension: points expect [n,dims], are ",
                      points.shape());
  const Index rows = points.shape()[0], dims = points.shape()[1];
  std::vector<double> squares(static_cast<std::size_t>(rows));
  for (Index i = 0; i < rows; ++i)
    for (Index k = 0; k < dims; ++k)
      squares[static_cast<std::size_t>(i)] += std::pow(static_cast<double>(points.data()[i * dims + k]), 2);
  const auto are_same = [&](Index i, Index j) {
    const double larger =
        std::max(squares[static_cast<std::size_t>(i)], squares[static_cast<std::size_t>(j)]);
    const double smaller =
        std::min(squares[static_cast<std::size_t>(i)], squares[static_cast<std::size_t>(j)]);
    constexpr double rounding = 1e-5;
    if (smaller < larger * (1 - 4 * rounding)) return false;  // their lengths alone tell them apart
    return detail::squared_distance_of_rows(points, i, j) <= rounding * rounding * larger;
  };
  std::vector<Index> distinct;
  for (Index i = 0; i < rows && std::ssize(distinct) < limit; ++i)
    if (std::none_of(distinct.begin(), distinct.end(), [&](Index j) { return are_same(i, j); }))
      distinct.push_back(i);
  return distinct;
}

// The distances of each point to its `count` nearest others, nearest first: [n,count]. Points that are copies of an
// earlier one are left out, so n may be less than the number of rows of `points` [rows,dims]. Throws ShapeError if too few
// are left.
inline Tensor<double> neighbor_distances(const Tensor<float>& points, Index count) {
  require<ShapeError>(points.shape().rank() == 2 && count >= 2,
                      "intrinsic_dimension: expects points [n,dims] and at least 2 neighbours, are ",
                      points.shape(), " and ", count);
  const std::vector<Index> distinct = distinct_rows(points, points.shape()[0]);
  const Index n = std::ssize(distinct);
  require<ShapeError>(n > count, "intrinsic_dimension: ", n, " distinct points, expected more than the ",
                      count, " neighbours");
  Tensor<double> result({n, count});
  double* const to = result.mutable_data();
  parallel_for(n, [&](Index i) {
    std::vector<double> squares;
    for (const Index other : distinct)
      if (other != distinct[static_cast<std::size_t>(i)])
        squares.push_back(
            detail::squared_distance_of_rows(points, distinct[static_cast<std::size_t>(i)], other));
    std::partial_sort(squares.begin(), squares.begin() + count, squares.end());
    std::transform(squares.begin(), squares.begin() + count, to + i * count,
                   [](double square) { return std::sqrt(square); });
  });
  return result;
}

// The mean of 1 / d over the points, from the distances [n,K] to their neighbours, of which the first `used` count: means
// of several groups can be averaged. Throws ShapeError unless 2 <= used <= K.
inline double inverse_dimension(const Tensor<double>& distances, Index used) {
  const Index n = distances.shape()[0], count = distances.shape()[1];
  require<ShapeError>(used >= 2 && used <= count, "intrinsic_dimension: ", used,
                      " neighbours, expected 2 to ", count);
  double sum = 0;
  for (Index i = 0; i < n; ++i) {
    const double* const t = distances.data() + i * count;
    for (Index j = 0; j + 1 < used; ++j) sum += std::log(t[used - 1] / t[j]);
  }
  return sum / static_cast<double>(n * (used - 1));
}

// Levina and Bickel's estimate.
inline double levina_bickel(const Tensor<float>& points, Index neighbors = 10) {
  return 1 / inverse_dimension(neighbor_distances(points, neighbors), neighbors);
}

// Facco et al.'s.
inline double two_nn(const Tensor<float>& points) {
  const Tensor<double> distances = neighbor_distances(points, 2);
  const double n = static_cast<double>(distances.shape()[0]);
  return (n - 1) / n / inverse_dimension(distances, 2);
}

}  // namespace nlcl
