// The same work on many tensors, most of them small, in few launches: the arguments of a kernel hold a table of them, and
// each has a row of blocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"

namespace nlcl::cuda {

// A Slot has a `size`, of what it takes a thread each.
template <class Slot>
struct SlotTable {
  static constexpr std::size_t most = 3584 / sizeof(Slot);  // of the 4 KB of arguments that there can be
  Slot slot[most];

  // body(slot, i) for each i below its size, by one of the threads of launch_slots().
  template <class Body>
  __device__ void each(const Body& body) const {
    const Slot& own = slot[block().y];
    for (std::int64_t i = grid_thread(); i < own.size; i += grid_threads()) body(own, i);
  }
};

// kernel(arguments..., SlotTable) for all of them.
template <auto kernel, class Slot, class... Arguments>
void launch_slots(Device device, const std::vector<Slot>& slots, const Arguments&... arguments) {
  constexpr int threads = 256;
  constexpr unsigned most_blocks = 256;  // of one slot
  constexpr std::size_t most = SlotTable<Slot>::most;
  for (std::size_t first = 0; first < slots.size(); first += most) {
    const std::size_t count = std::min(most, slots.size() - first);
    SlotTable<Slot> table{};
    std::int64_t largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
      table.slot[i] = slots[first + i];
      largest = std::max(largest, std::int64_t{table.slot[i].size});
    }
    const unsigned across = std::min(most_blocks, blocks_for(largest, threads));
    launch<kernel>({.device = device, .grid = {across, static_cast<unsigned>(count)}, .block = threads},
                   arguments..., table);
  }
}

}  // namespace nlcl::cuda
