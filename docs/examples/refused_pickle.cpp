// A pickle that would run a command, in an archive as PyTorch writes them. Python obeys; this reader refuses.
#include <array>
#include <iostream>

#include "nlcl/io/torch_checkpoint.hpp"

using namespace nlcl;

int main() {
  std::vector<std::byte> pickle;
  append(pickle, "\x80\x02");                                     // protocol 2
  append(pickle, "cos\nsystem\n");                                // push the function os.system
  append(pickle, std::string_view("X\x0a\0\0\0echo hello", 15));  // push a string of ten characters
  append(pickle, "\x85R.");                                       // make a tuple of it, call, stop

  const std::array entries{ZipEntry{"archive/data.pkl", pickle}};
  try {
    parse_torch_checkpoint(to_zip_bytes(entries));
  } catch (const FormatError& error) {
    std::cout << error.what() << '\n';
  }
}
