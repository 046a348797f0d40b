// The generator for inference on the CPU: whole images, one after the other, in two activation buffers.
//
// Each pass (model/plan_schedule.hpp) goes down the image in strips of four rows. Rows are normalised, clipped or summed
// as they are read into a rolling buffer of six padded rows, and the statistics of the next norm are taken as rows are
// written. Since the rows that a strip still needs are in the rolling buffer, its output overwrites its input: y is y,
// and x is overwritten by the residual sum.
//
// Threads take chunks of the image. A chunk reads one row beyond each of its ends, which its neighbour
// overwrites; so these rows are read first, for all chunks, and kept. Neither chunks nor threads change a bit
// of the result.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "nlcl/core/channel_statistics.hpp"
#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/winograd.hpp"
#include "nlcl/model/plan_schedule.hpp"

namespace nlcl {

class CpuPlan {
 public:
  // Transforms and keeps the weights: later changes of the generator do not reach the plan. Throws ShapeError for
  // chunks that are no multiple of a strip.
  explicit CpuPlan(const Generator<float>& generator, Index chunk_rows = 32)
      : head_(detail::with_own_values(generator.head)),
        tail_(detail::with_own_values(generator.tail)),
        has_skip_(generator.has_skip()),
        norm_free_(generator.is_norm_free()),
        chunk_rows_(chunk_rows) {
    require<ShapeError>(chunk_rows > 0 && chunk_rows % strip == 0, "plan: chunks of ", chunk_rows,
                        " rows, expected a multiple of ", strip);
    for (const auto& pair : generator.pairs)
      for (const ConvLayer<float>* conv : {&pair.first, &pair.second})
        convolutions_.emplace_back(conv->weight, conv->bias.clone());
  }

  // x [N,H,W,3] in [-1,1] -> [N,H,W,3], unbounded. Throws ShapeError for another shape, DeviceError for images that
  // are not on the CPU.
  Tensor<float> operator()(const Tensor<float>& x) const {
    detail::require_images(x, Device::cpu());
    const NoGrad no_grad;
    if (x.shape()[0] == 1) return one_image(x);
    const Index size = x.size() / x.shape()[0];
    Tensor<float> result(x.shape());
    for (Index n = 0; n < x.shape()[0]; ++n) {
      const std::span<const float> values =
          x.values().subspan(static_cast<std::size_t>(n * size), static_cast<std::size_t>(size));
      const Tensor<float> y = one_image(Tensor<float>({1, x.shape()[1], x.shape()[2], x.shape()[3]}, values));
      std::copy_n(y.data(), size, result.mutable_data() + n * size);
    }
    return result;
  }

  // Bytes that one image of this size takes at the most: input, output, two activations, what lies between
  // chunks, the buffers of the threads in the head, the passes and the tail, and the weights.
  static std::size_t memory(Index height, Index width, int thread_count, Index chunk_rows = 32) {
    constexpr Index image_channels = Generator<float>::image_channels;
    const Index row = Convolution::padded_width(width) * channels;
    const Index chunks = (height + chunk_rows - 1) / chunk_rows;
    const Index images = 2 * height * width * (channels + image_channels);
    const auto busy = [&](Index tasks) { return std::min<Index>(thread_count, tasks); };
    const Index block = (detail::conv2d_block_rows + 2) * (width + 2) * (channels + image_channels);
    const Index blocks = (height + detail::conv2d_block_rows - 1) / detail::conv2d_block_rows;
    const Index scratch = Convolution::window * row + 2 * Convolution::points * Convolution::group * channels;
    const Index weights = (2 * static_cast<Index>(Generator<float>::residual_blocks) + 2) *
                              Convolution::points * channels * channels +
                          (Index{1} << 16);
    return sizeof(float) * static_cast<std::size_t>(images + 2 * chunks * row + busy(blocks) * block +
                                                    busy(chunks) * scratch + weights);
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

  // One image on its way through the passes.
  class Run {
   public:
    Run(const CpuPlan& plan, const Tensor<float>& image)
        : plan_(plan), image_(image), height_(image.shape()[1]), width_(image.shape()[2]) {
      if (plan.norm_free_) norm_ = {std::vector<float>(channels, 0), std::vector<float>(channels, 1)};
    }

    void head() {
      x_ = plan_.head_(image_);
      y_ = Tensor<float>(x_.shape());
    }
    void first_pass(const Convolution& conv, bool norm_follows) {
      pass(conv, Read::plain, false, norm_follows);
    }
    void residual_pass(const Convolution& conv, bool sum_is_kept, bool norm_follows) {
      pass(conv, Read::residual, sum_is_kept, norm_follows);
    }
    void activation_pass(const Convolution& conv, bool norm_follows) {
      pass(conv, Read::activation, false, norm_follows);
    }
    void tail() {
      x_ = {};  // the tail needs room for its result only
      result_ = plan_.tail_(y_);
      if (plan_.has_skip_) add_to(result_, image_);
    }

    const Tensor<float>& result() const { return result_; }

   private:
    float* row(Tensor<float>& map, Index r) const { return map.mutable_data() + r * width_ * channels; }

    // One image row as the convolution sees it, with a zero pixel at its left and zeros up to the padded width.
    void read_row(Read read, bool store_sum, Index r, float* to) {
      const Index count = width_ * channels;
      float* const x = row(x_, r);
      const float* const y = row(y_, r);
      const float *const mean = norm_.mean.data(), *const scale = norm_.inverse_deviation.data();
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
    void prefetch_row(Read read, Index r, Index left, Index right) const {
      constexpr Index line = Pool::alignment / sizeof(float);
      for (Index i = (r * width_ + left) * channels; i < (r * width_ + right) * channels; i += line) {
        if (read != Read::activation) prefetch(x_.data() + i);
        if (read != Read::plain) prefetch(y_.data() + i);
      }
    }

    // y <- conv(what `read` says), and the statistics of the new y if a norm follows.
    void pass(const Convolution& conv, Read read, bool sum_is_kept, bool norm_follows) {
      const Index row_size = Convolution::padded_width(width_) * channels;
      const Index chunks = (height_ + plan_.chunk_rows_ - 1) / plan_.chunk_rows_;
      Tensor<float> outer({chunks, 2, row_size});  // the rows above and below each chunk
      float* const outer_rows = outer.mutable_data();
      std::fill_n(outer_rows, outer.size(), 0.0f);
      parallel_for(chunks, [&](Index chunk) {
        const Index above = chunk * plan_.chunk_rows_ - 1, below = (chunk + 1) * plan_.chunk_rows_;
        if (above >= 0) read_row(read, false, above, outer_rows + 2 * chunk * row_size);
        if (below < height_) read_row(read, false, below, outer_rows + (2 * chunk + 1) * row_size);
      });

      std::vector<StripSums<float>> sums(static_cast<std::size_t>((height_ + strip - 1) / strip));
      parallel_for(chunks, [&](Index chunk) {
        const Index begin = chunk * plan_.chunk_rows_, end = std::min(begin + plan_.chunk_rows_, height_);
        Convolution::Scratch scratch = conv.make_scratch();
        Tensor<float> rolling = Tensor<float>::zeros({Convolution::window, row_size});
        const auto slot = [&](Index r) {
          return rolling.mutable_data() + (r + Convolution::window) % Convolution::window * row_size;
        };
        const auto fetch = [&](Index r) {
          if (r >= begin && r < end)
            read_row(read, sum_is_kept, r, slot(r));
          else if (r >= height_)
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
          for (Index i = 0; i < Convolution::window; ++i)
            window[static_cast<std::size_t>(i)] = slot(r - 1 + i);
          StripSums<float>* strip_sums = nullptr;
          if (norm_follows) {
            strip_sums = &sums[static_cast<std::size_t>(r / strip)];
            strip_sums->start(rows * width_, row(y_, r), channels);
          }
          conv.strip(window, width_, rows, row(y_, r), strip_sums, scratch, [&](Index left, Index right) {
            for (Index next = r + strip + 1; next < std::min(r + 2 * strip + 1, end); ++next)
              prefetch_row(read, next, left, right);
          });
        }
      });
      if (norm_follows) norm_ = join_strips(sums, instance_norm_eps);
    }

    const CpuPlan& plan_;
    const Tensor<float>& image_;
    Index height_, width_;
    Tensor<float> x_, y_, result_;  // [1,H,W,32], and the result [1,H,W,3]
    Statistics norm_;               // of y
  };

  Tensor<float> one_image(const Tensor<float>& image) const {
    Run run(*this, image);
    run_schedule(run, convolutions_, !norm_free_);
    return run.result();
  }

  ConvLayer<float> head_, tail_;
  std::vector<Convolution> convolutions_;
  bool has_skip_, norm_free_;
  Index chunk_rows_;
};

}  // namespace nlcl
