// NIQE, the naturalness of an image without a truth to compare it with (Mittal, Soundararajan and Bovik, "Making a
// completely blind image quality analyzer", IEEE Signal Processing Letters 20, 2013). Lower is better.
//
// A photograph x, less what its neighbourhood has in common,
//
//     z = (x - m) / (s + 1)        m, s: mean and deviation in a Gaussian window of 7 x 7 pixels, deviation 7/6
//
// is nearly Gaussian noise, if nothing has been done to it. How nearly is told by 18 numbers of a block of z: the shape of
// its distribution, and those of the products of each value and its neighbour in four directions. They are taken from blocks
// of 96 x 96 pixels, and from the same blocks at half the size: 36 features. The sharp blocks of good photographs give a mean
// and a covariance of them, the blocks of an image others, and NIQE is how far apart these are:
//
//     NIQE = sqrt((m_1 - m_2)^T ((C_1 + C_2) / 2)^+ (m_1 - m_2))
//
// The features are those of the authors' program to rounding. Its model is not: the photographs here are others, so the values
// are comparable with each other, and not with those of the literature.
#pragma once

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/gaussian.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/safetensors.hpp"

namespace nlcl {

inline constexpr Index niqe_block = 96;  // pixels
inline constexpr Index niqe_feature_count = 36;

using NiqeFeatures = Eigen::Matrix<double, niqe_feature_count, 1>;

// The distribution of the features: of good photographs, or of one image.
struct NiqeModel {
  NiqeFeatures mean;
  Eigen::Matrix<double, niqe_feature_count, niqe_feature_count> covariance;
};

namespace detail {

// An asymmetric generalised Gaussian: exp(-(|v| / scale)^shape), with a scale of its own on each side of 0.
struct Aggd {
  double shape = 0, left = 0, right = 0;

  // Of the whole distribution.
  double mean() const { return (right - left) * std::exp(std::lgamma(2 / shape) - std::lgamma(1 / shape)); }
};

// The shapes that are told apart, and for each the square of the mean |v| over the mean v^2, which grows with it.
inline const std::vector<std::array<double, 2>>& aggd_shapes() {
  static const std::vector<std::array<double, 2>> shapes = [] {
    std::vector<std::array<double, 2>> table;
    for (int i = 200; i <= 10'000; ++i) {
      const double a = i / 1000.0;
      table.push_back({a, std::exp(2 * std::lgamma(2 / a) - std::lgamma(1 / a) - std::lgamma(3 / a))});
    }
    return table;
  }();
  return shapes;
}

// By moments (Lasmar, Stitou and Berthoumieu, ICIP 2009). All values on one side of 0 give no number.
inline Aggd fit_aggd(const std::vector<double>& values) {
  double left = 0, right = 0, absolute = 0, squares = 0, lefts = 0, rights = 0;
  for (const double v : values) {
    if (v < 0) left += v * v, ++lefts;
    if (v > 0) right += v * v, ++rights;
    absolute += std::abs(v);
    squares += v * v;
  }
  const double count = static_cast<double>(values.size());
  left = std::sqrt(left / lefts), right = std::sqrt(right / rights);
  const double g = left / right, r = absolute * absolute / (count * squares);
  const double ratio = r * (g * g * g + 1) * (g + 1) / ((g * g + 1) * (g * g + 1));
  if (!std::isfinite(ratio)) return {1, std::numeric_limits<double>::quiet_NaN(), 0};

  const auto& shapes = aggd_shapes();
  auto nearest = std::ranges::lower_bound(shapes, ratio, {}, [](const auto& entry) { return entry[1]; });
  if (nearest == shapes.end()) --nearest;
  if (nearest != shapes.begin() && ratio - nearest[-1][1] <= (*nearest)[1] - ratio) --nearest;
  const double shape = (*nearest)[0];
  const double scale = std::exp((std::lgamma(1 / shape) - std::lgamma(3 / shape)) / 2);
  return {shape, left * scale, right * scale};
}

// Half the size of x [1,H,W,1], by cubic convolution over twice its usual width, so that nothing is aliased. Beyond the
// border the image is mirrored.
inline Tensor<double> halved(const Tensor<double>& x) {
  constexpr std::array<double, 8> taps{-0.01171875, -0.03515625, 0.11328125,  0.43359375,
                                       0.43359375,  0.11328125,  -0.03515625, -0.01171875};
  const Index height = x.shape()[1] / 2, width = x.shape()[2] / 2;
  const auto mirrored = [](Index i, Index size) { return i < 0 ? -1 - i : i >= size ? 2 * size - 1 - i : i; };
  Tensor<double> down({height, 2 * width}), half({1, height, width, 1});
  double *const d = down.mutable_data(), *const h = half.mutable_data();
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < 2 * width; ++j) {
      double sum = 0;
      for (Index k = 0; k < 8; ++k)
        sum +=
            taps[static_cast<std::size_t>(k)] * x.data()[mirrored(2 * i - 3 + k, 2 * height) * 2 * width + j];
      d[i * 2 * width + j] = sum;
    }
  for (Index i = 0; i < height; ++i)
    for (Index j = 0; j < width; ++j) {
      double sum = 0;
      for (Index k = 0; k < 8; ++k)
        sum += taps[static_cast<std::size_t>(k)] * d[i * 2 * width + mirrored(2 * j - 3 + k, 2 * width)];
      h[i * width + j] = sum;
    }
  return half;
}

// z of the formula above, and s.
struct Normalized {
  Tensor<double> values, deviations;
};

inline Normalized normalized(const Tensor<double>& x) {
  const std::vector<double> window = gaussian_window(7, 7.0 / 6);
  Tensor<double> squares(x.shape());
  std::transform(x.data(), x.data() + x.size(), squares.mutable_data(), [](double v) { return v * v; });
  const Tensor<double> mean = windowed_mean(x, window), mean_square = windowed_mean(squares, window);
  Normalized result{Tensor<double>(x.shape()), Tensor<double>(x.shape())};
  double *const z = result.values.mutable_data(), *const s = result.deviations.mutable_data();
  for (Index i = 0; i < x.size(); ++i) {
    const double m = mean.data()[i];
    s[i] = std::sqrt(std::abs(mean_square.data()[i] - m * m));
    z[i] = (x.data()[i] - m) / (s[i] + 1);
  }
  return result;
}

// The values of one block of x [1,H,W,1].
inline std::vector<double> block_of(const Tensor<double>& x, Index row, Index column, Index side) {
  std::vector<double> block;
  for (Index i = 0; i < side; ++i) {
    const double* const from = x.data() + (row * side + i) * x.shape()[2] + column * side;
    block.insert(block.end(), from, from + side);
  }
  return block;
}

// 18 features of a block of side x side values.
inline std::array<double, 18> block_features(const std::vector<double>& z, Index side) {
  const Aggd own = fit_aggd(z);
  std::array<double, 18> features{own.shape, (own.left + own.right) / 2};
  std::size_t next = 2;
  constexpr std::array<std::array<Index, 2>, 4> neighbors{{{0, -1}, {-1, 0}, {-1, -1}, {-1, 1}}};
  for (const auto& [down, right] : neighbors) {
    std::vector<double> products;
    products.reserve(z.size());
    for (Index i = 0; i < side; ++i)
      for (Index j = 0; j < side; ++j) {  // the first and the last are neighbours
        const Index row = (i + down + side) % side, column = (j + right + side) % side;
        products.push_back(z[static_cast<std::size_t>(i * side + j)] *
                           z[static_cast<std::size_t>(row * side + column)]);
      }
    const Aggd pair = fit_aggd(products);
    for (const double value : {pair.shape, pair.mean(), pair.left, pair.right}) features[next++] = value;
  }
  return features;
}

}  // namespace detail

struct NiqeBlock {
  NiqeFeatures features;
  double sharpness = 0;  // mean deviation, in levels
};

// The blocks of an image, of 1 to 4 channels, from its upper left corner; what remains at the right and at the bottom is left
// out, and so are blocks without any texture. Throws ShapeError for an image smaller than one block. The bits do not depend
// on the number of threads.
inline std::vector<NiqeBlock> niqe_blocks(const Image& image) {
  const Image grey = without_alpha(to_grey(image));
  const Index rows = grey.height / niqe_block, columns = grey.width / niqe_block;
  require<ShapeError>(rows > 0 && columns > 0, "niqe: ", grey.height, " x ", grey.width,
                      " pixels, expected at least ", niqe_block, " x ", niqe_block);
  Tensor<double> x({1, rows * niqe_block, columns * niqe_block, 1});
  for (Index i = 0; i < rows * niqe_block; ++i)
    std::copy_n(grey.pixels.begin() + i * grey.width, columns * niqe_block,
                x.mutable_data() + i * columns * niqe_block);

  const detail::Normalized full = detail::normalized(x), half = detail::normalized(detail::halved(x));
  std::vector<NiqeBlock> blocks(static_cast<std::size_t>(rows * columns));
  parallel_for(rows * columns, [&](Index b) {
    NiqeBlock& block = blocks[static_cast<std::size_t>(b)];
    const Index row = b / columns, column = b % columns;
    Index next = 0;
    for (const auto& [scale, side] : {std::pair(&full, niqe_block), std::pair(&half, niqe_block / 2)})
      for (const double value :
           detail::block_features(detail::block_of(scale->values, row, column, side), side))
        block.features(next++) = value;
    for (const double s : detail::block_of(full.deviations, row, column, niqe_block)) block.sharpness += s;
    block.sharpness /= static_cast<double>(niqe_block * niqe_block);
  });
  std::erase_if(blocks, [](const NiqeBlock& block) { return !block.features.allFinite(); });
  return blocks;
}

// Mean and covariance of at least two blocks. Throws ShapeError for fewer.
inline NiqeModel fit_niqe(const std::vector<NiqeBlock>& blocks) {
  require<ShapeError>(blocks.size() >= 2, "niqe: ", blocks.size(), " blocks of ", niqe_block, " x ",
                      niqe_block, " pixels with texture, expected at least 2");
  NiqeModel model{NiqeFeatures::Zero(), {}};
  model.covariance.setZero();
  const double count = static_cast<double>(blocks.size());
  for (const NiqeBlock& block : blocks) model.mean += block.features / count;
  for (const NiqeBlock& block : blocks) {
    const NiqeFeatures difference = block.features - model.mean;
    model.covariance += difference * difference.transpose() / (count - 1);
  }
  return model;
}

// Those that are more than 0.75 times as sharp as the sharpest: the others may be out of focus, and no example.
inline std::vector<NiqeBlock> sharp_blocks(const std::vector<NiqeBlock>& blocks) {
  double sharpest = 0;
  for (const NiqeBlock& block : blocks) sharpest = std::max(sharpest, block.sharpness);
  std::vector<NiqeBlock> sharp;
  std::ranges::copy_if(blocks, std::back_inserter(sharp),
                       [&](const NiqeBlock& block) { return block.sharpness > 0.75 * sharpest; });
  return sharp;
}

// How far an image is from good photographs. Throws ShapeError for one of fewer than two blocks with texture.
inline double niqe(const Image& image, const NiqeModel& good) {
  const NiqeModel own = fit_niqe(niqe_blocks(image));
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver((good.covariance + own.covariance) / 2);
  const Eigen::VectorXd along = solver.eigenvectors().transpose() * (good.mean - own.mean);
  const Eigen::VectorXd& variances = solver.eigenvalues();
  // The pseudo-inverse: what has no variance but rounding is no direction at all.
  const double least = niqe_feature_count * std::numeric_limits<double>::epsilon() * variances.maxCoeff();
  double sum = 0;
  for (Index i = 0; i < niqe_feature_count; ++i)
    if (variances(i) > least) sum += along(i) * along(i) / variances(i);
  return std::sqrt(sum);
}

// A model as a file has it: `mean` [36] and `covariance` [36,36], as F64.
inline StateFile state_of(const NiqeModel& model, std::map<std::string, std::string> metadata = {}) {
  const auto tensor = [](const char* name, const Shape& shape, const double* values) {
    const ByteSpan bytes = std::as_bytes(std::span(values, static_cast<std::size_t>(shape.size())));
    return RawTensor{name, DType::f64, shape, {bytes.begin(), bytes.end()}};
  };
  constexpr Index n = niqe_feature_count;
  return {{tensor("mean", {n}, model.mean.data()), tensor("covariance", {n, n}, model.covariance.data())},
          std::move(metadata)};
}

// Throws FormatError, with the path, if the file holds no such model, and IoError.
inline NiqeModel read_niqe_model(const std::filesystem::path& path) {
  return parse_file(path, [](ByteSpan bytes) {
    const StateFile file = parse_safetensors(bytes);
    NiqeModel model;
    const auto read = [&](const char* name, const Shape& shape, double* to) {
      const Tensor<double> values = to_tensor<double>(file.at(name));
      require<FormatError>(values.shape() == shape, "niqe: '", name, "' has shape ", values.shape(),
                           ", expected ", shape);
      std::ranges::copy(values.values(), to);
    };
    constexpr Index n = niqe_feature_count;
    read("mean", {n}, model.mean.data());
    read("covariance", {n, n}, model.covariance.data());
    return model;
  });
}

}  // namespace nlcl
