// A random number is a function of seed, stream and position: runs can be continued, streams never overlap.
#include <iostream>

#include "nlcl/core/random.hpp"

using namespace nlcl;

void print(const char* name, Random& random) {
  std::cout << name;
  for (int i = 0; i < 8; ++i) std::cout << ' ' << random.below(100);
  std::cout << '\n';
}

int main() {
  Random random(7);
  print("seed 7           ", random);
  const Random::State saved = random.state();  // three numbers: they go into a checkpoint
  print("seed 7, continued", random);
  Random restored(saved);
  print("restored         ", restored);
  Random other(7, 1);
  print("seed 7, stream 1 ", other);
  std::cout << "saved: seed " << saved.seed << ", stream " << saved.stream;
  std::cout << ", position " << saved.position << '\n';
}
