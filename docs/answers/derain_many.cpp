// derain WEIGHTS OUT_FOLDER IN...: the program of chapter 1 for several images, whose weights are read once.
#include <cstdio>
#include <filesystem>

#include "nlcl/nlcl.hpp"

using namespace nlcl;

int main(int argc, char** argv) try {
  require<Error>(argc >= 4, "usage: derain_many WEIGHTS OUT_FOLDER IN...");

  Generator<float> generator;
  load_state(generator, read_checkpoint(argv[1]));
  const GeneratorPlan plan(generator);

  for (int i = 3; i < argc; ++i) {
    const std::filesystem::path in = argv[i], out = std::filesystem::path(argv[2]) / in.filename();
    write_image(out, to_image(plan(to_tensor(read_image(in)))));
  }
} catch (const Error& error) {
  std::fprintf(stderr, "derain_many: %s\n", printable(error.what()).c_str());
  return 1;
}
