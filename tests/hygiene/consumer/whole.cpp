#include <nlcl/nlcl.hpp>

int main() {
  nlcl::Generator<float> generator;
  return nlcl::parameter_count(generator) == 316195 ? 0 : 1;
}
