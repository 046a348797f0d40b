// How long an interval is that draws the images again, and one that draws the groups: 16 images with 12 or 13 groups
// each, 200 in all. What a group has for 1 / d differs from image to image, and within an image.
#include <cmath>
#include <cstdio>

#include "nlcl/analysis/patch_dimension.hpp"

using namespace nlcl;

// How much the groups of an image have in common: 0, nothing; 1, everything.
void print(double alike) {
  double length[2] = {};
  int holds[2] = {};
  constexpr int runs = 100;
  for (std::uint64_t run = 0; run < runs; ++run) {
    Random random(run);
    double of_image[16];
    for (double& value : of_image) value = random.normal();
    std::vector<PatchGroup> groups(200);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      groups[g].image = static_cast<Index>(g % 16);
      const double common = of_image[g % 16] * std::sqrt(alike), own = random.normal() * std::sqrt(1 - alike);
      groups[g].levina_bickel = 0.2 + 0.04 * (common + own);
    }
    std::vector<PatchGroup> apart = groups;  // as if each group were an image
    for (std::size_t g = 0; g < apart.size(); ++g) apart[g].image = static_cast<Index>(g);
    for (const int way : {0, 1}) {
      const auto [low, high] =
          dimension_of(way ? apart : groups, &PatchGroup::levina_bickel, 200, run).interval();
      length[way] += (high - low) / runs;
      holds[way] += low <= 5 && 5 <= high;
    }
  }
  std::printf("%2.0f %% in common\n", 100 * alike);
  for (const int way : {0, 1})
    std::printf("  %s drawn again: %.2f long, holds the truth %2d times of %d\n", way ? "groups" : "images",
                length[way], holds[way], runs);
}

int main() {
  for (const double alike : {0.0, 0.5}) print(alike);
}
