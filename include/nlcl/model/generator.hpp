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
// the layers say only what to change. A checkpoint with a skip has the tensor `gen.skip`, so it is known by its
// file. In the same way `gen.tile` says that larger images are to be taken in squares of this side (see
// model/tiles.hpp); this is for inference, and nothing to the generator itself.
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

  // The outputs of the layers named in `taps` (ascending), computed no further than the last of them.
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

  bool has_skip() const { return static_cast<bool>(skip); }
  void set_skip(bool wanted) {
    skip = wanted ? Tensor<T>::full({1}, T{1}, head.weight.device()) : Tensor<T>();
  }

  // The side of the squares in which a plan takes larger images; 0: as they are. Throws FormatError if the file had
  // another number there than a side can be.
  Index tile() const {
    if (!tile_side) return 0;
    const T side = tile_side.to(Device::cpu()).item();
    require<FormatError>(side >= T{Tiling::smallest_side} && side <= T{Tiling::largest_side},
                         "generator: gen.tile is ", side, ", expected a side of ", Tiling::smallest_side,
                         " to ", Tiling::largest_side);
    return static_cast<Index>(side);
  }
  void set_tile(Index side) {
    tile_side = side > 0 ? Tensor<T>::full({1}, static_cast<T>(side), head.weight.device()) : Tensor<T>();
  }

  // A generator that says nothing yet: with a skip the output is then the input, without one it is zero.
  void clear_tail() {
    for (Tensor<T>* values : {&tail.weight, &tail.bias})
      values->assign(Tensor<T>::zeros(values->shape(), values->device()));
  }

  // For load_state(): a file with the tensor of the skip is for a generator with one, and so with the tile.
  void take_form(const auto& has_tensor) {
    set_skip(has_tensor("gen.skip"));
    set_tile(has_tensor("gen.tile") ? Tiling::smallest_side : 0);  // the number follows
  }

  // Names of the published checkpoint: gen.0.weight, gen.1.model.0.conv.weight, ..., gen.17.conv.3.bias,
  // gen.18.bias; then gen.skip and gen.tile, where they are.
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
    if (has_skip()) visit(gen + ".skip", skip);
    if (tile_side) visit(gen + ".tile", tile_side);
  }

  ConvLayer<T> head;
  std::vector<Pair> pairs;
  ConvLayer<T> tail;
  Tensor<T> skip;       // [1], the number 1 and no parameter; absent without a skip
  Tensor<T> tile_side;  // [1], no parameter either; absent without

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
    if (index <= residual_blocks)
      return residual_block(x, pair.first.weight, pair.first.bias, pair.second.weight, pair.second.bias);
    return pair.second(relu(instance_norm(pair.first(x))));
  }
};

}  // namespace nlcl
