// What the live figures of the book compute: the engine's own operations, one call for each figure.
//
// A call leaves numbers behind: result() is their address, result_size() how many bytes they have. One that returns 0 has
// failed, and what it left is the error, one sentence in UTF-8.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <numbers>
#include <span>
#include <string_view>
#include <vector>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/random.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/ops/conv2d.hpp"
#include "nlcl/ops/patch_nce.hpp"
#include "nlcl/ops/patch_search.hpp"
#include "nlcl/ops/soft_match.hpp"
#include "nlcl/synth/rain.hpp"

using namespace nlcl;

namespace {

std::vector<std::byte> left;

int call(const auto& body) {
  left.clear();
  try {
    body();
    return 1;
  } catch (const std::exception& error) {
    left.clear();
    append(left, std::string_view(error.what()));
  }
  return 0;
}

template <class Number>
void leave(std::span<const Number> numbers) {
  append(left, std::as_bytes(numbers));
}

// ---- The picture of chapters 10 and 13: a brick wall with windows, which repeats itself as walls do ----

constexpr Index picture_width = 288, picture_height = 192;

struct Colour {
  double red, green, blue;
};

// What is to be seen at a place, 0 to 1. Neither bricks nor windows are quite alike.
Colour wall(Index row, Index column) {
  constexpr Index sill = 20, window_rows = 72, window_columns = 66;
  const Index floor = row / window_rows, axis = column / window_columns;
  const Index y = row % window_rows - sill, x = column % window_columns - 16;
  const double light = 0.75 + 0.25 * static_cast<double>(row) / picture_height;
  if (y >= -3 && y < 40 && x >= -3 && x < 31) {
    if (y < 0 || y >= 37 || x < 0 || x >= 28) return {0.82 * light, 0.8 * light, 0.76 * light};  // frame
    if (std::abs(x - 14) < 2 || std::abs(y - 14) < 2) return {0.7 * light, 0.68 * light, 0.65 * light};
    if ((floor * 5 + axis * 3) % 7 == 1) return {0.85, 0.7, 0.38};  // somebody is in
    const double sky = 0.49 - 0.006 * static_cast<double>(y) + 0.003 * static_cast<double>(x);
    return {0.7 * sky, 0.85 * sky, sky};
  }
  const Index course = row / 6, shifted = column + course % 2 * 7, brick = shifted / 14;
  if (row % 6 == 0 || shifted % 14 == 0) return {0.55 * light, 0.52 * light, 0.48 * light};  // mortar
  Random random(11, static_cast<std::uint64_t>(course * 64 + brick));
  const double tone = light * random.uniform(0.75, 1.05);
  return {0.56 * tone, 0.3 * tone, 0.24 * tone};
}

Image picture() {
  Image image{picture_height, picture_width, 4, {}};
  image.pixels.reserve(static_cast<std::size_t>(picture_height * picture_width * 4));
  for (Index i = 0; i < picture_height; ++i)
    for (Index j = 0; j < picture_width; ++j) {
      const Colour colour = wall(i, j);
      for (const double value : {colour.red, colour.green, colour.blue, 1.0})
        image.pixels.push_back(nlcl::detail::level(value));
    }
  return image;
}

// Unit vectors in the plane, by their angles in degrees -> [n,2].
Tensor<double> directions(std::span<const double> degrees) {
  Tensor<double> vectors({static_cast<Index>(degrees.size()), 2});
  double* to = vectors.mutable_data();
  for (const double angle : degrees) {
    *to++ = std::cos(angle * std::numbers::pi / 180);
    *to++ = std::sin(angle * std::numbers::pi / 180);
  }
  return vectors;
}

}  // namespace

extern "C" {

const void* result() { return left.data(); }
std::size_t result_size() { return left.size(); }

// Chapter 4. How much a pixel of the output of `layers` convolutions, kernel x kernel, all of their weights the same and
// of sum 1, depends on each pixel of the input of side x side: float64 [side,side], the gradient.
int receptive_field(int side, int layers, int kernel, int row, int column) {
  return call([&] {
    const auto weight = Tensor<double>::full({kernel, kernel, 1, 1}, 1.0 / (kernel * kernel));
    const auto x = Tensor<double>::zeros({1, side, side, 1}).set_requires_grad(true);
    Tape<double> tape;
    Tensor<double> y = x;
    for (int i = 0; i < layers; ++i) y = conv2d(y, weight, {}, {.padding = kernel / 2});
    auto dy = Tensor<double>::zeros(y.shape());
    dy.mutable_data()[row * side + column] = 1;
    const Tensor<double> dx = tape.backward(y, dy).of(x);
    leave<double>(dx.values());
  });
}

// The picture: RGBA, 8 bits.
int draw_picture() {
  return call([&] { leave<std::uint8_t>(picture().pixels); });
}
int width() { return static_cast<int>(picture_width); }
int height() { return static_cast<int>(picture_height); }

// Chapter 10. The patches of 16 x 16 that are nearest to that round a place: float64 [count,3], row, column, distance.
int search(int row, int column, int count) {
  return call([&] {
    const Image image = picture();
    Tensor<double> x({1, image.height, image.width, 3});
    for (Index i = 0; i < x.size(); ++i)
      x.mutable_data()[i] = image.pixels[static_cast<std::size_t>(i / 3 * 4 + i % 3)] / 127.5 - 1;
    const auto matches = patch_search(x, patch_centers({{0, row, column}}), {.count = count});
    for (Index k = 0; k < count; ++k) {
      const PatchCenter center = matches.centers(k);
      leave<double>(std::array{static_cast<double>(center.row), static_cast<double>(center.column),
                               matches.distances(0, k)});
    }
  });
}

// Chapter 11. A query at an angle in degrees among five keys, the first of which is its own, at a temperature: float64, the
// angles of the keys, their softmax, the loss, and the gradient of the query with its sign turned, two numbers.
int contrast(double degrees, double temperature) {
  return call([&] {
    constexpr std::array angles{90.0, 55.0, 150.0, 215.0, 330.0};
    constexpr auto count = static_cast<Index>(angles.size());
    const Tensor<double> keys = directions(angles);
    std::array<double, angles.size()> places = angles;  // every other query is at its key
    places[0] = degrees;
    const auto queries = directions(places).set_requires_grad(true);
    Tape<double> tape;
    const Tensor<double> loss = patch_nce(queries, keys, temperature);
    const Tensor<double> gradient = tape.backward(loss).of(queries);

    Tensor<double> distances({1, count}), choices = Tensor<double>::zeros({count, count});
    for (Index k = 0; k < count; ++k) {
      distances.mutable_data()[k] = -(queries(0, 0) * keys(k, 0) + queries(0, 1) * keys(k, 1));
      choices.mutable_data()[k * count + k] = 1;  // the mean of these is the weights
    }
    const Tensor<double> softmax = soft_match(distances, choices, temperature);
    leave<double>(angles);
    leave<double>(softmax.values());
    leave<double>(std::array{-std::log(softmax(0, 0)), -gradient(0, 0), -gradient(0, 1)});
  });
}

// Chapter 13. The picture in rain: RGBA, 8 bits. Units as in RainOptions; the same seed gives the same drops.
int rain(double angle, double length, double width, double density, double brightness, double veil,
         int seed) {
  return call([&] {
    const RainOptions options{.angle = angle,
                              .length = length,
                              .width = width,
                              .density = density,
                              .brightness = brightness,
                              .veil = veil};
    Random random(static_cast<std::uint64_t>(seed));
    const Tensor<float> layer = render_rain(picture_height, picture_width, options, random);
    leave<std::uint8_t>(add_rain(picture(), layer, options).pixels);
  });
}

}  // extern "C"
