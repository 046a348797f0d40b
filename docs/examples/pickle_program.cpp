// The pickle in a PyTorch checkpoint, as the program that it is: one instruction a line.
#include <algorithm>
#include <iostream>

#include "nlcl/io/torch_checkpoint.hpp"

using namespace nlcl;

struct Instruction {
  int opcode;
  const char* name;
};

// Those that stand alone. The others have an argument behind them.
constexpr Instruction alone[] = {{'(', "MARK"},
                                 {')', "EMPTY_TUPLE"},
                                 {0x89, "FALSE"},
                                 {'t', "TUPLE      of all since the last mark"},
                                 {'Q', "PERSID     the storage that this tuple names"},
                                 {'R', "REDUCE     call the global with the tuple"},
                                 {'u', "SETITEMS   all since the last mark into the dict"},
                                 {'.', "STOP"}};

void print_program(ByteReader reader) {
  const auto line = [&] {
    std::string result;
    for (int c = reader.byte(); c != '\n'; c = reader.byte()) result += static_cast<char>(c);
    return result;
  };
  while (reader.remaining() > 0) {
    const int opcode = reader.byte();
    if (opcode == 0x80) {
      std::cout << "PROTO      " << reader.byte();
    } else if (opcode == 'J') {
      std::cout << "INT        " << reader.little<std::uint32_t>();
    } else if (opcode == 'X') {
      std::cout << "STRING     " << text_of(reader.take(reader.little<std::uint32_t>()));
    } else if (opcode == 'c') {
      const std::string module = line();
      std::cout << "GLOBAL     " << module << '.' << line();
    } else {
      std::cout << std::ranges::find(alone, opcode, &Instruction::opcode)->name;
    }
    std::cout << '\n';
  }
}

int main() {
  const StateFile file{{from_tensor("w", Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}))}, {}};
  const std::vector<std::byte> archive = to_torch_checkpoint_bytes(file);
  const std::vector<ZipEntry> entries = read_zip(archive);
  for (const ZipEntry& entry : entries) std::cout << entry.name << ", " << entry.bytes.size() << " bytes\n";
  std::cout << '\n';
  print_program(ByteReader(entries.front().bytes, "pickle"));
}
