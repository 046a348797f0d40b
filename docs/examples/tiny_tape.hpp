// A whole tape for scalars, without the library.
#pragma once

#include <cstddef>
#include <cstdio>
#include <utility>
#include <vector>

// What an operation leaves behind: where its inputs came from, and how fast its value changes with each of them.
struct Entry {
  const char* name;
  double value;
  std::vector<std::pair<std::size_t, double>> inputs;  // entry, slope
};

struct Tape {
  std::vector<Entry> entries;

  std::size_t record(Entry entry) {
    entries.push_back(std::move(entry));
    return entries.size() - 1;
  }

  // d entries[loss] / d of every entry before it.
  std::vector<double> backward(std::size_t loss) const {
    std::vector<double> gradients(entries.size(), 0.0);
    gradients[loss] = 1;
    for (std::size_t i = entries.size(); i-- > 0;)
      for (const auto& [input, slope] : entries[i].inputs) gradients[input] += gradients[i] * slope;
    return gradients;
  }
};

// A number that knows where on the tape it is.
struct Number {
  Tape* tape;
  std::size_t entry;
  double value() const { return tape->entries[entry].value; }
};

inline Number leaf(Tape& tape, const char* name, double value) {
  return {&tape, tape.record({name, value, {}})};
}

inline Number operator+(Number a, Number b) {
  return {a.tape, a.tape->record({"+", a.value() + b.value(), {{a.entry, 1.0}, {b.entry, 1.0}}})};
}

inline Number relu(Number a) {
  const bool passes = a.value() > 0;
  return {a.tape, a.tape->record({"relu", passes ? a.value() : 0, {{a.entry, passes ? 1.0 : 0.0}}})};
}

// The record, and beside each entry the gradient of the loss with respect to it.
inline void print(const Tape& tape, std::size_t loss) {
  const std::vector<double> gradients = tape.backward(loss);
  std::printf("entry  what  value  from (slope)   d z / d entry\n");
  for (std::size_t i = 0; i < tape.entries.size(); ++i) {
    std::printf("%5zu  %-4s  %5g  ", i, tape.entries[i].name, tape.entries[i].value);
    int width = 0;
    for (const auto& [input, slope] : tape.entries[i].inputs) width += std::printf("%zu (%g) ", input, slope);
    std::printf("%*s %g\n", 14 - width, "", gradients[i]);
  }
}
