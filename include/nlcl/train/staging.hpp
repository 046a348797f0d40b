// Batches on their way to a device. While it computes one step, the next one's batches are copied there out of
// pinned memory, on a stream of their own:
//
//     staging.put(batches of step 0);
//     for (;;) {
//       trainer.start(staging.take());
//       staging.put(batches of the step after);    // meanwhile the device computes
//       trainer.finish();
//     }
//
// There are two places on the device, used in turn: a step reads one while the other is filled. On the CPU a
// batch is where it should be already.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "nlcl/core/copy_stream.hpp"
#include "nlcl/train/loader.hpp"

namespace nlcl {

class Staging {
 public:
  explicit Staging(Device device) : device_(device) {
    require_available(device);
    if constexpr (has_cuda)
      if (device.is_cuda()) copies_.emplace(device.index);
  }

  // Begins to copy batches that are on the CPU. They can be forgotten when it returns.
  void put(const std::vector<Batch>& batches) {
    std::vector<Batch>& to = places_[next_];
    if constexpr (has_cuda)
      if (copies_) return copy(batches, to);
    to = batches;
  }

  // The batches of the last put(), on the device. The second put() from here overwrites their values.
  std::vector<Batch> take() {
    if constexpr (has_cuda)
      if (copies_) {
        copies_->wait();  // the next copy overwrites what the last step has read
        copies_->join();
      }
    std::vector<Batch>& taken = places_[std::exchange(next_, 1 - next_)];
    return copies_ ? taken : std::exchange(taken, {});
  }

 private:
  void copy(const std::vector<Batch>& batches, std::vector<Batch>& to) {
    std::size_t bytes = 0;
    for (const Batch& batch : batches)
      for (auto part : Batch::parts()) bytes += bytes_of(batch.*part);
    copies_->finish();  // the pinned memory is free again
    if (pinned_.bytes() < bytes) pinned_ = cuda::PinnedMemory(bytes);
    to.resize(batches.size());
    auto* staged = static_cast<std::byte*>(pinned_.data());
    for (std::size_t i = 0; i < batches.size(); ++i)
      for (auto part : Batch::parts()) {
        const Tensor<float>& from = batches[i].*part;
        Tensor<float>& there = to[i].*part;
        if (!from) {
          there = {};
          continue;
        }
        if (!there || !(there.shape() == from.shape())) {
          there = Tensor<float>(from.shape(), device_);
          copies_->wait();  // the memory may have been another's a moment ago
        }
        std::memcpy(staged, from.data(), bytes_of(from));
        copies_->copy(there.mutable_data(), staged, bytes_of(from));
        staged += bytes_of(from);
      }
  }

  static std::size_t bytes_of(const Tensor<float>& x) {
    return x ? static_cast<std::size_t>(x.size()) * sizeof(float) : 0;
  }

  Device device_;
  cuda::PinnedMemory pinned_;
  std::array<std::vector<Batch>, 2> places_;
  std::size_t next_ = 0;
  std::optional<cuda::CopyStream>
      copies_;  // absent on the CPU; the first to go, for it waits for its last copy
};

}  // namespace nlcl
