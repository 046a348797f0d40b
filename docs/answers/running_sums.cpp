// S at one displacement for all queries of a row: each sum from the columns of the one before it. With whole numbers equal
// patches have equal sums; with others the sums remember what has passed through them.
#include <cstdio>
#include <vector>

#include "nlcl/core/random.hpp"

using namespace nlcl;

constexpr int width = 400, height = 16, patch = 16, displacement = 40;

// (P(q) - P(k))^2, summed over a column of the patch, for each column q of the image.
std::vector<double> columns_of(const std::vector<double>& image) {
  std::vector<double> columns(width - displacement);
  for (int j = 0; j < width - displacement; ++j)
    for (int i = 0; i < height; ++i) {
      const double d = image[static_cast<std::size_t>(i * width + j)] -
                       image[static_cast<std::size_t>(i * width + j + displacement)];
      columns[static_cast<std::size_t>(j)] += d * d;
    }
  return columns;
}

void compare(const char* name, double unit) {
  Random random(1);
  std::vector<double> image(static_cast<std::size_t>(width * height));
  for (double& value : image) value = static_cast<double>(random.below(256)) * unit;
  for (int i = 0; i < height; ++i)  // columns 300 to 315 once more, 40 columns further on
    for (int j = 300; j < 316; ++j)
      image[static_cast<std::size_t>(i * width + j + displacement)] =
          image[static_cast<std::size_t>(i * width + j)];

  const std::vector<double> columns = columns_of(image);
  double running = 0, at_copy = 0, largest = 0;
  for (int j = 0; j < width - displacement; ++j) {
    running += columns[static_cast<std::size_t>(j)];
    if (j >= patch) running -= columns[static_cast<std::size_t>(j - patch)];
    if (j < patch - 1) continue;
    double anew = 0;
    for (int u = j - patch + 1; u <= j; ++u) anew += columns[static_cast<std::size_t>(u)];
    largest = std::max(largest, std::abs(running - anew));
    if (j == 315) at_copy = running;
  }
  std::printf("%s: running sums are those made anew: %s; S of the exact copy is 0: %s\n", name,
              largest == 0 ? "yes" : "no", at_copy == 0 ? "yes" : "no");
}

int main() {
  compare("levels 0 to 255     ", 1);
  compare("the same, over 255  ", 1.0 / 255);
}
