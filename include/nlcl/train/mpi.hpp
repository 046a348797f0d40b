// Ranks that are the processes of an MPI job, where there was an MPI when the program was built: then NLCL_MPI is defined.
#pragma once

#ifdef NLCL_MPI

#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/train/communicator.hpp"

namespace nlcl {

// All processes that one mpirun has started; a process of its own is the only rank. There is one of these in a program, and
// all calls come from the thread that made it. What goes wrong within MPI ends the job, as MPI has it; so does a process that
// ends before end().
class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm_dup(MPI_COMM_WORLD, &of_end_);
    MPI_Comm machine = MPI_COMM_NULL;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Comm_rank(machine, &on_this_machine_.first);
    MPI_Comm_size(machine, &on_this_machine_.second);
    MPI_Comm_free(&machine);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::pair<int, int> on_this_machine() const override { return on_this_machine_; }

  std::vector<std::string> gather(const std::string& mine) override {
    Parts parts(size_);
    const int length = count_of(mine.size());
    MPI_Allgather(&length, 1, MPI_INT, parts.counts.data(), 1, MPI_INT, MPI_COMM_WORLD);
    std::string joined(parts.place(), '\0');
    MPI_Allgatherv(mine.data(), length, MPI_CHAR, joined.data(), parts.counts.data(), parts.begins.data(),
                   MPI_CHAR, MPI_COMM_WORLD);
    std::vector<std::string> all;
    for (std::size_t rank = 0; rank < parts.counts.size(); ++rank)
      all.push_back(joined.substr(static_cast<std::size_t>(parts.begins[rank]),
                                  static_cast<std::size_t>(parts.counts[rank])));
    return all;
  }

  void add_in_order(Tensor<float>& total, const Tensor<float>& values) override {
    Tensor<float> sum = total.to(Device::cpu());
    add_in_order(std::span(sum.mutable_data(), static_cast<std::size_t>(sum.size())),
                 values.to(Device::cpu()).values());
    if (total.device().is_cuda()) total.assign(sum);
  }

  bool end() override {
    if (is_ended_) return *is_ended_;
    MPI_Request all_are_here = MPI_REQUEST_NULL;
    MPI_Ibarrier(of_end_, &all_are_here);
    int are_here = 0;
    for (int waited = 0; waited < patience && !are_here; ++waited) {
      MPI_Test(&all_are_here, &are_here, MPI_STATUS_IGNORE);
      if (!are_here) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (are_here) MPI_Finalize();
    is_ended_ = are_here != 0;
    return *is_ended_;
  }

 private:
  void add_in_order(std::span<float> total, std::span<const float> values) {
    Parts of_all(size_);
    for (int rank = 0; rank < size_; ++rank)
      of_all.counts[static_cast<std::size_t>(rank)] =
          count_of(part_begin(total.size(), rank + 1, size_) - part_begin(total.size(), rank, size_));
    of_all.place();
    const auto here = static_cast<std::size_t>(rank_), begin = static_cast<std::size_t>(of_all.begins[here]),
               count = static_cast<std::size_t>(of_all.counts[here]);
    Parts mine(size_);  // of every rank
    mine.counts.assign(mine.counts.size(), of_all.counts[here]);
    std::vector<float> part(mine.place());
    MPI_Alltoallv(values.data(), of_all.counts.data(), of_all.begins.data(), MPI_FLOAT, part.data(),
                  mine.counts.data(), mine.begins.data(), MPI_FLOAT, MPI_COMM_WORLD);
    for (const float* theirs = part.data(); theirs != part.data() + part.size(); theirs += count)
      for (std::size_t i = 0; i < count; ++i) total[begin + i] += theirs[i];
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, total.data(), of_all.counts.data(),
                   of_all.begins.data(), MPI_FLOAT, MPI_COMM_WORLD);
  }

  static constexpr int patience = 1000;  // hundredths of a second

  // What each rank has of an array: how many, and from where on.
  struct Parts {
    std::vector<int> counts, begins;

    explicit Parts(int ranks)
        : counts(static_cast<std::size_t>(ranks)), begins(static_cast<std::size_t>(ranks)) {}

    // Lays the counts one behind the other; how many that is.
    std::size_t place() {
      std::size_t end = 0;
      for (std::size_t rank = 0; rank < counts.size(); ++rank) {
        begins[rank] = count_of(end);
        end += static_cast<std::size_t>(counts[rank]);
      }
      count_of(end);
      return end;
    }
  };

  static int count_of(std::size_t count) {  // MPI counts in int
    require<Error>(count <= static_cast<std::size_t>(std::numeric_limits<int>::max()), "mpi: ", count,
                   " values in one message, expected less than 2^31");
    return static_cast<int>(count);
  }

  int rank_ = 0, size_ = 1;
  std::pair<int, int> on_this_machine_{0, 1};
  MPI_Comm of_end_ = MPI_COMM_NULL;  // has nothing but the barrier of end()
  std::optional<bool> is_ended_;
};

}  // namespace nlcl

#endif  // NLCL_MPI
