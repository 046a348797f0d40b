// patch_search on a CUDA device. The choice takes two kernels, with a warp for each candidate of each query:
//
//   1. the distance of the candidate. The lanes stand along the rows of its patch, and neighbouring candidates
//      share nearly all of theirs, which the first cache holds.
//   2. its rank, the number of candidates that are nearer: whoever has rank k is match k. That is a sort without
//      an order of steps, without a limit to the number of candidates and without anything that is undefined:
//      `is_nearer` puts all candidates in one order. 1600 candidates take 2.6 million comparisons.
//
// Nothing is asked of the host, and a query that the host has not seen is moved to where it has a full patch.
#pragma once

#include "nlcl/core/vector.cuh"
#include "nlcl/core/warp_rows.cuh"
#include "nlcl/ops/patch_search.hpp"

namespace nlcl::cuda {

using nlcl::detail::Candidates;
using nlcl::detail::MapSize;

// The first of the query's candidates that this warp has to do with: a column of blocks for each query.
__device__ inline int own_candidate() { return block().y * detail::rows_per_block + warp(); }

// Sum of (a - b)^2 over two patches, for all lanes: along a row in float, over the rows in double.
template <int Width>
__device__ double squared_distance(const float* a, const float* b, int patch, int row, int stride) {
  double sum = 0;
  for (int i = 0; i < patch; ++i, a += stride, b += stride) {
    float part = 0;
    for (int k = lane() * Width; k < row; k += warp_size * Width) {
      const Vector<Width> left = load<Width>(a + k), right = load<Width>(b + k);
      NLCL_UNROLL
      for (int c = 0; c < Width; ++c) part += (left[c] - right[c]) * (left[c] - right[c]);
    }
    sum += static_cast<double>(part);
  }
  return warp_sum(sum);
}

template <int Width>
__device__ double squared_distance(const MapSize& size, const PatchSearchOptions& o, const float* x,
                                   const PatchCenter& a, const PatchCenter& b) {
  return squared_distance<Width>(x + patch_offset(size, a, o.patch), x + patch_offset(size, b, o.patch),
                                 static_cast<int>(o.patch), static_cast<int>(o.patch * size.channels),
                                 static_cast<int>(size.width * size.channels));
}

// order[q,i]: what the i-th candidate of a query is sorted by.
template <int Width>
__global__ void candidate_distances(MapSize size, PatchSearchOptions o, const PatchCenter* queries,
                                    const float* x, double* order, int most_candidates) {
  const PatchCenter query = with_full_patch(size, queries[block().x], o.patch);
  const Candidates candidates(size, query, o);
  const int i = own_candidate();
  if (i >= candidates.count()) return;
  const double square = squared_distance<Width>(size, o, x, query, candidates[i]);
  if (lane() == 0)
    order[std::int64_t{block().x} * most_candidates + i] =
        nlcl::detail::sort_key(square, i == candidates.find(query));
}

__global__ void nearest_candidates(MapSize size, PatchSearchOptions o, const PatchCenter* queries,
                                   const double* order, int most_candidates, PatchCenter* nearest) {
  const PatchCenter query = with_full_patch(size, queries[block().x], o.patch);
  const Candidates candidates(size, query, o);
  const double* const keys = order + std::int64_t{block().x} * most_candidates;
  PatchCenter* const matches = nearest + block().x * o.count;
  const int i = own_candidate(), count = static_cast<int>(candidates.count());
  if (i < count) {
    const int rank = over_row(count, 0, Plus{}, [=](int other) {
      return static_cast<int>(nlcl::detail::is_nearer(keys[other], other, keys[i], i));
    });
    if (lane() == 0 && rank < o.count) matches[rank] = candidates[i];
  } else if (lane() == 0 && i < o.count) {
    matches[i] = query;  // more matches than candidates
  }
}

// A warp for each pair of a query, which is its own first match, and a match.
template <int Width>
__global__ void match_distances_kernel(MapSize size, PatchSearchOptions o, int pairs,
                                       const PatchCenter* matches, const float* x, float* distances) {
  const int pair = own_row();
  if (pair >= pairs) return;
  const int count = static_cast<int>(o.count);
  const double square = squared_distance<Width>(size, o, x, matches[pair / count * count], matches[pair]);
  if (lane() == 0) distances[pair] = static_cast<float>(std::sqrt(square));
}

// dx gathers: a thread has `Width` channels of a pixel and adds up, in the order of the pairs, what comes from the
// patches that the pixel is in. Of a pixel in the query's patch that is g (x - the match's) / d, and of one in the
// match's patch g (x - the query's) / d.
template <int Width>
__global__ void match_distances_gradient_kernel(MapSize size, PatchSearchOptions o, int queries,
                                                const PatchCenter* matches, const float* x,
                                                const float* distances, const float* ddistances, float* dx) {
  const Index at = grid_thread() * Width, pixel = at / size.channels;
  const PatchCenter own{pixel / size.width / size.height, pixel / size.width % size.height,
                        pixel % size.width};
  if (own.image >= size.images) return;
  const Index half = o.patch / 2, reach = o.window / 2 + half;
  const auto covers = [&](const PatchCenter& center, Index radius) {
    return own.image == center.image && own.row >= center.row - radius && own.row < center.row + radius &&
           own.column >= center.column - radius && own.column < center.column + radius;
  };

  const Vector<Width> mine = load<Width>(x + at);
  Vector<Width> sum{};
  for (int q = 0; q < queries; ++q) {
    const PatchCenter query = matches[q * o.count];
    if (!covers(query, reach)) continue;  // no patch of this query's pairs comes that far
    const bool is_in_query = covers(query, half);
    for (Index pair = q * o.count; pair < (q + 1) * o.count; ++pair) {
      if (distances[pair] == 0) continue;
      const PatchCenter match = matches[pair];
      const Index shift =
          ((match.row - query.row) * size.width + match.column - query.column) * size.channels;
      const float factor = ddistances[pair] / distances[pair];
      const auto add = [&](Index other) {
        const Vector<Width> theirs = load<Width>(x + other);
        NLCL_UNROLL
        for (int c = 0; c < Width; ++c) sum[c] += factor * (mine[c] - theirs[c]);
      };
      if (is_in_query) add(at + shift);
      if (covers(match, half)) add(at - shift);
    }
  }
  store(dx + at, sum);
}

Tensor<PatchCenter> nearest_patches(const Tensor<float>& x, const Tensor<PatchCenter>& queries,
                                    const PatchSearchOptions& o) {
  const MapSize size = x.shape();
  const Device device = x.device();
  const int most_candidates = to_int(std::min(o.window, size.height) * std::min(o.window, size.width));
  to_int(size.width * size.channels), to_int(o.patch * size.channels);
  Tensor<double> order({queries.size(), most_candidates}, device);
  Tensor<PatchCenter> nearest({queries.size() * o.count}, device);
  const auto launch_candidates = [&](Index candidates) {
    Launch how = launch_rows(device, candidates);
    how.grid = {static_cast<unsigned>(to_int(queries.size())), how.grid.x, 1};
    return how;
  };
  with_vector_width(size.channels, [&]<int Width>() {
    launch<candidate_distances<Width>>(launch_candidates(most_candidates), size, o, queries.data(), x.data(),
                                       order.mutable_data(), most_candidates);
  });
  launch<nearest_candidates>(launch_candidates(std::max<Index>(most_candidates, o.count)), size, o,
                             queries.data(), order.data(), most_candidates, nearest.mutable_data());
  return nearest;
}

Tensor<float> match_distances(const Tensor<float>& x, const Tensor<PatchCenter>& matches,
                              const PatchSearchOptions& o) {
  const MapSize size = x.shape();
  Tensor<float> distances({matches.size() / o.count, o.count}, x.device());
  with_vector_width(size.channels, [&]<int Width>() {
    launch<match_distances_kernel<Width>>(launch_rows(x.device(), matches.size()), size, o,
                                          to_int(matches.size()), matches.data(), x.data(),
                                          distances.mutable_data());
  });
  return distances;
}

Tensor<float> match_distances_gradient(const Tensor<float>& x, const Tensor<PatchCenter>& matches,
                                       const Tensor<float>& distances, const Tensor<float>& ddistances,
                                       const PatchSearchOptions& o) {
  const MapSize size = x.shape();
  Tensor<float> dx(x.shape(), x.device());
  with_vector_width(size.channels, [&]<int Width>() {
    constexpr int threads = 128;
    launch<match_distances_gradient_kernel<Width>>(
        {.device = x.device(), .grid = blocks_for(x.size() / Width, threads), .block = threads}, size, o,
        to_int(matches.size() / o.count), matches.data(), x.data(), distances.data(), ddistances.data(),
        dx.mutable_data());
  });
  return dx;
}

}  // namespace nlcl::cuda
