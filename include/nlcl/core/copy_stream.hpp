// Copies to a CUDA device while it works: a stream of their own beside the one that has all other work of the
// device. The target nlcl::cuda defines it.
//
// What orders the two streams is asked for by name: the copies wait() for the device, or the device waits for the
// copies with join(). Neither makes the CPU wait, and neither can be part of a graph: both throw DeviceError while the
// device records one.
#pragma once

#include <cstddef>
#include <memory>

namespace nlcl::cuda {

// Memory of the CPU whose pages stay where they are, so that a device can read it without the CPU's help.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  explicit PinnedMemory(std::size_t bytes);  // throws MemoryError

  void* data() const { return block_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<void> block_;
  std::size_t bytes_ = 0;
};

class CopyStream {
 public:
  explicit CopyStream(int device);

  // Later copies begin when the device has done all that it has been asked for so far.
  void wait();
  // `from` lies in PinnedMemory, and stays as it is until finish(); `to` is on the device.
  void copy(void* to, const void* from, std::size_t bytes);
  // What the device is asked for from now on begins when the copies so far are done.
  void join();
  // Returns when the copies so far are done.
  void finish();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace nlcl::cuda
