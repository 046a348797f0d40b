// Processes that train together, each with a part of every step's batches: what one of them, a rank, knows of the others.
//
// All ranks call the same functions in the same order; a call returns when all have made it. What can fail on one rank alone
// is done in together(), so that none waits for another that is gone.
#pragma once

#include <cstddef>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 .. size-1; 0 alone speaks and writes
  virtual int size() const = 0;

  // The rank and the size among those of this machine.
  virtual std::pair<int, int> on_this_machine() const { return {0, 1}; }

  // What each rank says, by rank.
  virtual std::vector<std::string> gather(const std::string& mine) = 0;

  // total += the values of rank 0, then those of rank 1, and so on: the same bits on all ranks, in whatever order they
  // arrive. All ranks have the same total before, of one axis, and as many values, both on the device that it computes on.
  virtual void add_in_order(Tensor<float>& total, const Tensor<float>& values) = 0;

  // Whether add_in_order() is work of the devices alone, which can be recorded (core/cuda.hpp).
  virtual bool can_be_recorded() const { return false; }

  // The last thing that a rank does. False if others do not come to their end within some seconds: they wait for something
  // that this one, where an error of its own has come between, will not say; then it has to end with an error, which ends all.
  virtual bool end() { return true; }
};

// The only rank.
class Alone final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::vector<std::string> gather(const std::string& mine) override { return {mine}; }
  void add_in_order(Tensor<float>& total, const Tensor<float>& values) override {
    update(total, values, Plus{});
  }
  bool can_be_recorded() const override { return true; }
};

// The numbers that each rank has, by rank.
inline std::vector<std::vector<float>> gather(Communicator& ranks, std::span<const float> mine) {
  std::vector<std::vector<float>> all;
  for (const std::string& bytes :
       ranks.gather({reinterpret_cast<const char*>(mine.data()), mine.size_bytes()})) {
    all.emplace_back(bytes.size() / sizeof(float));
    std::memcpy(all.back().data(), bytes.data(), bytes.size());
  }
  return all;
}

// The part of `size` values, 0 .. size, that a rank adds up for all: parts differ by one value at most.
inline std::size_t part_begin(std::size_t size, int rank, int ranks) {
  return size * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks);
}

// What was thrown by together() on a rank where nothing went wrong.
struct OtherRankError : Error {
  using Error::Error;
};

// Does `work`, which calls nothing of the ranks, on each. If it throws on one, this throws on all: there what was thrown, on
// the others OtherRankError with the words of the first.
template <class Work>
void together(Communicator& ranks, const Work& work) {
  std::exception_ptr mine;
  std::string words;  // of an error; never empty then
  try {
    work();
  } catch (const std::exception& error) {
    mine = std::current_exception();
    words = std::string("!") + error.what();
  }
  const std::vector<std::string> all = ranks.gather(words);
  if (mine) std::rethrow_exception(mine);
  for (std::size_t rank = 0; rank < all.size(); ++rank)
    if (!all[rank].empty()) throw OtherRankError(text("rank ", rank, ": ", all[rank].substr(1)));
}

// Throws Error, on every rank, unless value(), which stands for `what`, is the same on all of them. Not asked of the only one.
template <class Value>
void require_same(Communicator& ranks, const char* what, const Value& value) {
  if (ranks.size() == 1) return;
  const std::vector<std::string> all = ranks.gather(value());
  for (std::size_t rank = 1; rank < all.size(); ++rank)
    require<Error>(all[rank] == all[0], "rank ", rank, " has other ", what, " than rank 0");
}

}  // namespace nlcl
