// What tiles of several shapes read for a 3 x 3 convolution, and what a plane of 16 channels of it takes of shared memory.
#include <cstdio>

int main() {
  constexpr int tiles[][2] = {{16, 16}, {8, 32}, {32, 32}}, words = 16;  // of a plane: 16 channels of tf32
  for (const auto& [rows, columns] : tiles) {
    const int own = rows * columns, read = (rows + 2) * (columns + 2);
    std::printf("%2d x %2d: %4d pixels read for %4d, %2.0f %% more; %4.1f KB; %3d sums a thread\n", rows,
                columns, read, own, 100.0 * (read - own) / own, read * words * 4 / 1e3, own * 32 / 128);
  }
}
