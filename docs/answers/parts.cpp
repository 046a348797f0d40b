// Which part of ten values each of three ranks adds up, and which part of three images are in, by the hash of their names.
#include <cstdio>
#include <string>

#include "nlcl/core/hash.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/train/communicator.hpp"

using namespace nlcl;

int main() {
  for (int rank = 0; rank < 3; ++rank)
    std::printf("rank %d: values %zu to %zu\n", rank, part_begin(10, rank, 3),
                part_begin(10, rank + 1, 3) - 1);
  for (const std::string name : {"sub/photo.jpg", "sub\\photo.jpg"}) {
    const std::uint64_t hash = fnv1a(bytes_of(name));
    std::printf("%s: part %d\n", name.c_str(), static_cast<int>((hash ^ hash >> 32) % 3));
  }
}
