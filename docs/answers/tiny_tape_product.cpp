// A product for the tape of single numbers: x x and x relu(x), walked back.
#include "../examples/tiny_tape.hpp"

Number operator*(Number a, Number b) {
  return {a.tape, a.tape->record({"*", a.value() * b.value(), {{a.entry, b.value()}, {b.entry, a.value()}}})};
}

int main() {
  for (const double at : {3.0, -1.0}) {
    Tape of_square, of_half;
    const Number x = leaf(of_square, "x", at), square = x * x;
    print(of_square, square.entry);
    const Number z = leaf(of_half, "x", at), half = z * relu(z);
    print(of_half, half.entry);
  }
}
