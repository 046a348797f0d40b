// How long a CUDA device takes, by its own clock. The target nlcl::cuda defines it.
#pragma once

#include <memory>

namespace nlcl::cuda {

// Times what the device is asked for between start() and stop(), without what the CPU does meanwhile.
class Stopwatch {
 public:
  explicit Stopwatch(int device);
  void start();
  double stop();  // seconds; waits for the device

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace nlcl::cuda
