// A generator that is n numbers further on, without drawing them.
#include <iostream>

#include "nlcl/core/random.hpp"

using namespace nlcl;

Random skip(const Random& random, std::uint64_t n) {
  Random::State state = random.state();
  state.position += n;
  return Random(state);
}

int main() {
  std::cout << std::boolalpha;
  for (const int drawn_before : {0, 3}) {
    Random drawing(7);
    for (int i = 0; i < drawn_before; ++i) drawing.next();
    Random skipping = skip(drawing, 10);
    for (int i = 0; i < 10; ++i) drawing.next();
    std::cout << "from position " << drawn_before << ": the same number after ten "
              << (drawing.next() == skipping.next()) << '\n';
  }
}
