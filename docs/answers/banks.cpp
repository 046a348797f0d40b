// How often shared memory has to be asked for what the lanes of a warp want at once: it has 32 banks of 4 bytes, and
// each gives one word at a time. Lanes that want the same word get it together.
#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

namespace {

// Of `lanes` lanes, whose words begin at word_of(lane) and are `words` long.
int rounds(int lanes, int words, const auto& word_of) {
  std::array<std::set<int>, 32> wanted;
  for (int lane = 0; lane < lanes; ++lane)
    for (int k = 0; k < words; ++k) {
      const int word = word_of(lane) + k;
      wanted[static_cast<unsigned>(word % 32)].insert(word);
    }
  return static_cast<int>(
      std::ranges::max_element(wanted, {}, [](const auto& bank) { return bank.size(); })->size());
}

}  // namespace

int main() {
  // conv2d_weight_sums: a quarter of a warp reads slots of 16 bytes at member * pitch + group.
  for (int pitch = 8; pitch <= 12; ++pitch)
    std::printf("WeightTile, pitch %2d: rounds to load %d\n", pitch,
                rounds(8, 4, [=](int lane) { return (lane % 4 * pitch + lane / 4) * 4; }));
  // matrix_product: a warp stores one number each, at (k, i).
  for (const int pitch : {32, 33, 36})
    std::printf("SharedSlice, pitch %2d: rounds to store %d, to load %d\n", pitch,
                rounds(32, 1, [=](int lane) { return lane % 8 * pitch + lane / 8; }),
                rounds(8, 4, [=](int lane) { return lane * 4; }));
}
