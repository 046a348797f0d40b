// The generator for inference: the same function as Generator, without a tape, in two activation buffers. Images
// larger than the generator's tile, if it has one, are taken in such tiles (see model/tiles.hpp).
//
// Each pass is one convolution over the whole image, done by strips of four rows. What the layers put between
// two convolutions is computed on the way: rows are normalised, clipped or summed as they are read into a
// rolling buffer of six padded rows, and the statistics of the next norm are taken as rows are written. Since
// the rows that a strip still needs are in the rolling buffer, its output overwrites its input:
//
//     x <- head(image)
//     16 times:  y <- conv(x)                  x = x + norm(y of the round before), stored as it is read
//                y <- conv(relu(norm(y)))
//     17:        y <- conv(x),  y <- conv(relu(norm(y)))
//     result <- tail(y), + image with a skip
//
// Threads take chunks of the image. A chunk reads one row beyond each of its ends, which its neighbour
// overwrites; so these rows are read first, for all chunks, and kept. Neither chunks nor threads change a bit
// of the result.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "nlcl/core/parallel.hpp"
#include "nlcl/core/winograd.hpp"
#include "nlcl/model/generator.hpp"

namespace nlcl {

namespace cuda {

// The plan of a generator that is on a GPU; it multiplies as precision() said when it was made.
class GeneratorPlan {
 public:
  explicit GeneratorPlan(const Generator<float>& generator);
  Tensor<float> operator()(const Tensor<float>& x) const;

  // Bytes that a batch of this size takes at the most.
  static std::size_t memory(Index batch, Index height, Index width, Precision precision);

 private:
  struct Convolution {
    Tensor<float> weight;  // packed
    Tensor<float> bias;
  };
  ConvLayer<float> head_, tail_;
  std::vector<Convolution> convolutions_;
  Precision precision_;
};

}  // namespace cuda

class GeneratorPlan {
 public:
  // Transforms and keeps the weights: later changes of the generator do not reach the plan.
  explicit GeneratorPlan(const Generator<float>& generator, Index chunk_rows = 32)
      : head_(generator.head),
        tail_(generator.tail),
        has_skip_(generator.has_skip()),
        tile_(generator.tile()),
        chunk_rows_(chunk_rows) {
    require<ShapeError>(chunk_rows > 0 && chunk_rows % strip == 0, "plan: chunks of ", chunk_rows,
                        " rows, expected a multiple of ", strip);
    if constexpr (has_cuda)
      if (head_.weight.device().is_cuda()) {
        on_cuda_.emplace(generator);
        return;
      }
    for (const auto& pair : generator.pairs) {
      convolutions_.emplace_back(pair.first.weight, pair.first.bias);
      convolutions_.emplace_back(pair.second.weight, pair.second.bias);
    }
  }

  // x [N,H,W,3] in [-1,1] -> [N,H,W,3], unbounded, on the generator's device. Throws ShapeError for another
  // shape, DeviceError for another device.
  Tensor<float> operator()(const Tensor<float>& x) const {
    require<ShapeError>(
        x.shape().rank() == 4 && x.shape()[3] == Generator<float>::image_channels && x.size() > 0,
        "generator: x expects [N,H,W,3], is ", x.shape());
    require<DeviceError>(x.device() == head_.weight.device(), "generator: x is on ", x.device(),
                         ", the plan on ", head_.weight.device());
    const NoGrad no_grad;
    if (tile_ > 0 && std::max(x.shape()[1], x.shape()[2]) > tile_)
      return each_image(x.to(Device::cpu()), [&](const Tensor<float>& image) { return in_tiles(image); })
          .to(x.device());
    if constexpr (has_cuda)
      if (on_cuda_) {
        Tensor<float> result = (*on_cuda_)(x);
        if (has_skip_) detail::add_gradient(result, x);
        return result;
      }
    return each_image(x, [&](const Tensor<float>& image) { return one_image(image); });
  }

  // The side of the tiles; 0: images are taken whole.
  Index tile() const { return tile_; }

  // Bytes that one image of this size takes at the most: input, output, two activations, what lies between
  // chunks, the buffers of the threads in the head, the passes and the tail, and the weights. With tiles it is input,
  // output, all tiles, and what one of them takes, for each thread.
  static std::size_t memory(Index height, Index width, int thread_count, Index tile = 0,
                            Index chunk_rows = 32) {
    if (tile > 0 && std::max(height, width) > tile) {
      const Tiling tiling(height, width, tile);
      const auto threads_at_work = static_cast<std::size_t>(std::min<Index>(thread_count, tiling.size()));
      return sizeof(float) *
                 static_cast<std::size_t>(7 * height * width + tiling.size() * tiling.shape().size()) +
             threads_at_work * memory(tiling.shape()[1], tiling.shape()[2], 1, 0, chunk_rows);
    }
    constexpr Index image_channels = Generator<float>::image_channels;
    const Index row = Convolution::padded_width(width) * channels;
    const Index chunks = (height + chunk_rows - 1) / chunk_rows;
    const Index images = 2 * height * width * (channels + image_channels);
    const Index block = (detail::conv2d_block_rows + 2) * (width + 2) * (channels + image_channels);
    const Index per_thread =
        block + Convolution::window * row + 2 * Convolution::points * Convolution::group * channels;
    const Index weights = (2 * static_cast<Index>(Generator<float>::residual_blocks) + 2) *
                              Convolution::points * channels * channels +
                          (Index{1} << 16);
    return sizeof(float) *
           static_cast<std::size_t>(images + 2 * chunks * row + thread_count * per_thread + weights);
  }

 private:
  using Convolution = Winograd<float, Generator<float>::channels, Generator<float>::channels>;
  using Statistics = ChannelStatistics<float>;
  static constexpr Index channels = Generator<float>::channels, strip = Convolution::tile;
  static_assert(strip == statistics_strip);

  // What a convolution sees in place of the stored rows.
  enum class Read {
    plain,       // x
    activation,  // relu(norm(y))
    residual,    // x + norm(y), stored to x
  };

  struct Buffers {
    Index height, width;
    Tensor<float> x, y;  // [H,W,32]
    Statistics norm;     // of y

    float* row(Tensor<float>& t, Index r) { return t.mutable_data() + r * width * channels; }
  };

  // x [N,H,W,3], one after the other.
  static Tensor<float> each_image(const Tensor<float>& x, const auto& run) {
    if (x.shape()[0] == 1) return run(x);
    const Index size = x.size() / x.shape()[0];
    Tensor<float> result(x.shape());
    for (Index n = 0; n < x.shape()[0]; ++n) {
      const std::span<const float> values =
          x.values().subspan(static_cast<std::size_t>(n * size), static_cast<std::size_t>(size));
      const Tensor<float> y = run(Tensor<float>({1, x.shape()[1], x.shape()[2], x.shape()[3]}, values));
      std::copy_n(y.data(), size, result.mutable_data() + n * size);
    }
    return result;
  }

  // An image on the CPU. There the threads have a tile each; a GPU gets one after the other.
  Tensor<float> in_tiles(const Tensor<float>& image) const {
    const Tiling tiling(image.shape()[1], image.shape()[2], tile_);
    std::vector<Tensor<float>> tiles(static_cast<std::size_t>(tiling.size()));
    const auto run = [&](Index i) {
      Tensor<float>& tile = tiles[static_cast<std::size_t>(i)];
      tile = (*this)(tiling.cut(image, i).to(head_.weight.device())).to(Device::cpu());
    };
    if (on_cuda_)
      for (Index i = 0; i < tiling.size(); ++i) run(i);
    else
      parallel_for(tiling.size(), run);
    return tiling.joined(tiles);
  }

  Tensor<float> one_image(const Tensor<float>& image) const {
    Buffers b{image.shape()[1], image.shape()[2], head_(image), {}, {}};
    b.y = Tensor<float>(b.x.shape());
    for (std::size_t i = 0; i < convolutions_.size(); i += 2) {
      const bool last = i + 2 == convolutions_.size();
      pass(convolutions_[i], i == 0 ? Read::plain : Read::residual, true, b);
      pass(convolutions_[i + 1], Read::activation, !last, b);
    }
    b.x = {};  // the tail needs room for its result only
    Tensor<float> result = tail_(b.y);
    if (has_skip_) detail::add_gradient(result, image);
    return result;
  }

  // One image row as the convolution sees it, with a zero pixel at its left and zeros up to the padded width.
  static void read_row(Read read, bool store_sum, Index r, Buffers& b, float* to) {
    const Index count = b.width * channels;
    float* const x = b.row(b.x, r);
    const float* const y = b.row(b.y, r);
    const float *const mean = b.norm.mean.data(), *const scale = b.norm.inverse_deviation.data();
    to += channels;
    if (read == Read::plain) {
      std::copy_n(x, count, to);
      return;
    }
    using V = Pack<float>;
    const V zero = V::all(0);
    for (Index i = 0; i < count; i += channels)
      for (Index c = 0; c < channels; c += V::width) {
        const V normalized = (V::load(y + i + c) - V::load(mean + c)) * V::load(scale + c);
        if (read == Read::activation) {
          max(normalized, zero).store(to + i + c);
        } else {
          const V sum = V::load(x + i + c) + normalized;
          sum.store(to + i + c);
          if (store_sum) sum.store(x + i + c);
        }
      }
  }

  // The multiplications of one strip leave time to bring the next strip's rows closer.
  static void prefetch_row(Read read, Index r, Index left, Index right, Buffers& b) {
    constexpr Index line = Pool::alignment / sizeof(float);
    for (Index i = (r * b.width + left) * channels; i < (r * b.width + right) * channels; i += line) {
      if (read != Read::activation) prefetch(b.x.data() + i);
      if (read != Read::plain) prefetch(b.y.data() + i);
    }
  }

  // y <- conv(what `read` says), and the statistics of the new y if a norm follows.
  void pass(const Convolution& conv, Read read, bool norm_follows, Buffers& b) const {
    const Index row_size = Convolution::padded_width(b.width) * channels;
    const Index chunks = (b.height + chunk_rows_ - 1) / chunk_rows_;
    Tensor<float> outer({chunks, 2, row_size});  // the rows above and below each chunk
    float* const outer_rows = outer.mutable_data();
    std::fill_n(outer_rows, outer.size(), 0.0f);
    parallel_for(chunks, [&](Index chunk) {
      const Index above = chunk * chunk_rows_ - 1, below = (chunk + 1) * chunk_rows_;
      if (above >= 0) read_row(read, false, above, b, outer_rows + 2 * chunk * row_size);
      if (below < b.height) read_row(read, false, below, b, outer_rows + (2 * chunk + 1) * row_size);
    });

    std::vector<StripSums<float>> sums(static_cast<std::size_t>((b.height + strip - 1) / strip));
    parallel_for(chunks, [&](Index chunk) {
      const Index begin = chunk * chunk_rows_, end = std::min(begin + chunk_rows_, b.height);
      Convolution::Scratch scratch = conv.make_scratch();
      Tensor<float> rolling = Tensor<float>::zeros({Convolution::window, row_size});
      const auto slot = [&](Index r) {
        return rolling.mutable_data() + (r + Convolution::window) % Convolution::window * row_size;
      };
      const auto fetch = [&](Index r) {
        if (r >= begin && r < end)
          read_row(read, true, r, b, slot(r));
        else if (r >= b.height)
          std::fill_n(slot(r), row_size, 0.0f);
        else
          std::copy_n(outer_rows + (2 * chunk + (r < begin ? 0 : 1)) * row_size, row_size, slot(r));
      };
      fetch(begin - 1);
      fetch(begin);
      for (Index r = begin; r < end; r += strip) {
        const Index rows = std::min(strip, end - r);
        for (Index i = 1; i <= strip; ++i) fetch(r + i);
        std::array<const float*, Convolution::window> window;
        for (Index i = 0; i < Convolution::window; ++i) window[static_cast<std::size_t>(i)] = slot(r - 1 + i);
        StripSums<float>* strip_sums = nullptr;
        if (norm_follows) {
          strip_sums = &sums[static_cast<std::size_t>(r / strip)];
          strip_sums->start(rows * b.width, b.row(b.y, r), channels);
        }
        conv.strip(window, b.width, rows, b.row(b.y, r), strip_sums, scratch, [&](Index left, Index right) {
          for (Index next = r + strip + 1; next < std::min(r + 2 * strip + 1, end); ++next)
            prefetch_row(read, next, left, right, b);
        });
      }
    });
    if (norm_follows) b.norm = join_strips(sums, instance_norm_eps);
  }

  ConvLayer<float> head_, tail_;
  std::vector<Convolution> convolutions_;
  std::optional<cuda::GeneratorPlan> on_cuda_;  // in place of the convolutions
  bool has_skip_;
  Index tile_, chunk_rows_;
};

}  // namespace nlcl
