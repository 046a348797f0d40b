// What the model of scaling.hpp says of several machines.
#include "scaling.hpp"

#include <cstdio>

int main() {
  std::printf("%-36s %5s  %7s  %8s  %10s\n", "", "ranks", "compute", "exchange", "efficiency");
  for (const Machine& m : machines)
    std::printf("%-36s %5d  %4.0f ms  %5.1f ms  %8.0f %%\n", m.name, m.ranks, m.compute, exchange(m),
                100 * m.compute / (m.compute + exchange(m)));
}
