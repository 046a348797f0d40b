// Batches of random crops, prepared by threads of their own while the step before is computed.
//
// What a step sees is a function of (seed, step, folders) and of nothing else: a resumed run needs no state
// but the step, and the number of workers changes nothing. Sample s = step * batch + n takes the s-th image
// of an endless walk through its folder, in which every epoch is a new permutation of all images, and draws
// the place of its crop from a stream of its own.
#pragma once

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/random.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/dataset.hpp"
#include "nlcl/synth/rain.hpp"
#include "nlcl/synth/weather.hpp"
#include "nlcl/train/found_rain.hpp"

namespace nlcl {

// What clean images are drawn in, see Batch::drawn.
enum class DrawnRain {
  none,
  streaks,  // any_rain_options()
  weather,  // any_weather()
  both,     // one or the other for each image, as likely
};

struct LoaderOptions {
  Index crop = 256;  // pixels a side
  Index batch = 1;
  std::uint64_t seed = 0;
  int workers = 1;
  int ahead = 4;   // batches prepared beyond the one in use
  int stride = 1;  // from one that is asked for to the next: ranks of a training take turns
  DrawnRain drawn = DrawnRain::none;
  bool drawn_mist = true;  // any_weather() with its mist; without, a network leaves mist where it is
  const FoundRain* found = nullptr;  // laid over some of them instead; has to outlive the loader
  double found_share = 0.5;          // how many of all, on the mean
};

// Image n of `rainy` has nothing to do with image n of `clean`.
struct Batch {
  Tensor<float> rainy, clean;  // [N,crop,crop,3] in [-1, 1]
  Tensor<float> drawn{};       // `clean` in drawn rain; absent unless asked for

  static constexpr auto parts() { return std::array{&Batch::rainy, &Batch::clean, &Batch::drawn}; }
};

namespace detail {

// 0 .. count-1 in random order (Fisher and Yates; Durstenfeld 1964).
inline std::vector<std::uint32_t> permutation(std::uint32_t count, Random random) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (std::uint32_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

// The walk through one folder. Remembers the order of the epoch it is in: one for each thread.
class CropSampler {
 public:
  CropSampler(const ImageFolder& folder, Index crop, std::uint64_t seed, std::uint64_t streams)
      : folder_(folder), crop_(crop), seed_(seed), streams_(streams) {}

  // Writes [crop,crop,3]. An image smaller than the crop is mirrored to the right and downwards.
  void write(std::uint64_t sample, float* out) {
    const auto image = folder_.image(image_of(sample));
    Random random(seed_, streams_ | of_crops | sample);
    const Index top = random.below(crop_places(image->height, crop_)),
                left = random.below(crop_places(image->width, crop_));
    const std::uint8_t* const pixels = image->pixels.data();
    const Index next = image->channels == 3 ? 1 : 0;  // grey is repeated
    for (Index y = 0; y < crop_; ++y) {
      const Index row = mirrored(top + y, image->height) * image->width;
      for (Index x = 0; x < crop_; ++x) {
        const Index at = (row + mirrored(left + x, image->width)) * image->channels;
        for (Index c = 0; c < 3; ++c)
          *out++ = static_cast<float>(pixels[at + c * next]) / 255.0f * 2.0f - 1.0f;
      }
    }
  }

 private:
  static constexpr std::uint64_t of_crops = std::uint64_t{1} << 61;

  Index image_of(std::uint64_t sample) {
    const auto images = static_cast<std::uint32_t>(folder_.size());
    const std::uint64_t epoch = sample / images;
    if (epoch != epoch_) {
      order_ = permutation(images, Random(seed_, streams_ | epoch));
      epoch_ = epoch;
    }
    return order_[sample % images];
  }

  const ImageFolder& folder_;
  Index crop_;
  std::uint64_t seed_, streams_;
  std::optional<std::uint64_t> epoch_;
  std::vector<std::uint32_t> order_;
};

}  // namespace detail

class Loader {
 public:
  // The folders have to outlive the loader. Throws ShapeError for an option below 1.
  Loader(const ImageFolder& rainy, const ImageFolder& clean, LoaderOptions options = {})
      : rainy_(rainy), clean_(clean), options_(options) {
    require<ShapeError>(options.crop > 0 && options.batch > 0 && options.workers > 0 && options.ahead > 0 &&
                            options.stride > 0,
                        "loader: crop ", options.crop, ", batch ", options.batch, ", workers ",
                        options.workers, ", ahead ", options.ahead, ", stride ", options.stride,
                        ", expected 1 or more of each");
    for (int i = 0; i < options.workers; ++i)
      workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }

  const LoaderOptions& options() const { return options_; }

  // The batch of a step; waits if it is not ready yet. Steps may be asked for in any order, but only the one
  // a stride after the last has been prepared. Throws what went wrong with an image of this step: IoError if its file
  // is gone, FormatError if it has changed; asked again, it tries again. For one thread.
  Batch batch(std::uint64_t step) {
    std::unique_lock lock(mutex_);
    if (next_ != step) {
      ready_.clear();
      next_ = unclaimed_ = step;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return ready_.contains(step); });
    const Result result = std::move(ready_.extract(step).mapped());
    next_ = step + stride();
    changed_.notify_all();
    if (result.error) std::rethrow_exception(result.error);
    return result.batch;
  }

 private:
  struct Result {
    Batch batch;
    std::exception_ptr error;
  };

  // The upper half of all streams is the loader's; a folder has half of that.
  static constexpr std::uint64_t rainy_streams = std::uint64_t{2} << 62;
  static constexpr std::uint64_t clean_streams = std::uint64_t{3} << 62;
  static constexpr std::uint64_t drawn_streams = clean_streams | std::uint64_t{1} << 60;

  void work(const std::stop_token& stop) {
    detail::CropSampler rainy(rainy_, options_.crop, options_.seed, rainy_streams);
    detail::CropSampler clean(clean_, options_.crop, options_.seed, clean_streams);
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [&] { return is_wanted(unclaimed_); }) && !stop.stop_requested()) {
      const std::uint64_t step = std::exchange(unclaimed_, unclaimed_ + stride());
      lock.unlock();
      Result result;
      try {
        result.batch = {crops(rainy, step), crops(clean, step)};
        if (options_.drawn != DrawnRain::none) result.batch.drawn = in_drawn_rain(result.batch.clean, step);
      } catch (...) {
        result.error = std::current_exception();
      }
      lock.lock();
      if (is_wanted(step)) ready_.emplace(step, std::move(result));  // the steps asked for may have changed
      changed_.notify_all();
    }
  }

  bool is_wanted(std::uint64_t step) const {
    return next_ && step - *next_ < static_cast<std::uint64_t>(options_.ahead) * stride();
  }
  std::uint64_t stride() const { return static_cast<std::uint64_t>(options_.stride); }

  // Image n of a step, counted from the first of all.
  std::uint64_t sample(std::uint64_t step, Index n) const {
    return step * static_cast<std::uint64_t>(options_.batch) + static_cast<std::uint64_t>(n);
  }

  Tensor<float> crops(detail::CropSampler& sampler, std::uint64_t step) const {
    Tensor<float> result({options_.batch, options_.crop, options_.crop, 3});
    float* const out = result.mutable_data();
    for (Index n = 0; n < options_.batch; ++n)
      sampler.write(sample(step, n), out + n * options_.crop * options_.crop * 3);
    return result;
  }

  // Each image has a rain of its own.
  Tensor<float> in_drawn_rain(const Tensor<float>& images, std::uint64_t step) const {
    const Index crop = options_.crop, pixels = crop * crop;
    Tensor<float> result = images.clone();
    float* image = result.mutable_data();
    for (Index n = 0; n < options_.batch; ++n, image += 3 * pixels) {
      Random random(options_.seed, drawn_streams | sample(step, n));
      if (options_.found && random.uniform() < options_.found_share) {
        options_.found->lay_over(image, crop, random);
      } else if (options_.drawn == DrawnRain::weather ||
                 (options_.drawn == DrawnRain::both && random.uniform() < 0.5)) {
        const Tensor<float> scene({1, crop, crop, 3}, std::span<const float>(image, image + 3 * pixels));
        Weather weather = any_weather(random);
        if (!options_.drawn_mist) weather.mist = 0;
        std::ranges::copy(in_weather(scene, weather, random).values(), image);
      } else {
        const RainOptions kind = any_rain_options(random);
        const Tensor<float> rain = render_rain(crop, crop, kind, random);
        for (Index i = 0; i < 3 * pixels; ++i) {
          const double light = (static_cast<double>(image[i]) + 1) / 2;
          image[i] =
              static_cast<float>(2 * in_rain(light, static_cast<double>(rain.data()[i / 3]), kind) - 1);
        }
      }
    }
    return result;
  }

  const ImageFolder& rainy_;
  const ImageFolder& clean_;
  LoaderOptions options_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::uint64_t> next_;  // the step to be asked for next; none before the first
  std::uint64_t unclaimed_ = 0;        // the first step that no worker has begun
  std::map<std::uint64_t, Result> ready_;
  std::vector<std::jthread> workers_;  // last: they stop before anything else is gone
};

}  // namespace nlcl
