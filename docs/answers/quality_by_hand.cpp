// PSNR, SSIM and the rain that is left, of pictures whose values can be worked out.
#include <cmath>
#include <cstdio>

#include "nlcl/analysis/metrics.hpp"
#include "nlcl/analysis/rain_left.hpp"

using namespace nlcl;

Image flat(std::uint8_t level) { return {100, 100, 1, std::vector<std::uint8_t>(10'000, level)}; }

// Grey levels of a function of row and column.
Image drawn(const auto& level) {
  Image image{128, 128, 1, {}};
  for (int i = 0; i < 128; ++i)
    for (int j = 0; j < 128; ++j) image.pixels.push_back(static_cast<std::uint8_t>(level(i, j)));
  return image;
}

int main() {
  Image wrong = flat(0);
  for (std::size_t i = 0; i < wrong.pixels.size(); i += 100) wrong.pixels[i] = 255;
  std::printf("one pixel in a hundred: PSNR %.2f\n", psnr(wrong, flat(0)));
  std::printf("levels 100 and 110: SSIM %.4f; 0 and 10: SSIM %.4f\n", ssim(flat(100), flat(110)),
              ssim(flat(0), flat(10)));
  const auto rain_at = [](double slope) {
    return drawn(
        [=](int i, int j) { return 60 + 120 * std::pow(0.5 + 0.5 * std::cos(0.5 * (j - slope * i)), 8); });
  };
  const Image board = drawn([](int i, int j) { return (i / 8 + j / 8) % 2 ? 200 : 50; });
  std::printf("rain left: chessboard %.3f, lines at 45 degrees %.3f, straight down %.3f\n",
              std::abs(rain_left(board)), std::abs(rain_left(rain_at(1))), rain_left(rain_at(0)));
}
