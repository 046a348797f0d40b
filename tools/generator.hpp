// A generator as the programs that take rain off use it: its weights, and the memory for an image.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "checkpoint.hpp"
#include "common.hpp"
#include "nlcl/core/cuda.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/core/storage.hpp"
#include "nlcl/io/checkpoint.hpp"
#include "nlcl/io/module_state.hpp"
#include "nlcl/model/generator_plan.hpp"
#include "system.hpp"

namespace tools {

using ReadState = nlcl::StateFile (*)(const std::filesystem::path&, std::string_view key);

// Weights that are missing or not valid are wrong usage. `key`: of the network or state dict, where there are several.
inline nlcl::Generator<float> read_generator(const std::filesystem::path& weights, const std::string& key,
                                             ReadState read = nlcl::read_checkpoint) {
  try {
    nlcl::Generator<float> generator;
    const auto left_out = load_generator(generator, read(weights, key));
    if (!left_out.empty()) say(nlcl::text("warning: ", weights.string(), ": ", left_out_text(left_out)));
    (void)generator.tile();  // throws if it is none
    return generator;
  } catch (const nlcl::MemoryError&) {
    throw;
  } catch (const nlcl::Error& error) {
    throw UsageError(message_of(error, weights.string()));
  }
}
inline nlcl::GeneratorPlan read_plan(const std::filesystem::path& weights, const std::string& key,
                                     nlcl::Device device, ReadState read = nlcl::read_checkpoint) {
  nlcl::Generator<float> generator = read_generator(weights, key, read);
  nlcl::to(generator, device);
  return nlcl::GeneratorPlan(generator);
}

// The memory that plans take for one image after the other.
class PlanMemory {
 public:
  // `limit`: bytes that an image may take; 0: all that can be had.
  explicit PlanMemory(nlcl::Device device, std::size_t limit = 0) : device_(device), limit_(limit) {}

  // To be called before a plan runs on an image. Throws nlcl::MemoryError.
  void prepare(nlcl::Index height, nlcl::Index width, const nlcl::GeneratorPlan& plan) {
    prepare(height, width, plan.memory(height, width));
  }
  // The same where something else is `needed`, in bytes.
  void prepare(nlcl::Index height, nlcl::Index width, std::size_t needed) {
    check(height, width, needed);
    const nlcl::Shape shape{1, height, width, 3};
    if (!(shape == last_shape_)) pool().trim();  // blocks of another size are of no use
    last_shape_ = shape;
    pool().reset_peak();
  }

  // What was taken since.
  std::size_t peak() const { return pool().stats().peak; }

 private:
  void check(nlcl::Index height, nlcl::Index width, std::size_t needed) const {
    const bool is_limited = limit_ > 0 && limit_ < available();
    const std::size_t most = is_limited ? limit_ : available();
    nlcl::require<nlcl::MemoryError>(needed <= most, height, " x ", width, " pixels need ",
                                     bytes_text(needed), " of memory, only ", bytes_text(most),
                                     is_limited ? " are allowed" : " can be had");
  }

  std::size_t available() const {
    if constexpr (nlcl::has_cuda)
      if (device_.is_cuda()) return nlcl::cuda::free_memory(device_.index) + pool().stats().cached;
    return memory_limit();
  }

  nlcl::Pool& pool() const {
    if constexpr (nlcl::has_cuda)
      if (device_.is_cuda()) return nlcl::cuda::pool(device_.index);
    return nlcl::Pool::cpu();
  }

  nlcl::Device device_;
  std::size_t limit_;
  nlcl::Shape last_shape_;
};

}  // namespace tools
