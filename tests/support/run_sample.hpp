// What a run draws of one step.
#pragma once

#include <cmath>
#include <cstdint>

#include "nlcl/core/random.hpp"
#include "nlcl/train/samples.hpp"
#include "support/tensors.hpp"

namespace nlcl::test {

// A rainy image and its two layers: smooth, with noise that is the rain.
struct RunSample {
  Tensor<float> rainy, back, rain;
  Queries queries;

  explicit RunSample(Index height = 96, Index width = 128) : back({1, height, width, 3}) {
    for (Index i = 0; i < back.size(); ++i)
      back.mutable_data()[i] = static_cast<float>(std::sin(static_cast<double>(i) / 700));
    Random random(2);
    rain = random_tensor<float>(back.shape(), random, 0, 0.2);
    rainy = Tensor<float>(back.shape());
    for (Index i = 0; i < back.size(); ++i) rainy.mutable_data()[i] = back.data()[i] + rain.data()[i];
    queries = Queries::draw(back.shape(), random);
  }

  void draw(const RunDirectory& run, std::uint64_t step) const {
    write_samples(run, step, rainy, back, rain, queries, {});
  }
};

}  // namespace nlcl::test
