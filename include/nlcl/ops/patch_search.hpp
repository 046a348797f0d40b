// patch_search: the patches of an image that are most like a query patch, and how far they are from it.
//
// The patch at (r, c) is the block of rows r-8 .. r+7 and columns c-8 .. c+7 with all channels, here P(r, c).
// For a query q and a candidate k:
//
//     S = sum over the patch of (P(q) - P(k))^2        d = sqrt(S)
//
// Candidates are all centres in a window of 40 x 40 round the query, never one whose patch leaves the image.
// The K nearest are kept, nearest first: the query itself with d = 0, then the others, of equally near ones
// the first in row-major order. A distance that is not a number counts as the farthest.
//
// The choice has no gradient, the distances do. With g = dd, for every element of the two patches
//
//     dP(q) += g (P(q) - P(k)) / d        dP(k) -= g (P(q) - P(k)) / d        (nothing at d = 0, where d has no derivative)
//
// and patches overlap, so an element of x gathers from many of them. This follows section "non-local
// sampling" of NLCL (Ye et al., CVPR 2022); the idea of non-local patches is that of Buades, Coll and Morel
// (CVPR 2005).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/patch_center.hpp"
#include "nlcl/core/simd.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

struct PatchSearchOptions {
  Index count = 256;  // K, the matches of each query
  Index patch = 16;   // side of a patch in pixels, even
  Index window = 40;  // side of the search window in pixels, even
};

// The matches of several queries: K for each, one query after the other, nearest first.
template <class T>
struct PatchMatches {
  Tensor<PatchCenter> centers;  // [Q * K]
  Tensor<T> distances;          // [Q,K]
};

namespace cuda {

Tensor<PatchCenter> nearest_patches(const Tensor<float>& x, const Tensor<PatchCenter>& queries,
                                    const PatchSearchOptions& options);
Tensor<float> match_distances(const Tensor<float>& x, const Tensor<PatchCenter>& matches,
                              const PatchSearchOptions& options);
Tensor<float> match_distances_gradient(const Tensor<float>& x, const Tensor<PatchCenter>& matches,
                                       const Tensor<float>& distances, const Tensor<float>& ddistances,
                                       const PatchSearchOptions& options);

}  // namespace cuda

namespace detail {

// ---- What the CPU and the kernels share ----

struct IndexRange {
  Index begin, end;
  NLCL_BOTH constexpr Index size() const { return end - begin; }
};

// The rows (or columns) of candidate centres round `center`, in an image of `size`.
NLCL_BOTH constexpr IndexRange candidate_range(Index center, Index size, const PatchSearchOptions& o) {
  const Index radius = o.window / 2, half = o.patch / 2;
  return {center - radius - half < 0 ? half : center - radius,
          center + radius + half > size ? size - half : center + radius};
}

// The candidates of a query, row by row.
struct Candidates {
  Index image;
  IndexRange rows, columns;

  NLCL_BOTH constexpr Candidates(const MapSize& x, const PatchCenter& query, const PatchSearchOptions& o)
      : image(query.image),
        rows(candidate_range(query.row, x.height, o)),
        columns(candidate_range(query.column, x.width, o)) {}
  NLCL_BOTH constexpr Index count() const { return rows.size() * columns.size(); }
  NLCL_BOTH constexpr PatchCenter operator[](Index i) const {
    return {image, rows.begin + i / columns.size(), columns.begin + i % columns.size()};
  }
  NLCL_BOTH constexpr Index find(const PatchCenter& center) const {
    return (center.row - rows.begin) * columns.size() + center.column - columns.begin;
  }
};

// What a candidate is sorted by: S, below all of them for the query, before the exact copies of it that may be
// there, and above all of them for what is not a number.
NLCL_BOTH constexpr double sort_key(double square, bool is_query) {
  return is_query ? -1 : square == square ? square : std::numeric_limits<double>::infinity();
}

// Whether candidate i comes before candidate j, for the keys of both.
NLCL_BOTH constexpr bool is_nearer(double key_i, Index i, double key_j, Index j) {
  return key_i != key_j ? key_i < key_j : i < j;
}

// `query`, or the nearest centre to it that has a full patch.
NLCL_BOTH constexpr PatchCenter with_full_patch(const MapSize& x, const PatchCenter& query, Index patch) {
  const Index half = patch / 2;
  return {clamped(query.image, 0, x.images), clamped(query.row, half, x.height - half),
          clamped(query.column, half, x.width - half)};
}

// The first number of the patch at `center`; its rows are width * C apart, and each is patch * C contiguous
// numbers.
NLCL_BOTH constexpr Index patch_offset(const MapSize& x, const PatchCenter& center, Index patch) {
  return ((center.image * x.height + center.row - patch / 2) * x.width + center.column - patch / 2) *
         x.channels;
}

// ---- On the CPU ----

// Throws ShapeError unless every query has a full patch and enough candidates. Queries on a CUDA device are not
// looked at.
inline void check_patch_search(const Shape& x, const Tensor<PatchCenter>& queries,
                               const PatchSearchOptions& o) {
  require<ShapeError>(x.rank() == 4 && x.size() > 0, "patch_search: x expects [N,H,W,C], is ", x);
  require<ShapeError>(queries.shape().rank() == 1, "patch_search: queries expect [Q], are ", queries.shape());
  require<ShapeError>(o.patch >= 2 && o.patch % 2 == 0 && o.window >= 2 && o.window % 2 == 0 && o.count >= 1,
                      "patch_search: patch ", o.patch, ", window ", o.window, ", count ", o.count,
                      ", expected even sides and at least one match");
  if (queries.device().is_cuda()) {  // the search will move those out of range to where they have a patch
    require<ShapeError>(x[1] > o.patch && x[2] > o.patch, "patch_search: x ", x,
                        " is too small for patches of ", o.patch, " x ", o.patch);
    return;
  }
  const Index half = o.patch / 2;
  for (const PatchCenter& q : queries.values()) {
    require<ShapeError>(q.image >= 0 && q.image < x[0] && q.row >= half && q.row < x[1] - half &&
                            q.column >= half && q.column < x[2] - half,
                        "patch_search: query (", q.row, ", ", q.column, ") of image ", q.image,
                        " is closer than half a patch to the border of x ", x);
    const Index candidates = Candidates(x, q, o).count();
    require<ShapeError>(o.count <= candidates, "patch_search: ", o.count, " matches wanted, query (", q.row,
                        ", ", q.column, ") has ", candidates, " candidates in x ", x);
  }
}

// Sum of (a - b)^2 over two patches: along a row in registers, over the rows in double.
template <class T>
double squared_distance(const T* a, const T* b, Index patch, Index row, Index stride) {
  double sum = 0;
  for (Index i = 0; i < patch; ++i, a += stride, b += stride) {
    Pack<T> lanes = Pack<T>::all(T{});
    Index k = 0;
    for (; k + Pack<T>::width <= row; k += Pack<T>::width) {
      const Pack<T> difference = Pack<T>::load(a + k) - Pack<T>::load(b + k);
      lanes = multiply_add(difference, difference, lanes);
    }
    T rest{};
    for (; k < row; ++k) rest += (a[k] - b[k]) * (a[k] - b[k]);
    sum += static_cast<double>(sum_of_lanes(lanes) + rest);
  }
  return sum;
}

}  // namespace detail

// The choice alone, for those who need no distances: the centres of the K nearest patches of each query, [Q *
// K]. Throws as patch_search().
template <class T>
Tensor<PatchCenter> nearest_patches(const Tensor<T>& x, const Tensor<PatchCenter>& queries,
                                    const PatchSearchOptions& o = {}) {
  using namespace detail;
  common_device<T>("patch_search", {&x});
  check_patch_search(x.shape(), queries, o);
  const Tensor<PatchCenter> centers = centers_on(x.device(), "patch_search", queries);
  if constexpr (on_cuda<T>)
    if (x.device().is_cuda()) return cuda::nearest_patches(x, centers, o);
  const MapSize size = x.shape();
  const Index row = o.patch * size.channels, stride = size.width * size.channels;
  Tensor<PatchCenter> nearest({queries.size() * o.count});
  PatchCenter* to = nearest.mutable_data();
  for (const PatchCenter& query : centers.values()) {
    const Candidates candidates(size, query, o);
    const Index own = candidates.find(query);
    const T* const query_patch = x.data() + patch_offset(size, query, o.patch);
    std::vector<double> keys(static_cast<std::size_t>(candidates.count()));
    parallel_blocks(candidates.count(), candidates.columns.size(), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        keys[static_cast<std::size_t>(i)] =
            sort_key(squared_distance(query_patch, x.data() + patch_offset(size, candidates[i], o.patch),
                                      o.patch, row, stride),
                     i == own);
    });
    std::vector<Index> order(keys.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::partial_sort(order.begin(), order.begin() + o.count, order.end(), [&](Index i, Index j) {
      return is_nearer(keys[static_cast<std::size_t>(i)], i, keys[static_cast<std::size_t>(j)], j);
    });
    to = std::transform(order.begin(), order.begin() + o.count, to, [&](Index i) { return candidates[i]; });
  }
  return nearest;
}

// The distances of matches that have been chosen. The query is the first of its own.
template <class T>
struct PatchSearch {
  static constexpr std::string_view name = "patch_search";
  PatchSearchOptions options;
  Saved<PatchCenter> matches;  // [Q * K]
  Saved<T> x, distances;

  Tensor<T> forward(const Tensor<T>& input) {
    x = input;
    if constexpr (on_cuda<T>)
      if (input.device().is_cuda()) {
        const Tensor<T> d = cuda::match_distances(input, matches.get(), options);
        distances = d;
        return d;
      }
    Tensor<T> d({matches.shape()[0] / options.count, options.count});
    T* const to = d.mutable_data();
    for_each_pair([&](Index pair, Index a, Index b, Index row, Index stride) {
      to[pair] = static_cast<T>(std::sqrt(
          detail::squared_distance(input.data() + a, input.data() + b, options.patch, row, stride)));
    });
    distances = d;
    return d;
  }

  std::array<Tensor<T>, 1> backward(const Tensor<T>& dd, const Wanted<1>&) const {
    if constexpr (on_cuda<T>)
      if (dd.device().is_cuda())
        return {cuda::match_distances_gradient(x.get(), matches.get(), distances.get(), dd, options)};
    const T *const v = x.get().data(), *const d = distances.get().data();
    Tensor<T> dx = Tensor<T>::zeros(x.shape());
    T* const to = dx.mutable_data();
    for_each_pair([&](Index pair, Index a, Index b, Index row, Index stride) {
      if (d[pair] == T{}) return;
      const T factor = dd.data()[pair] / d[pair];
      for (Index i = 0; i < options.patch; ++i)
        for (Index k = i * stride; k < i * stride + row; ++k) {
          const T g = factor * (v[a + k] - v[b + k]);
          to[a + k] += g;
          to[b + k] -= g;
        }
    });
    return {dx};
  }

 private:
  // body(pair, offset of the query's patch, offset of the match's, numbers in a patch row, numbers from row
  // to row)
  void for_each_pair(const auto& body) const {
    const detail::MapSize size = x.shape();
    const PatchCenter* const match = matches.get().data();
    for (Index pair = 0; pair < matches.shape()[0]; ++pair)
      body(pair, detail::patch_offset(size, match[pair / options.count * options.count], options.patch),
           detail::patch_offset(size, match[pair], options.patch), options.patch * size.channels,
           size.width * size.channels);
  }
};

// x [N,H,W,C]; queries [Q], any number of them in any of the N images, on the CPU or where x is. Throws
// ShapeError for a query without a full patch, or with fewer than K candidates; on a CUDA device, queries that are
// there already are moved to the nearest full patch instead, and matches that are missing are the query itself.
template <class T>
PatchMatches<T> patch_search(const Tensor<T>& x, const Tensor<PatchCenter>& queries,
                             PatchSearchOptions options = {}) {
  const Tensor<PatchCenter> centers = nearest_patches(x, queries, options);
  return {centers, apply(PatchSearch<T>{options, centers, {}, {}}, x)};
}

}  // namespace nlcl
