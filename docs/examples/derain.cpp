// derain WEIGHTS IN OUT: removes the rain from a photograph.
#include <cstdio>

#include "nlcl/nlcl.hpp"

using namespace nlcl;

int main(int argc, char** argv) try {
  require<Error>(argc == 4, "usage: derain WEIGHTS IN OUT");

  Generator<float> generator;
  load_state(generator, read_checkpoint(argv[1]));
  const GeneratorPlan plan(generator);

  const Tensor<float> rainy = to_tensor(read_image(argv[2]));
  write_image(argv[3], to_image(plan(rainy)));
} catch (const Error& error) {
  std::fprintf(stderr, "derain: %s\n", printable(error.what()).c_str());
  return 1;
}
