// The discriminator: a 70x70 PatchGAN (Isola et al., CVPR 2017), here 84x84 since it is without aliasing (Zhang, ICML
// 2019), as in CUT (Park et al., ECCV 2020).
//
//     0           conv 4x4, 3 -> 64, padding 1         1         leaky ReLU 0.2      2   blur-down
//     3           conv 4x4, 64 -> 128                  4, 5      instance norm, leaky ReLU      6   blur-down
//     7           conv 4x4, 128 -> 256                 8, 9      instance norm, leaky ReLU     10   blur-down
//     11          conv 4x4, 256 -> 512                 12, 13    instance norm, leaky ReLU
//     14          conv 4x4, 512 -> 1                   one verdict for each patch of the image
//
// The layer contrast compares features of four taps: the image itself, the output of 1, and those of 3 and 7,
// before their norm.
#pragma once

#include <string>
#include <vector>

#include "nlcl/nn/conv_layer.hpp"
#include "nlcl/ops/blur_down.hpp"
#include "nlcl/ops/instance_norm.hpp"
#include "nlcl/ops/leaky_relu.hpp"

namespace nlcl {

template <class T = float>
class Discriminator {
 public:
  static constexpr int taps = 4;
  static constexpr Index tap_channels[taps] = {3, 64, 128, 256};

  struct Output {
    Tensor<T> verdict;                // [N,h,w,1]
    std::vector<Tensor<T>> features;  // of the taps
  };

  // `gain`: of the initial weights (Xavier normal). With the method's 0.02 the first thousand steps go by before
  // the norms see more than their eps; a short run is better off with 0.4.
  explicit Discriminator(Random& random, double gain = 0.02)
      : convs{conv(3, 64, gain, random), conv(64, 128, gain, random), conv(128, 256, gain, random),
              conv(256, 512, gain, random), conv(512, 1, gain, random)} {}
  explicit Discriminator(Random&& random = Random(0), double gain = 0.02) : Discriminator(random, gain) {}

  // x [N,H,W,3], sides of at least 24 pixels -> verdicts, 30 x 30 of them for 256 x 256. Throws ShapeError.
  Tensor<T> operator()(const Tensor<T>& x) const { return run(x).verdict; }

  // The verdict and the features of the taps, in one pass.
  Output run(const Tensor<T>& x) const {
    Output output{{}, features(x)};
    Tensor<T> y = blur_down(norm_relu(output.features.back()));
    output.verdict = convs[4](norm_relu(convs[3](y)));
    return output;
  }

  // The features of the taps alone, [N,h,w,C] with C of tap_channels; nothing above the last of them is computed.
  std::vector<Tensor<T>> features(const Tensor<T>& x) const {
    const Tensor<T> first = leaky_relu(convs[0](x));
    const Tensor<T> second = convs[1](blur_down(first));
    const Tensor<T> third = convs[2](blur_down(norm_relu(second)));
    return {x, first, second, third};
  }

  // Names of the published code: model.0.weight, ..., model.14.bias
  void parameters(const std::string& prefix, const auto& visit) {
    constexpr const char* index[] = {"0", "3", "7", "11", "14"};
    for (std::size_t i = 0; i < convs.size(); ++i)
      convs[i].parameters(join_name(prefix, "model") + "." + index[i], visit);
  }

  std::vector<ConvLayer<T>> convs;

 private:
  static ConvLayer<T> conv(Index in, Index out, double gain, Random& random) {
    return {in, out, 4, {.padding = 1}, random, Init::xavier_normal(gain)};
  }
  static Tensor<T> norm_relu(const Tensor<T>& x) { return instance_norm(x, instance_norm_eps, 0.2); }
};

}  // namespace nlcl
