// The machines of scaling.hpp, if nine tenths of an exchange went on behind the computation, as far as that is long enough.
#include <algorithm>
#include <cstdio>

#include "../examples/scaling.hpp"

int main() {
  for (const Machine& m : machines) {
    const double all = exchange(m), hidden = std::min(0.9 * all, m.compute);
    std::printf("%-36s %3.0f %% -> %3.0f %%\n", m.name, 100 * m.compute / (m.compute + all),
                100 * m.compute / (m.compute + all - hidden));
  }
}
