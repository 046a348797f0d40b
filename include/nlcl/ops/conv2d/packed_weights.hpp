// The weights of convolutions in the order in which a GPU reads them (cuda/nlcl/ops/conv2d/packed_weight.cuh). A step of
// training uses each of them many times, forward and backward, and changes it once.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace nlcl::cuda {

// Keeps what has been packed, and remembers what was: the first convolution that needs a weight again after it has changed
// has all packed that have, in few launches.
class PackedWeights {
 public:
  // While it lives, the convolutions of this thread on a CUDA device pack their weights here. It trusts nothing that was
  // packed before, so that all of its work can be recorded and repeated; such a graph needs the PackedWeights as long as
  // it lives. Weights that nobody else holds any more are forgotten when the next Use begins.
  class Use {
   public:
    explicit Use(PackedWeights& weights) : before_(std::exchange(current_, &weights)) { ++weights.uses_; }
    ~Use() { current_ = before_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    PackedWeights* before_;
  };

  static PackedWeights* current() { return current_; }  // null outside of a Use

  struct Table;  // the backend's
  std::shared_ptr<Table>& table() { return table_; }
  std::uint64_t uses() const { return uses_; }

 private:
  inline static thread_local PackedWeights* current_ = nullptr;

  std::shared_ptr<Table> table_;
  std::uint64_t uses_ = 0;
};

}  // namespace nlcl::cuda
