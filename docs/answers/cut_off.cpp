// Levels to [-1, 1] and back, cut off in place of rounded.
#include <cstdio>

int main() {
  int changed = 0;
  for (int level = 0; level < 256; ++level) {
    const float x = static_cast<float>(level) / 255 * 2 - 1;
    changed += static_cast<int>((x + 1) * 127.5f) != level;
  }
  std::printf("levels changed: %d of 256\n", changed);
}
