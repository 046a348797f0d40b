// The generator of NLCL (Ye et al., CVPR 2022; Chang et al., TPAMI 2024): one for the clean layer, one for
// the rain layer.
//
//     0       conv 3x3, 3 -> 32
//     1..16   residual block: conv 3x3, instance norm, ReLU, conv 3x3, instance norm, + the block's input
//     17      conv 3x3, instance norm, ReLU, conv 3x3
//     18      conv 3x3, 32 -> 3
//
// No down-sampling, no bound on the output: it takes any height and width. 316,195 parameters.
//
// That is the method's generator, and its norms take brightness and contrast of every image away: what colours
// the output has, the network must say by heart. With a skip from the input to the output, which is ours,
//
//     y = x + layers(x)        layer 18 begins at zero
//
// the layers say only what to change. The skip is the generator's form and no parameter: a file with the number
// `gen.skip` is for a generator with one. In the same way `gen.norm_free` says that there are no norms: every pixel of
// the output is then made of the 73 x 73 pixels around it, by the same numbers in an image of any size. And `gen.tile`
// says that larger images are to be taken in squares of this side, since norms know the statistics of no others (see
// model/tiles.hpp); this is for inference, and nothing to the layers.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/model/tiles.hpp"
#include "nlcl/nn/conv_layer.hpp"
#include "nlcl/ops/instance_norm.hpp"
#include "nlcl/ops/relu.hpp"
#include "nlcl/ops/residual_block.hpp"
#include "nlcl/ops/sum.hpp"

namespace nlcl {

template <class T = float>
class Generator {
 public:
  static constexpr Index image_channels = 3;
  static constexpr Index channels = 32;
  static constexpr int residual_blocks = 16;
  static constexpr int layers = residual_blocks + 3;  // the indices of the table above

  // The two convolutions of layers 1 to 17.
  struct Pair {
    ConvLayer<T> first, second;
  };

  // Initial weights are drawn in the order of the layers.
  explicit Generator(Random& random)
      : head(image_channels, channels, 3, same, random),
        pairs(make_pairs(random)),
        tail(channels, image_channels, 3, same, random) {}
  explicit Generator(Random&& random = Random(0)) : Generator(random) {}

  // x [N,H,W,3] in [-1,1] -> [N,H,W,3], unbounded. Throws ShapeError for other than 3 channels.
  Tensor<T> operator()(const Tensor<T>& x) const { return encode(x, {layers - 1}).front(); }

  // x [N,H,W,3] -> the outputs of the layers named in `taps`, indices of the table above that ascend: [N,H,W,32] each,
  // of layer 18 [N,H,W,3], with the skip if there is one. Computed no further than the last of them. Throws ShapeError
  // for other than 3 channels, and for taps that do not ascend within 0 to 18.
  std::vector<Tensor<T>> encode(const Tensor<T>& x, const std::vector<int>& taps) const {
    require<ShapeError>(!taps.empty() && std::is_sorted(taps.begin(), taps.end()) && taps.front() >= 0 &&
                            taps.back() < layers,
                        "encode: taps must ascend within 0 to ", layers - 1);
    std::vector<Tensor<T>> outputs;
    Tensor<T> y = x;
    for (int i = 0; i <= taps.back(); ++i) {
      y = layer(i, y);
      if (i == layers - 1 && has_skip()) y = sum(y, x);
      for (int tap : taps)
        if (tap == i) outputs.push_back(y);
    }
    return outputs;
  }

  bool has_skip() const { return skip_; }
  void set_skip(bool wanted) { skip_ = wanted; }

  bool is_norm_free() const { return norm_free_; }
  void set_norm_free(bool wanted) { norm_free_ = wanted; }

  // The side of the squares in which a plan takes larger images; 0: as they are.
  Index tile() const { return tile_; }
  // Throws ShapeError for a side that no tile can have.
  void set_tile(Index side) {
    require<ShapeError>(side == 0 || (side >= Tiling::smallest_side && side <= Tiling::largest_side),
                        "generator: tile is ", side, ", expected 0, or a side of ", Tiling::smallest_side,
                        " to ", Tiling::largest_side);
    tile_ = side;
  }

  // A generator that says nothing yet: with a skip the output is then the input, without one it is zero.
  void clear_tail() {
    for (Tensor<T>* values : {&tail.weight, &tail.bias})
      values->assign(Tensor<T>::zeros(values->shape(), values->device()));
  }

  // Names of the published checkpoint: gen.0.weight, gen.1.model.0.conv.weight, ..., gen.17.conv.3.bias,
  // gen.18.bias.
  void parameters(const std::string& prefix, const auto& visit) {
    const std::string gen = join_name(prefix, "gen");
    head.parameters(gen + ".0", visit);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const bool residual = i < residual_blocks;
      const std::string pair = gen + "." + std::to_string(i + 1);
      pairs[i].first.parameters(pair + (residual ? ".model.0.conv" : ".conv.0"), visit);
      pairs[i].second.parameters(pair + (residual ? ".model.1.conv" : ".conv.3"), visit);
    }
    tail.parameters(gen + ".18", visit);
  }

  // gen.skip and gen.norm_free, which are 1, and gen.tile, the side.
  void form(const std::string& prefix, const auto& visit) {
    const std::string gen = join_name(prefix, "gen");
    visit(gen + ".skip", skip_, 1, 1);
    visit(gen + ".norm_free", norm_free_, 1, 1);
    visit(gen + ".tile", tile_, Tiling::smallest_side, Tiling::largest_side);
  }

  ConvLayer<T> head;
  std::vector<Pair> pairs;
  ConvLayer<T> tail;

 private:
  static constexpr Conv2dOptions same{.padding = 1};

  static std::vector<Pair> make_pairs(Random& random) {
    const auto conv = [&] { return ConvLayer<T>(channels, channels, 3, same, random); };
    std::vector<Pair> pairs;
    for (int i = 0; i < residual_blocks + 1; ++i) {
      ConvLayer<T> first = conv();
      pairs.push_back({std::move(first), conv()});
    }
    return pairs;
  }

  Tensor<T> layer(int index, const Tensor<T>& x) const {
    if (index == 0) return head(x);
    if (index == layers - 1) return tail(x);
    const Pair& pair = pairs[static_cast<std::size_t>(index - 1)];
    const bool is_residual = index <= residual_blocks;
    if (norm_free_) {
      const Tensor<T> y = pair.second(relu(pair.first(x)));
      return is_residual ? sum(x, y) : y;
    }
    if (is_residual)
      return residual_block(x, pair.first.weight, pair.first.bias, pair.second.weight, pair.second.bias);
    return pair.second(relu(instance_norm(pair.first(x))));
  }

  bool skip_ = false, norm_free_ = false;
  Index tile_ = 0;
};

}  // namespace nlcl
