// What the emulated devices have been asked for: the calls are those that a real device gets, and the bytes are the
// least that its memory moves.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "device.hpp"

namespace emulation {

struct Counts {
  struct Launches {
    std::int64_t count = 0, bytes = 0;
  };
  std::map<std::string, Launches, std::less<>> kernels;  // by name
  std::int64_t launches = 0, copies = 0, fills = 0;
  std::int64_t waits = 0;  // of the host, for a stream or for an event
  // Of what a kernel is given, each block of memory once a launch; of what is copied and filled, once on each device.
  std::int64_t bytes = 0;

  void launch(std::string_view kernel, std::int64_t moved) {
    ++launches, bytes += moved;
    auto known = kernels.find(kernel);
    if (known == kernels.end()) known = kernels.emplace(kernel, Launches{}).first;
    ++known->second.count, known->second.bytes += moved;
  }
  void copy(const void* to, const void* from, std::size_t size) {
    ++copies;
    for (const void* const side : {to, from})
      if (Device::bytes_from(side)) bytes += static_cast<std::int64_t>(size);
  }
  void fill(std::size_t size) { ++fills, bytes += static_cast<std::int64_t>(size); }

  // What a graph holds, when it is replayed.
  void add(const Counts& other) {
    for (const auto& [name, of] : other.kernels)
      kernels[name].count += of.count, kernels[name].bytes += of.bytes;
    launches += other.launches, copies += other.copies, fills += other.fills;
    waits += other.waits, bytes += other.bytes;
  }
};

// Since the program began, or since somebody set it to {}. Read it while nothing is asked of a device.
inline Counts& counts() {
  static Counts counts;
  return counts;
}

// Bytes of the blocks that a kernel's arguments point to, from there to their ends. An address among the arguments is
// known by its value.
template <class Arguments>
std::int64_t bytes_given(const Arguments& arguments) {
  const auto* const begin = reinterpret_cast<const unsigned char*>(&arguments);
  std::map<const std::byte*, std::size_t> blocks;  // by their ends
  for (std::size_t at = 0; at + sizeof(void*) <= sizeof(arguments); at += alignof(void*)) {
    const std::byte* address = nullptr;
    std::memcpy(&address, begin + at, sizeof(address));
    if (const auto bytes = Device::bytes_from(address)) {
      std::size_t& most = blocks[address + *bytes];
      most = std::max(most, *bytes);
    }
  }
  std::int64_t sum = 0;
  for (const auto& [end, bytes] : blocks) sum += static_cast<std::int64_t>(bytes);
  return sum;
}

}  // namespace emulation
