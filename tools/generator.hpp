// A generator as the programs that take rain off use it: its weights, and the memory for an image.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>

#include "common.hpp"
#include "nlcl/core/cuda.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/core/storage.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"

namespace tools {

// Weights that are missing or not valid are wrong usage.
inline nlcl::Generator<float> read_generator(const std::filesystem::path& weights) {
  try {
    nlcl::Generator<float> generator;
    nlcl::load_state(generator, nlcl::read_checkpoint(weights));
    (void)generator.tile();  // throws if it is none
    return generator;
  } catch (const nlcl::MemoryError&) {
    throw;
  } catch (const nlcl::Error& error) {
    throw UsageError(message_of(error, weights.string()));
  }
}
inline nlcl::GeneratorPlan read_plan(const std::filesystem::path& weights, nlcl::Device device) {
  nlcl::Generator<float> generator = read_generator(weights);
  nlcl::to(generator, device);
  return nlcl::GeneratorPlan(generator);
}

// The memory that plans take for one image after the other.
class PlanMemory {
 public:
  explicit PlanMemory(nlcl::Device device) : device_(device) {}

  // To be called before a plan runs on an image. Throws nlcl::MemoryError.
  void prepare(const nlcl::Image& image, const nlcl::GeneratorPlan& plan) {
    check(image, plan.tile());
    const nlcl::Shape shape{1, image.height, image.width, 3};
    if (!(shape == last_shape_)) pool().trim();  // blocks of another size are of no use
    last_shape_ = shape;
    pool().reset_peak();
  }

  // What was taken since.
  std::size_t peak() const { return pool().stats().peak; }

 private:
  // A system that promises more memory than it has kills the program that takes it at its word.
  void check(const nlcl::Image& image, nlcl::Index tile) const {
    if constexpr (nlcl::has_cuda)
      if (device_.is_cuda()) {
        const nlcl::Index longest = tile > 0 ? tile : std::max(image.height, image.width);
        return check(image,
                     nlcl::cuda::GeneratorPlan::memory(1, std::min(image.height, longest),
                                                       std::min(image.width, longest), nlcl::precision()),
                     nlcl::cuda::free_memory(device_.index) + pool().stats().cached);
      }
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    const long installed = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    const std::size_t available = std::min<std::size_t>(static_cast<std::size_t>(installed), limit.rlim_cur);
    check(image, nlcl::GeneratorPlan::memory(image.height, image.width, nlcl::threads(), tile), available);
  }
  static void check(const nlcl::Image& image, std::size_t needed, std::size_t available) {
    nlcl::require<nlcl::MemoryError>(needed <= available, image.height, " x ", image.width, " pixels need ",
                                     bytes_text(needed), " of memory, only ", bytes_text(available),
                                     " can be had");
  }

  nlcl::Pool& pool() const {
    if constexpr (nlcl::has_cuda)
      if (device_.is_cuda()) return nlcl::cuda::pool(device_.index);
    return nlcl::Pool::cpu();
  }

  nlcl::Device device_;
  nlcl::Shape last_shape_;
};

}  // namespace tools
