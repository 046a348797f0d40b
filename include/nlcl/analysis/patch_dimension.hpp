// The intrinsic dimension of non-local patches: of groups of patches that look alike, as the layer contrast
// compares them.
//
// A group is a patch at a place drawn at random, and the distinct ones nearest to it in its search window.
// Each group gives the mean of 1 / d over its points, a layer the mean over its groups, and the dimension is
// the inverse of that. For two layers to be compared, everything else has to be the same: the number of
// groups, of points in a group and of neighbours, and the size of the patches.
//
// How sure the dimension is, the bootstrap tells (Efron, Annals of Statistics 7, 1979): the images are drawn
// again with replacement, each with all of its groups, for groups of one image are alike. Both layers see the
// same draws, so where they come from the same images their ratio is surer than either.
#pragma once

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "nlcl/analysis/intrinsic_dimension.hpp"
#include "nlcl/core/random.hpp"
#include "nlcl/model/queries.hpp"
#include "nlcl/ops/gather_patches.hpp"
#include "nlcl/ops/patch_search.hpp"

namespace nlcl {

struct PatchDimensionOptions {
  Index groups = 24;       // of a layer, over all its images
  Index points = 128;      // of a group, all distinct
  Index neighbors = 10;    // K
  Index patch = 16;        // side in pixels, even
  Index window = 40;       // side of the search window in pixels, even
  Index apart = 1;         // pixels by which the centres of a group differ in rows or columns, at least
  double variance = 1;     // the share that is kept of a group's variance, see principal_part
  std::uint64_t seed = 0;  // of the places that are drawn
};

// Throws ShapeError for options that no image can meet.
inline void check_options(const PatchDimensionOptions& o) {
  require<ShapeError>(
      o.groups >= 1 && o.neighbors >= 2 && o.points > o.neighbors && o.points <= o.window * o.window,
      "patch_dimension: ", o.groups, " groups of ", o.points, " points and ", o.neighbors,
      " neighbours, expected at least one group, 2 neighbours, and more points than neighbours but no more "
      "than the window has places, ",
      o.window * o.window);
  require<ShapeError>(o.patch >= 2 && o.patch <= 32 && o.patch % 2 == 0 && o.window >= 2 && o.window % 2 == 0,
                      "patch_dimension: patch ", o.patch, " and window ", o.window,
                      ", expected even sides, and a patch of at most 32 pixels");
  require<ShapeError>(o.apart >= 1, "patch_dimension: centres ", o.apart,
                      " pixels apart, expected at least 1");
  require<ShapeError>(o.variance > 0 && o.variance <= 1, "patch_dimension: ", o.variance,
                      " of the variance, expected a share above 0 and up to 1");
}

// The points that stand for centres: one row each, [M,dims].
using PointsOf = std::function<Tensor<float>(const Tensor<PatchCenter>&)>;

// The values of the patches of x [1,H,W,C], patch * patch * C of each.
inline PointsOf patch_points(const Tensor<float>& x, Index patch) {
  return [x, patch](const Tensor<PatchCenter>& centers) {
    const Index row = patch * x.shape()[3], stride = x.shape()[2] * x.shape()[3];
    Tensor<float> points({centers.size(), patch * row});
    float* to = points.mutable_data();
    for (const PatchCenter& center : centers.values())
      for (Index i = 0; i < patch; ++i)
        to = std::copy_n(x.data() + detail::patch_offset(x.shape(), center, patch) + i * stride, row, to);
    return points;
  };
}

// The features [1,h,w,C] under the centres in an image of height x width, C of each: what the layer contrast
// sees of a patch.
inline PointsOf feature_points(const Tensor<float>& features, Index height, Index width) {
  return [=](const Tensor<PatchCenter>& centers) {
    const NoGrad no_grad;
    return gather_patches(features, centers, height, width);
  };
}

// Points [n,dims] without their noise, as [n,k]: their coordinates along the fewest principal components that hold `share`
// of their variance.
inline Tensor<float> principal_part(const Tensor<float>& points, double share) {
  const Index n = points.shape()[0], dims = points.shape()[1];
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> rows(
      points.data(), n, dims);
  Eigen::MatrixXd centered = rows.cast<double>();
  centered.rowwise() -= centered.colwise().mean().eval();
  // The products of points are fewer than those of dimensions: X X^T = U S^2 U^T, and the coordinates are U S.
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(centered * centered.transpose());
  const Eigen::VectorXd squares = solver.eigenvalues().cwiseMax(0).reverse();
  Index kept = 0;
  for (double sum = 0; kept < n && sum < share * squares.sum();) sum += squares(kept++);
  kept = std::max<Index>(kept, 1);
  Tensor<float> part({n, kept});
  for (Index i = 0; i < n; ++i)
    for (Index k = 0; k < kept; ++k)
      part.mutable_data()[i * kept + k] =
          static_cast<float>(solver.eigenvectors()(i, n - 1 - k) * std::sqrt(squares(k)));
  return part;
}

struct PatchGroup {
  Index image = 0;                       // in the order in which they were measured
  std::vector<PatchCenter> centers;      // the query first, then the others by distance
  std::vector<float> query;              // the point of the query
  double levina_bickel = 0, two_nn = 0;  // means of 1 / d
};

// Measures one layer, image after image.
class PatchDimension {
 public:
  // `images`: how many there are. Each gives its share of the groups that are still to be found; where there are more images
  // than groups, the first ones give one each. Throws ShapeError as check_options.
  PatchDimension(const PatchDimensionOptions& options, Index images) : o_(options), images_(images) {
    check_options(o_);
  }

  bool is_complete() const { return std::ssize(groups_) == o_.groups || seen_ == images_; }
  const std::vector<PatchGroup>& groups() const { return groups_; }

  // The next image: patches of `layer` [1,H,W,C] are searched, and `points` are measured at what was found. Places without
  // enough distinct points are passed over, and so are images smaller than window + patch. The bits do not depend on the
  // number of threads.
  void add(const Tensor<float>& layer, const PointsOf& points) {
    const Index left = images_ - seen_, missing = o_.groups - std::ssize(groups_);
    const Index image = seen_++;
    if (std::min(layer.shape()[1], layer.shape()[2]) < o_.window + o_.patch) return;
    Index share = (missing + left - 1) / std::max<Index>(left, 1);
    // A stream of its own for each image: what one of them lacks moves no place in another.
    Random random(o_.seed, first_stream + static_cast<std::uint64_t>(image));
    for (Index tries = 8 * share; share > 0 && tries > 0; --tries)
      if (auto group = group_at(layer, draw_queries(layer.shape(), random)(0), points)) {
        group->image = image;
        groups_.push_back(std::move(*group));
        --share;
      }
  }
  void add(const Tensor<float>& layer) { add(layer, patch_points(layer, o_.patch)); }

  // An image that cannot be measured: the others take over its share.
  void pass_over() { ++seen_; }

 private:
  static constexpr std::uint64_t first_stream = 0x636f6d70;

  std::optional<PatchGroup> group_at(const Tensor<float>& layer, const PatchCenter& query,
                                     const PointsOf& points) const {
    PatchSearchOptions search{.count = 1, .patch = o_.patch, .window = o_.window};
    const auto rows = detail::candidate_range(query.row, layer.shape()[1], search),
               columns = detail::candidate_range(query.column, layer.shape()[2], search);
    search.count = rows.size() * columns.size();  // all, for some may be copies
    const Tensor<PatchCenter> candidates = thinned(nearest_patches(layer, patch_centers({query}), search));
    const Tensor<float> all = points(candidates);
    const std::vector<Index> distinct = distinct_rows(all, o_.points);
    if (std::ssize(distinct) < o_.points) return std::nullopt;

    const Index dims = all.shape()[1];
    PatchGroup group;
    group.query.assign(all.data(), all.data() + dims);
    Tensor<float> chosen({o_.points, dims});
    float* to = chosen.mutable_data();
    for (const Index row : distinct) {
      group.centers.push_back(candidates(row));
      to = std::copy_n(all.data() + row * dims, dims, to);
    }
    if (o_.variance < 1) chosen = principal_part(chosen, o_.variance);
    if (std::ssize(distinct_rows(chosen, o_.points)) <= o_.neighbors) return std::nullopt;
    const Tensor<double> distances = neighbor_distances(chosen, o_.neighbors);
    group.levina_bickel = inverse_dimension(distances, o_.neighbors);
    group.two_nn = inverse_dimension(distances, 2);
    return group;
  }

  // Those that are `apart` from every earlier one that stays.
  Tensor<PatchCenter> thinned(const Tensor<PatchCenter>& centers) const {
    if (o_.apart <= 1) return centers;
    std::vector<PatchCenter> kept;
    for (const PatchCenter& c : centers.values())
      if (std::ranges::all_of(kept, [&](const PatchCenter& k) {
            return std::max(std::abs(c.row - k.row), std::abs(c.column - k.column)) >= o_.apart;
          }))
        kept.push_back(c);
    return patch_centers(kept);
  }

  PatchDimensionOptions o_;
  Index images_, seen_ = 0;
  std::vector<PatchGroup> groups_;
};

// A value and what it would have been with other images of the same kind.
struct Estimate {
  double value = 0;
  std::vector<double> replicates;

  // Between which 95 of 100 replicates lie. Not more than `value` twice if there are none.
  std::array<double, 2> interval() const {
    if (replicates.empty()) return {value, value};
    std::vector<double> sorted = replicates;
    std::ranges::sort(sorted);
    const auto at = [&](double share) {
      return sorted[static_cast<std::size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))];
    };
    return {at(0.025), at(0.975)};
  }
};

// f of two estimates, replicate by replicate.
inline Estimate combined(const Estimate& a, const Estimate& b, const auto& f) {
  Estimate result{f(a.value, b.value), {}};
  for (std::size_t i = 0; i < std::min(a.replicates.size(), b.replicates.size()); ++i)
    result.replicates.push_back(f(a.replicates[i], b.replicates[i]));
  return result;
}

// The dimension of a layer, from &PatchGroup::levina_bickel or &PatchGroup::two_nn. Throws ShapeError if there are no
// groups.
inline Estimate dimension_of(const std::vector<PatchGroup>& groups, double PatchGroup::*inverse,
                             Index replicates = 0, std::uint64_t seed = 0) {
  require<ShapeError>(!groups.empty(), "patch_dimension: no groups, expected at least one");
  struct Sum {
    double inverse = 0, count = 0;
    void operator+=(const Sum& other) { inverse += other.inverse, count += other.count; }
  };
  std::map<Index, Sum> by_image;
  Sum all;
  for (const PatchGroup& group : groups) {
    by_image[group.image] += {group.*inverse, 1};
    all += {group.*inverse, 1};
  }
  std::vector<Sum> images;
  images.reserve(by_image.size());
  for (const auto& [image, sum] : by_image) images.push_back(sum);

  Estimate estimate{all.count / all.inverse, {}};
  for (Index r = 0; r < replicates; ++r) {
    Random random(seed, static_cast<std::uint64_t>(r));
    Sum drawn;
    for (std::size_t i = 0; i < images.size(); ++i)
      drawn += images[random.below(static_cast<std::uint32_t>(images.size()))];
    estimate.replicates.push_back(drawn.count / drawn.inverse);
  }
  return estimate;
}

// 0 .. count-1 in an order drawn from the seed (Fisher and Yates).
inline std::vector<Index> shuffled(Index count, std::uint64_t seed) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  Random random(seed);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  return order;
}

}  // namespace nlcl
