// A sum in the order of the ranks, by NCCL: every rank sends to each other the part that this one adds up, adds up its own,
// and gets the sums of the other parts. An all-reduce would add in the order of its ring.
#pragma once

#ifdef NLCL_NCCL

#include <nccl.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/runtime.cuh"
#include "nlcl/core/tensor.hpp"
#include "nlcl/train/nccl.hpp"

namespace nlcl {

namespace cuda {

// total[i] += parts[0][i], then parts[1][i], ..., where a part has `count` values.
__global__ void add_parts_kernel(float* total, const float* parts, std::int64_t count, int ranks) {
  for (std::int64_t i = grid_thread(); i < count; i += grid_threads()) {
    float sum = total[i];
    for (int rank = 0; rank < ranks; ++rank) sum += parts[rank * count + i];
    total[i] = sum;
  }
}

inline void check(ncclResult_t status, const char* what) {
  require<DeviceError>(status == ncclSuccess, what, ": ", ncclGetErrorString(status));
}

// A GPU's name in the world; empty for a CPU.
inline std::string name_of(Device device) {
  if (!device.is_cuda()) return {};
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device.index), "cudaGetDeviceProperties");
  return {properties.uuid.bytes, sizeof(properties.uuid.bytes)};
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Communicator& hosts, Device device) : hosts_(hosts), device_(device) {
    ncclUniqueId id{};
    together(hosts, [&] {
      if (hosts.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    });
    const std::string of_first = hosts.gather({id.internal, sizeof(id.internal)}).front();
    std::memcpy(id.internal, of_first.data(), sizeof(id.internal));
    const UseDevice use(device.index);
    together(hosts, [&] {
      check(ncclCommInitRank(&communicator_, hosts.size(), id, hosts.rank()), "ncclCommInitRank");
    });
  }
  // After an error others may never come to what this one waits for.
  ~NcclCommunicator() override {
    std::uncaught_exceptions() > 0 ? ncclCommAbort(communicator_) : ncclCommDestroy(communicator_);
  }

  int rank() const override { return hosts_.rank(); }
  int size() const override { return hosts_.size(); }
  std::pair<int, int> on_this_machine() const override { return hosts_.on_this_machine(); }
  std::vector<std::string> gather(const std::string& mine) override { return hosts_.gather(mine); }
  bool can_be_recorded() const override { return true; }
  bool end() override { return hosts_.end(); }

  void add_in_order(Tensor<float>& total, const Tensor<float>& values) override {
    require<DeviceError>(total.device() == device_ && values.device() == device_, "nccl: values on ",
                         total.device(), " and ", values.device(), ", expected ", device_);
    const auto begin = [&](int rank) {
      return part_begin(static_cast<std::size_t>(total.size()), rank, size());
    };
    const auto count = [&](int rank) { return begin(rank + 1) - begin(rank); };
    const std::size_t mine = count(rank());
    Tensor<float> parts({size(), static_cast<Index>(mine)}, device_);  // mine, of every rank
    const UseDevice use(device_.index);
    const cudaStream_t stream = cuda::stream(device_.index);
    in_one_call([&] {
      for (int other = 0; other < size(); ++other) {
        check(ncclSend(values.data() + begin(other), count(other), ncclFloat, other, communicator_, stream),
              "ncclSend");
        check(ncclRecv(parts.mutable_data() + static_cast<std::size_t>(other) * mine, mine, ncclFloat, other,
                       communicator_, stream),
              "ncclRecv");
      }
    });
    float* const sums = total.mutable_data();
    launch<add_parts_kernel>(
        {.device = device_, .grid = blocks_for(static_cast<Index>(mine), 256), .block = 256},
        sums + begin(rank()), parts.data(), static_cast<std::int64_t>(mine), size());
    in_one_call([&] {  // an all-gather of parts that may differ by one
      for (int root = 0; root < size(); ++root)
        check(ncclBroadcast(sums + begin(root), sums + begin(root), count(root), ncclFloat, root,
                            communicator_, stream),
              "ncclBroadcast");
    });
  }

 private:
  template <class Calls>
  static void in_one_call(const Calls& calls) {
    check(ncclGroupStart(), "ncclGroupStart");
    calls();
    check(ncclGroupEnd(), "ncclGroupEnd");
  }

  Communicator& hosts_;
  Device device_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace cuda

std::unique_ptr<Communicator> nccl_communicator(Communicator& hosts, Device device) {
  require_same(hosts, "NLCL_SYNC", [] { return std::string(cuda::is_synchronous() ? "1" : "0"); });
  const std::vector<std::string> names = hosts.gather(cuda::name_of(device));
  const std::set<std::string> different(names.begin(), names.end());
  if (different.contains("") || different.size() != names.size()) return nullptr;
  return std::make_unique<cuda::NcclCommunicator>(hosts, device);
}

}  // namespace nlcl

#endif  // NLCL_NCCL
