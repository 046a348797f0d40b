// Records z = x + relu(x) on a tape for scalars, prints what was recorded, and walks it back.
#include "tiny_tape.hpp"

int main() {
  for (const double at : {3.0, -1.0}) {
    Tape tape;
    const Number x = leaf(tape, "x", at), z = x + relu(x);
    print(tape, z.entry);
  }
}
