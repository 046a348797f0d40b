// The tape: records operations while it lives, then walks them backward.
//
//     Tape<float> tape;                                   // from here, operations on parameters are recorded
//     Tensor loss = mean_squared_error(net(x), target);
//     Gradients grads = tape.backward(loss);
//     step(weight, grads.of(weight));
//
// Operations enter in the order of execution, and an operation can only use what exists already. The order of
// recording, reversed, is therefore an order in which every gradient is complete before it is passed on. One
// loop, no recursion.
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nlcl/core/elementwise.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

// What backward() found: one gradient for each leaf, that is for each tensor with requires_grad(), and for each that the
// tape was told to retain.
template <class T>
class Gradients {
 public:
  // Throws TapeError if the loss does not depend on `leaf`.
  const Tensor<T>& of(const Tensor<T>& leaf) const {
    const auto found = table_.find(leaf.identity());
    require<TapeError>(found != table_.end(), "gradients: the loss does not depend on this tensor of shape ",
                       leaf.shape());
    return found->second.gradient;
  }
  bool has(const Tensor<T>& leaf) const { return table_.contains(leaf.identity()); }
  std::size_t size() const { return table_.size(); }

  void insert(const Tensor<T>& leaf, Tensor<T> gradient) {
    table_.insert_or_assign(leaf.identity(), Row{leaf, std::move(gradient)});
  }

  // The gradients of a sum of losses, each from a tape of its own.
  void add(const Gradients& other) {
    for (const auto& [identity, row] : other.table_) {
      const auto [mine, is_new] = table_.emplace(identity, row);
      if (!is_new) add_to(mine->second.gradient, row.gradient);
    }
  }

 private:
  struct Row {
    Tensor<T> leaf;  // kept so that its identity stays its own
    Tensor<T> gradient;
  };
  std::unordered_map<const void*, Row> table_;
};

// A tensor kept for the backward pass, with the version that it had.
template <class T>
class Saved {
 public:
  Saved() = default;
  Saved(const Tensor<T>& tensor)
      : tensor_(tensor.detached()), version_(tensor.version()) {}  // NOLINT: as a value

  // Throws TapeError if the values have been written to since they were saved.
  const Tensor<T>& get() const {
    require<TapeError>(tensor_.version() == version_, "backward: a tensor of shape ", tensor_.shape(),
                       " that it needs was changed in place after the forward pass (version ",
                       tensor_.version(), ", saved at ", version_, ")");
    return tensor_;
  }
  const Shape& shape() const { return tensor_.shape(); }

 private:
  Tensor<T> tensor_;
  std::uint64_t version_ = 0;
};

// Which inputs of an operation need a gradient; backward() returns an empty tensor for the others.
template <std::size_t N>
using Wanted = std::array<bool, N>;

// Whether an operation gives an empty tensor for an input because its gradient is zero whatever arrives. It says so by
//     static constexpr Wanted<2> zero_gradients{false, true};
template <class Op>
constexpr bool is_zero_gradient(std::size_t input) {
  if constexpr (requires { Op::zero_gradients; }) return Op::zero_gradients[input];
  return false;
}

// An operation: forward(inputs...) computes and keeps what backward needs; backward(dy, wanted) returns one
// gradient for each input. One without a backward does not compile.
template <class Op, class T, std::size_t N>
concept Differentiable = requires(const Op op, const Tensor<T>& dy, const Wanted<N>& wanted) {
  { Op::name } -> std::convertible_to<std::string_view>;
  { op.backward(dy, wanted) } -> std::same_as<std::array<Tensor<T>, N>>;
};

// While it lives, operations of its thread are not recorded.
class NoGrad {
 public:
  NoGrad() { ++depth_; }
  ~NoGrad() { --depth_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
  static bool active() { return depth_ > 0; }

 private:
  inline static thread_local int depth_ = 0;
};

template <class T>
class Tape {
 public:
  Tape() : enclosing_(std::exchange(current_, this)) {}
  ~Tape() { current_ = enclosing_; }
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // The innermost tape of this thread; null without one, and under NoGrad.
  static Tape* current() { return NoGrad::active() ? nullptr : current_; }

  // The gradient that arrives at `x` will be among those that backward() returns. Throws TapeError if `x` was not computed
  // on this tape from any that needs a gradient.
  void retain(const Tensor<T>& x) {
    const auto entry = find(x);
    require<TapeError>(entry != constant,
                       "retain: the tensor was not computed on this tape from any that needs a gradient");
    entries_[entry].retained = x;
  }

  // Gradients of a loss of one element.
  Gradients<T> backward(const Tensor<T>& loss) {
    require<ShapeError>(loss.size() == 1, "backward: the loss has shape ", loss.shape(),
                        ", expected one element (or give the gradient that arrives at it)");
    return backward(loss, Tensor<T>::full(loss.shape(), T{1}, loss.device()));
  }

  // Gradients of sum(y * dy). The walk frees what operations saved as it goes, so it can be made once.
  Gradients<T> backward(const Tensor<T>& y, const Tensor<T>& dy) {
    require<TapeError>(!walked_, "backward: this tape has been walked already, record the pass again");
    require<ShapeError>(y.shape() == dy.shape(), "backward: y has shape ", y.shape(), ", its gradient ",
                        dy.shape());
    require<DeviceError>(y.device() == dy.device(), "backward: y is on ", y.device(), ", its gradient on ",
                         dy.device());
    const auto start = find(y);
    require<TapeError>(start != constant,
                       "backward: the tensor was not computed on this tape from any that needs a gradient");
    walked_ = true;

    std::vector<Tensor<T>> gradients(entries_.size()), zeros;
    std::vector<bool> is_reached(entries_.size());
    gradients[start] = dy.detached();
    is_reached[start] = true;
    Gradients<T> result;
    DeferredSums<T> of_leaves;
    for (std::size_t i = entries_.size(); i-- > 0;) {
      Entry entry = std::move(entries_[i]);  // freed at the end of this turn
      if (!is_reached[i]) continue;
      Tensor<T> gradient = std::move(gradients[i]);
      if (!gradient) gradient = zeros_of(entry.shape, dy.device(), zeros);
      if (entry.retained) result.insert(entry.retained, gradient);
      if (entry.leaf)
        result.insert(entry.leaf, gradient);
      else
        entry.backward(gradient, [&](std::size_t input, Tensor<T> d) {
          is_reached[input] = true;
          if (!d) return;
          require<ShapeError>(d.shape() == entries_[input].shape, "backward: a gradient of shape ", d.shape(),
                              " for a value of shape ", entries_[input].shape);
          if (entries_[input].leaf)
            of_leaves.add(gradients[input], std::move(d));
          else
            add_to(gradients[input], std::move(d));
        });
    }
    of_leaves.finish();
    entries_.clear();
    return result;
  }

  // For apply(): runs `op` and records it if any input needs a gradient.
  template <class Op, std::size_t N>
  Tensor<T> record(Op op, const std::array<const Tensor<T>*, N>& inputs, const auto& run_forward) {
    std::array<std::size_t, N> sources;
    Wanted<N> wanted;
    bool any = false;
    for (std::size_t i = 0; i < N; ++i) {
      sources[i] = source(*inputs[i]);
      wanted[i] = sources[i] != constant;
      any |= wanted[i];
    }
    Tensor<T> y = run_forward(op);
    if (!any) return y;
    require<TapeError>(!walked_, Op::name, ": this tape has been walked already, start another");
    Entry entry;
    entry.shape = y.shape();
    entry.backward = [op = std::move(op), sources, wanted](const Tensor<T>& dy, const Receiver& receive) {
      auto gradients = op.backward(dy, wanted);
      for (std::size_t i = 0; i < N; ++i)
        if (wanted[i]) {
          require<ShapeError>(gradients[i] || is_zero_gradient<Op>(i), "backward: ", Op::name,
                              " gives no gradient for its input ", i);
          receive(sources[i], std::move(gradients[i]));
        }
    };
    y.set_slot({id_, entries_.size()});
    entries_.push_back(std::move(entry));
    return y;
  }

 private:
  using Receiver = std::function<void(std::size_t input, Tensor<T> gradient)>;
  struct Entry {
    Shape shape;         // of the value
    Tensor<T> leaf;      // set for a leaf, which has no backward
    Tensor<T> retained;  // set if its gradient is asked for
    std::function<void(const Tensor<T>&, const Receiver&)> backward;
  };
  static constexpr std::size_t constant = static_cast<std::size_t>(-1);

  // The entry that computed `x`, or `constant`.
  std::size_t find(const Tensor<T>& x) const {
    if (!x) return constant;
    if (x.slot().tape == id_) return x.slot().index;
    const auto leaf = leaves_.find(x.identity());
    return x.requires_grad() && leaf != leaves_.end() ? leaf->second : constant;
  }

  // The same for an input of an operation: a leaf enters the tape when it is first used.
  std::size_t source(const Tensor<T>& x) {
    const std::size_t known = find(x);
    if (known != constant || !x) return known;
    require<TapeError>(x.slot().tape == 0, "tape: a tensor of shape ", x.shape(),
                       " comes from another tape; use detached() if it is meant as a constant");
    if (!x.requires_grad()) return constant;
    Entry entry;
    entry.shape = x.shape();
    entry.leaf = x;
    leaves_.emplace(x.identity(), entries_.size());
    entries_.push_back(std::move(entry));
    return entries_.size() - 1;
  }

  // One for all that have a shape: nobody writes to it.
  static const Tensor<T>& zeros_of(const Shape& shape, Device device, std::vector<Tensor<T>>& known) {
    for (const Tensor<T>& zeros : known)
      if (zeros.shape() == shape) return zeros;
    return known.emplace_back(Tensor<T>::zeros(shape, device));
  }

  inline static std::atomic<std::uint64_t> next_id_ = 1;
  inline static thread_local Tape* current_ = nullptr;

  std::uint64_t id_ = next_id_++;
  Tape* enclosing_;
  std::vector<Entry> entries_;
  std::unordered_map<const void*, std::size_t> leaves_;  // by identity
  bool walked_ = false;
};

// The device of an op's inputs, those that are there. Throws DeviceError unless they are all on one, and for
// anything but float on a CUDA device.
template <class T>
Device common_device(std::string_view op, std::initializer_list<const Tensor<T>*> inputs) {
  const Tensor<T>* first = nullptr;
  for (const Tensor<T>* input : inputs) {
    if (!*input) continue;
    if (!first) first = input;
    require<DeviceError>(input->device() == first->device(), op, ": inputs on ", first->device(), " and ",
                         input->device());
  }
  const Device device = first ? first->device() : Device::cpu();
  require<DeviceError>(on_cuda<T> || !device.is_cuda(), op, ": on ", device, " it takes float only");
  return device;
}

// Runs `op` on its inputs, and records it if a tape is there and any input needs a gradient.
template <class Op, class T, std::same_as<Tensor<T>>... Rest>
requires Differentiable<Op, T, 1 + sizeof...(Rest)> Tensor<T> apply(Op op, const Tensor<T>& first,
                                                                    const Rest&... rest) {
  common_device<T>(Op::name, {&first, &rest...});
  const auto forward = [&](Op& running) { return running.forward(first, rest...); };
  if (auto* tape = Tape<T>::current())
    return tape->template record<Op, 1 + sizeof...(Rest)>(std::move(op), {&first, &rest...}, forward);
  return forward(op);
}

}  // namespace nlcl
