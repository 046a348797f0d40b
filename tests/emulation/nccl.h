// The part of NCCL that this project uses, between the emulated devices of one process: a thread is a rank. What is sent
// is work of a stream, which can be captured; it waits for its partner, as that of a device does, while others work.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

enum ncclResult_t {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
};
enum ncclDataType_t { ncclFloat = 7 };
struct ncclUniqueId {
  char internal[128];
};

namespace emulation {

// What one rank sends to another, until that one has taken it.
struct Message {
  const void* from;
  std::size_t bytes;
  bool is_broadcast, is_taken = false;
};

// The ranks that speak with each other. Device::mutex() guards them: work holds it, but for when it waits.
struct Clique {
  std::set<int> devices;
  int ranks = 0;                                             // that are there
  std::map<std::pair<int, int>, std::deque<Message*>> mail;  // by sender and receiver
  std::condition_variable_any changed;

  static constexpr std::chrono::seconds patience{120};

  template <class Condition>
  bool wait(const Condition& condition) {
    return changed.wait_for(Device::mutex(), patience, condition);
  }
};

struct NcclRank {
  std::shared_ptr<Clique> clique;
  int rank, ranks, device;
};

// A call within a group: one side of a message.
struct NcclCall {
  NcclRank* here;
  Stream* stream;
  const void* from;  // null for what receives
  void* to;
  std::size_t bytes;
  int other;
  bool is_broadcast;
};

struct NcclGroup {
  int depth = 0;
  std::vector<NcclCall> calls;

  static NcclGroup& of_thread() {
    static thread_local NcclGroup group;
    return group;
  }
};

// All calls of a group at once: none of them waits for another.
inline cudaError_t exchange(const std::vector<NcclCall>& calls) {
  Clique& clique = *calls[0].here->clique;
  const int here = calls[0].here->rank;
  std::list<Message> sent;
  for (const NcclCall& call : calls)
    if (call.from)
      clique.mail[{here, call.other}].push_back(
          &sent.emplace_back(Message{call.from, call.bytes, call.is_broadcast}));
  clique.changed.notify_all();
  for (const NcclCall& call : calls) {
    if (call.from) continue;
    std::deque<Message*>& mail = clique.mail[{call.other, here}];
    if (!clique.wait([&] { return !mail.empty(); }))
      return fail(cudaErrorLaunchFailure, "nccl: rank " + std::to_string(call.other) + " sends nothing");
    Message& message = *mail.front();
    if (message.bytes != call.bytes || message.is_broadcast != call.is_broadcast)
      return fail(cudaErrorLaunchFailure, "nccl: what is sent is not what is expected");
    const Device::Open open;
    if (!Device::holds(message.from, call.bytes) || !Device::holds(call.to, call.bytes))
      return fail(cudaErrorInvalidValue, "nccl: beyond the end of a block of the device");
    std::memcpy(call.to, message.from, call.bytes);
    mail.pop_front();
    message.is_taken = true;
    clique.changed.notify_all();
  }
  if (!clique.wait([&] { return std::ranges::all_of(sent, &Message::is_taken); }))
    return fail(cudaErrorLaunchFailure, "nccl: nobody takes what is sent");
  return cudaSuccess;
}

inline ncclResult_t add_call(const NcclCall& call) {
  if (call.other < 0 || call.other >= call.here->ranks) return ncclInvalidArgument;
  if (call.stream->device != call.here->device) return ncclInvalidUsage;
  NcclGroup::of_thread().calls.push_back(call);
  return ncclSuccess;
}

}  // namespace emulation

using ncclComm_t = emulation::NcclRank*;

inline const char* ncclGetErrorString(ncclResult_t status) {
  switch (status) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return emulation::last_message().c_str();
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
  }
  return "unknown result code";
}

// ---- Communicators ----

inline ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static int last = 0;
  const std::lock_guard lock(emulation::Device::mutex());
  *id = {};
  std::snprintf(id->internal, sizeof(id->internal), "clique %d", ++last);
  return ncclSuccess;
}

// Returns when all ranks are there; each has a device of its own, the current one.
inline ncclResult_t ncclCommInitRank(ncclComm_t* communicator, int ranks, ncclUniqueId id, int rank) {
  using emulation::Clique;
  static std::map<std::string, std::weak_ptr<Clique>> cliques;
  const std::unique_lock lock(emulation::Device::mutex());
  std::shared_ptr<Clique> clique = cliques[id.internal].lock();
  if (!clique) cliques[id.internal] = clique = std::make_shared<Clique>();
  clique->devices.insert(emulation::current_device);
  ++clique->ranks;
  clique->changed.notify_all();
  if (!clique->wait([&] { return clique->ranks == ranks; })) return ncclInvalidUsage;
  if (clique->devices.size() != static_cast<std::size_t>(ranks)) return ncclInvalidUsage;
  *communicator = new emulation::NcclRank{clique, rank, ranks, emulation::current_device};
  return ncclSuccess;
}
inline ncclResult_t ncclCommDestroy(ncclComm_t communicator) {
  delete communicator;
  return ncclSuccess;
}
inline ncclResult_t ncclCommAbort(ncclComm_t communicator) { return ncclCommDestroy(communicator); }

// ---- Messages ----

inline ncclResult_t ncclGroupStart() {
  ++emulation::NcclGroup::of_thread().depth;
  return ncclSuccess;
}
inline ncclResult_t ncclGroupEnd() {
  emulation::NcclGroup& group = emulation::NcclGroup::of_thread();
  if (group.depth == 0) return ncclInvalidUsage;
  if (--group.depth > 0 || group.calls.empty()) return ncclSuccess;
  const std::vector<emulation::NcclCall> calls = std::exchange(group.calls, {});
  return emulation::submit(calls[0].stream, [calls] { return emulation::exchange(calls); }) == cudaSuccess
             ? ncclSuccess
             : ncclUnhandledCudaError;
}

inline ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t, int to, ncclComm_t here,
                             cudaStream_t stream) {
  ncclGroupStart();
  const ncclResult_t status =
      emulation::add_call({here, stream, from, nullptr, count * sizeof(float), to, false});
  return status == ncclSuccess ? ncclGroupEnd() : status;
}
inline ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t, int from, ncclComm_t here,
                             cudaStream_t stream) {
  ncclGroupStart();
  const ncclResult_t status =
      emulation::add_call({here, stream, nullptr, to, count * sizeof(float), from, false});
  return status == ncclSuccess ? ncclGroupEnd() : status;
}
inline ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t, int root,
                                  ncclComm_t here, cudaStream_t stream) {
  ncclGroupStart();
  ncclResult_t status = ncclSuccess;
  const std::size_t bytes = count * sizeof(float);
  if (here->rank == root)
    for (int other = 0; other < here->ranks && status == ncclSuccess; ++other)
      status = emulation::add_call({here, stream, from, nullptr, bytes, other, true});
  if (status == ncclSuccess) status = emulation::add_call({here, stream, nullptr, to, bytes, root, true});
  return status == ncclSuccess ? ncclGroupEnd() : status;
}
