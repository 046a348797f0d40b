// The weight of a convolution in the order in which its lanes read it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "nlcl/core/block.cuh"
#include "nlcl/core/slots.cuh"
#include "nlcl/core/tensor.hpp"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d/formats.cuh"
#include "nlcl/ops/conv2d/packed_weights.hpp"
#include "nlcl/ops/conv2d/shape.cuh"

namespace nlcl::cuda {

// In shared memory a pixel has planes of four slots, 16 words: 16 channels, or 32 in bf16. The weight of a plane, a
// tap and 32 output channels is a panel of 128 slots, in the order in which lanes read it:
//
//     tensor cores   [2 halves][2 instructions][8 groups][4 members]: a lane's slot is its part of A for an instruction,
//                    of output channels 4 * group + 2 * instruction and the next one, words 4 * member + 2 * half and
//                    the next one of the plane: the channel is the faster of the two
//     float32        [16 channels][8 slots of output channels]
inline constexpr int panel_slots = 128;

struct Packing {
  int planes, taps, across;  // across: panels side by side in a block
  bool windows;              // taps is 1, and the channels are the numbers of a window

  friend bool operator==(const Packing&, const Packing&) = default;
};

// What is packed, and where.
struct PackSlot {
  const float* weight;
  uint4* to;          // [out / (32 * across)][planes][taps][across] panels, zeros where weight has nothing
  Conv2dShape shape;  // of which the sizes of the weight matter
  Packing packing;
  Precision precision;
  int size;  // in slots of 16 bytes
};

template <class Format>
__device__ void pack_weight(const PackSlot& what, int slot) {
  const Conv2dShape& s = what.shape;
  const Packing& p = what.packing;
  int panel = slot / panel_slots;
  const int side = panel % p.across;
  panel /= p.across;
  const int tap = panel % p.taps;
  panel /= p.taps;
  const int plane = panel % p.planes, first = (panel / p.planes * p.across + side) * 32;
  const int channels = p.windows ? s.depth() : s.in;

  const auto value = [&](int c, int o) {
    const bool exists = c < channels && o < s.out;
    return exists ? what.weight[s.weight_place(tap * channels + c, o)] : 0.0f;
  };
  int within = slot % panel_slots;
  uint4 packed;
  if constexpr (Format::on_tensor_cores) {  // neighbouring threads take neighbouring output channels
    const int o = within % 16 * 2, member = within / 16 % 4, half = within / 64;
    const auto word = [&](int j, int k) {
      const int c = (plane * 16 + member * 4 + half * 2 + j) * Format::pair;
      return Format::word(value(c, first + o + k), Format::pair == 2 ? value(c + 1, first + o + k) : 0.0f);
    };
    packed = {word(0, 0), word(0, 1), word(1, 0), word(1, 1)};
    within = ((half * 2 + o / 2 % 2) * 8 + o / 4) * 4 + member;
  } else {
    Vector<4> v;
    NLCL_UNROLL
    for (int k = 0; k < 4; ++k) v[k] = value(plane * 16 + within / 8, first + within % 8 * 4 + k);
    packed = slot_of_channels<Format>(v);
  }
  what.to[slot / panel_slots * panel_slots + within] = packed;
}

__global__ void pack_weights(SlotTable<PackSlot> weights) {
  weights.each([](const PackSlot& what, std::int64_t slot) {
    switch (what.precision) {
      case Precision::float32:
        pack_weight<Float32>(what, static_cast<int>(slot));
        break;
      case Precision::tf32:
        pack_weight<Tf32>(what, static_cast<int>(slot));
        break;
      case Precision::bf16:
        pack_weight<Bf16>(what, static_cast<int>(slot));
        break;
    }
  });
}

// A weight, and the orders in which it has been asked for: forward, and turned.
struct PackedWeight {
  struct Order {
    PackSlot how;
    Tensor<float> panels;
    bool is_current = false;
  };
  Tensor<float> weight;
  std::uint64_t version;  // that the current ones have
  std::vector<Order> orders{};

  explicit PackedWeight(const Tensor<float>& of) : weight(of.detached()), version(of.version()) {}

  void expire() {
    for (Order& order : orders) order.is_current = false;
  }
  void expire_if_changed() {
    if (std::exchange(version, weight.version()) != version) expire();
  }

  Order& order(const PackSlot& how) {
    for (Order& known : orders)
      if (known.how.shape.turned == how.shape.turned && known.how.precision == how.precision &&
          known.how.packing == how.packing)
        return known;
    orders.push_back({how, Tensor<float>({how.size, 4}, weight.device())});
    return orders.back();
  }
};

// Packs what is not current.
inline void pack(Device device, std::vector<PackedWeight>& weights) {
  std::vector<PackSlot> slots;
  for (PackedWeight& packed : weights)
    for (PackedWeight::Order& order : packed.orders) {
      if (std::exchange(order.is_current, true)) continue;
      order.how.weight = packed.weight.data();
      order.how.to = reinterpret_cast<uint4*>(order.panels.mutable_data());
      slots.push_back(order.how);
    }
  launch_slots<pack_weights>(device, slots);
}

struct PackedWeights::Table {
  std::vector<PackedWeight> weights;
  std::uint64_t use = 0;

  void begin(std::uint64_t new_use) {
    if (std::exchange(use, new_use) == new_use) return;
    std::erase_if(weights, [](const PackedWeight& packed) { return packed.weight.is_sole_owner(); });
    for (PackedWeight& packed : weights) packed.expire();
  }
  PackedWeight& find(const Tensor<float>& weight) {
    for (PackedWeight& known : weights)
      if (known.weight.identity() == weight.identity()) return known;
    return weights.emplace_back(weight);
  }
};

// The panels of a weight, packed now or kept (see PackedWeights).
inline Tensor<float> packed_panels(const Tensor<float>& weight, const PackSlot& how) {
  PackedWeights* const kept = PackedWeights::current();
  const auto table = kept && kept->table() ? kept->table() : std::make_shared<PackedWeights::Table>();
  if (kept) kept->table() = table, table->begin(kept->uses());
  PackedWeight& packed = table->find(weight);
  packed.expire_if_changed();
  const PackedWeight::Order& order = packed.order(how);
  if (!order.is_current) {
    for (PackedWeight& other : table->weights) other.expire_if_changed();
    pack(weight.device(), table->weights);
  }
  return order.panels;
}

}  // namespace nlcl::cuda
