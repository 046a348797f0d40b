#include "nlcl/train/samples.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/run_sample.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

std::array<int, 3> pixel(const Image& image, Index row, Index column) {
  const auto at = image.pixels.begin() + (row * image.width + column) * 3;
  return {at[0], at[1], at[2]};
}

}  // namespace

TEST_CASE("samples: three pictures of a step") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  const RunSample sample(96, 128);
  sample.draw(run, 500);

  const Image all = read_image(run.path() / "samples" / "step-00000500-layers.png");
  CHECK(all.height == 96);
  CHECK(all.width == 3 * 128);
  const std::vector<Image> parts{to_image(sample.rainy), to_image(sample.back), rain_picture(sample.rain)};
  for (std::size_t part = 0; part < 3; ++part)
    CHECK(pixel(all, 40, static_cast<Index>(part) * 128 + 30) == pixel(parts[part], 40, 30));

  for (const char* layer : {"back", "rain"}) {
    const Image matches = read_image(run.path() / "samples" / text("step-00000500-", layer, "-matches.png"));
    CHECK(matches.height == 5 * 96);  // magnified by a whole number
    CHECK(matches.width == 5 * 128 + 5 * 96);
  }
}

TEST_CASE("samples: images of any size, near any border") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  for (const auto& [height, width] : {std::pair<Index, Index>{40, 40}, {600, 48}, {48, 200}}) {
    CAPTURE(height, width);
    RunSample sample(height, width);
    for (const PatchCenter query : {PatchCenter{0, 16, 16}, PatchCenter{0, height - 16, width - 16}}) {
      sample.queries.background = sample.queries.rain = patch_centers({query});
      CHECK_NOTHROW(sample.draw(run, 1));
    }
  }
}

TEST_CASE("samples: what does not fit together is refused") {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "run");
  run.prepare();
  RunSample sample;
  CHECK_THAT(message_of<ShapeError>([&] {
               write_samples(run, 1, sample.rainy, RunSample(64, 64).back, sample.rain, sample.queries, {});
             }),
             Contains("rainy [1,96,128,3], background [1,64,64,3]"));
  sample.queries.rain = {};
  CHECK_THAT(message_of<ShapeError>([&] { sample.draw(run, 1); }), Contains("a query of each layer"));
  CHECK(std::filesystem::is_empty(run.path() / "samples"));
}
