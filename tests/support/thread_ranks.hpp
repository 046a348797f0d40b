// Ranks that are threads of this process, for tests.
#pragma once

#include <barrier>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "nlcl/core/tensor.hpp"
#include "nlcl/train/communicator.hpp"

namespace nlcl::test {

// What the ranks share while they talk.
struct Meeting {
  explicit Meeting(int ranks)
      : words(static_cast<std::size_t>(ranks)), values(words.size()), totals(words.size()), together(ranks) {}

  std::vector<std::string> words;
  std::vector<std::span<const float>> values;
  std::vector<std::span<float>> totals;
  std::barrier<> together;
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(meeting_.words.size()); }

  std::vector<std::string> gather(const std::string& mine) override {
    meeting_.words[here()] = mine;
    meeting_.together.arrive_and_wait();
    std::vector<std::string> all = meeting_.words;
    meeting_.together.arrive_and_wait();
    return all;
  }

  // As over a network: each rank adds up its part, and all get it.
  void add_in_order(Tensor<float>& total, const Tensor<float>& values) override {
    const auto size = static_cast<std::size_t>(total.size());
    meeting_.values[here()] = values.values();
    meeting_.totals[here()] = {total.mutable_data(), size};
    meeting_.together.arrive_and_wait();
    for (std::size_t i = part_begin(size, rank_, this->size()); i < part_begin(size, rank_ + 1, this->size());
         ++i) {
      float sum = meeting_.totals[here()][i];
      for (const std::span<const float> theirs : meeting_.values) sum += theirs[i];
      for (const std::span<float> theirs : meeting_.totals) theirs[i] = sum;
    }
    meeting_.together.arrive_and_wait();
  }

 private:
  std::size_t here() const { return static_cast<std::size_t>(rank_); }

  Meeting& meeting_;
  int rank_;
};

// Runs body(rank) on each of so many ranks at once. It must not throw.
inline void on_ranks(int ranks, const std::function<void(Communicator&)>& body) {
  Meeting meeting(ranks);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank here(meeting, rank);
      body(here);
    });
}

}  // namespace nlcl::test
