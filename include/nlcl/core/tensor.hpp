// The tensor: a handle to a shape and a shared storage. Values are contiguous, channels last.
//
// Copying a tensor copies the handle; `clone()` copies the values. Reading goes through `data()`, writing
// through `mutable_data()`, which counts a version: this is how a backward notices that values it saved have
// been overwritten.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <type_traits>

#include "nlcl/core/cuda.hpp"
#include "nlcl/core/device.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/core/storage.hpp"

namespace nlcl {

// Which entry of which tape computed a tensor. Only the tape reads or writes it.
struct TapeSlot {
  std::uint64_t tape = 0;  // 0: none
  std::size_t index = 0;
};

template <class T = float>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using Scalar = T;

  // No tensor at all: an optional input that is absent, a gradient that nobody asked for.
  Tensor() = default;

  // Uninitialised values.
  explicit Tensor(const Shape& shape, Device device = Device::cpu())
      : shape_(shape), storage_(std::make_shared<Storage>(bytes_of(shape), device)) {}

  // Values in row-major order. Throws ShapeError unless there are exactly shape.size() of them.
  Tensor(const Shape& shape, std::span<const T> values) : Tensor(shape) {
    require<ShapeError>(static_cast<Index>(values.size()) == shape.size(), "tensor: ", values.size(),
                        " values for shape ", shape);
    std::copy(values.begin(), values.end(), mutable_data());
  }
  Tensor(const Shape& shape, std::initializer_list<T> values)
      : Tensor(shape, std::span<const T>(values.begin(), values.size())) {}

  static Tensor full(const Shape& shape, T value, Device device = Device::cpu()) {
    Tensor result(shape, device);
    if constexpr (has_cuda)
      if (device.is_cuda()) {
        cuda::fill(result.mutable_data(), &value, sizeof(T), result.size(), device.index);
        return result;
      }
    std::fill_n(result.mutable_data(), result.size(), value);
    return result;
  }
  static Tensor zeros(const Shape& shape, Device device = Device::cpu()) { return full(shape, T{}, device); }
  static Tensor scalar(T value) { return full({}, value); }

  explicit operator bool() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Index size() const { return storage_ ? shape_.size() : 0; }
  Device device() const { return storage_ ? storage_->device() : Device::cpu(); }

  // Where the values begin: on a CUDA device an address that only the device can read.
  const T* data() const { return storage_ ? static_cast<const T*>(storage_->data()) + offset_ : nullptr; }
  T* mutable_data() { return storage_ ? static_cast<T*>(storage_->mutable_data()) + offset_ : nullptr; }

  // Throws DeviceError for a tensor that is not on the CPU.
  std::span<const T> values() const {
    require_on_cpu("values");
    return {data(), static_cast<std::size_t>(size())};
  }

  // The single value of a tensor of one element, on whatever device. Throws ShapeError for any other size.
  T item() const {
    require<ShapeError>(size() == 1, "item: expects one element, the shape is ", shape_);
    return *to(Device::cpu()).data();
  }

  // The value at one position; throws ShapeError outside the shape, DeviceError off the CPU. For tests and
  // teaching, not for inner loops.
  template <std::convertible_to<Index>... At>
  T operator()(At... at) const {
    const std::array<Index, sizeof...(At)> position{static_cast<Index>(at)...};
    require<ShapeError>(static_cast<int>(position.size()) == shape_.rank(), "tensor: ", position.size(),
                        " indices for shape ", shape_);
    require_on_cpu("tensor(...)");
    Index offset = 0;
    for (int axis = 0; axis < shape_.rank(); ++axis) {
      const Index i = position[static_cast<std::size_t>(axis)];
      require<ShapeError>(i >= 0 && i < shape_[axis], "tensor: index ", i, " on axis ", axis, " of ", shape_);
      offset = offset * shape_[axis] + i;
    }
    return data()[offset];
  }

  // The same values under another shape of the same size (shared, not copied; off the tape).
  Tensor reshaped(const Shape& shape) const {
    require<ShapeError>(storage_ && shape.size() == shape_.size(), "reshaped: ", shape_, " to ", shape);
    Tensor result = detached();
    result.shape_ = shape;
    return result;
  }

  // Rows first .. first + count - 1 of the first axis (shared, not copied; off the tape).
  Tensor part(Index first, Index count) const {
    require<ShapeError>(
        storage_ && shape_.rank() > 0 && first >= 0 && count >= 0 && first <= shape_[0] - count,
        "part: ", count, " rows from ", first, " on of a tensor of shape ", shape_);
    Tensor result = detached();
    result.shape_ = shape_.with_first(count);
    if (shape_[0] > 0) result.offset_ += first * (shape_.size() / shape_[0]);
    return result;
  }

  // The same values in a storage of their own, as a constant.
  Tensor clone() const { return copied_to(device()); }

  // The same values on `device`, as a constant: a handle to them where they are there already, else a copy.
  Tensor to(Device device) const { return this->device() == device ? detached() : copied_to(device); }

  // Overwrites the values with those of `other`, of the same shape and on whatever device.
  void assign(const Tensor& other) {
    require<ShapeError>(storage_ && other.storage_ && shape_ == other.shape_, "assign: shapes ", shape_,
                        " and ", other.shape_);
    if constexpr (has_cuda)
      if (device().is_cuda() || other.device().is_cuda())
        return cuda::copy(mutable_data(), device(), other.data(), other.device(), bytes_of(shape_));
    std::copy_n(other.data(), size(), mutable_data());
  }

  // The same values as a constant: no gradient flows through the result.
  Tensor detached() const {
    Tensor result = *this;
    result.slot_ = {};
    result.requires_grad_ = false;
    return result;
  }

  // A tensor whose gradient is wanted: a parameter, or an input under test.
  bool requires_grad() const { return requires_grad_; }
  Tensor& set_requires_grad(bool wanted) {
    requires_grad_ = wanted;
    return *this;
  }

  std::uint64_t version() const { return storage_ ? storage_->version() : 0; }
  bool shares_storage(const Tensor& other) const { return storage_ && storage_ == other.storage_; }
  const void* identity() const { return storage_.get(); }
  bool is_sole_owner() const { return storage_.use_count() == 1; }

  TapeSlot slot() const { return slot_; }
  void set_slot(TapeSlot slot) { slot_ = slot; }

 private:
  Tensor copied_to(Device device) const {
    if (!storage_) return {};
    Tensor result(shape_, device);
    result.assign(*this);
    return result;
  }

  void require_on_cpu(const char* what) const {
    require<DeviceError>(!device().is_cuda(), what, ": the tensor is on ", device(),
                         ", copy it with to(Device::cpu())");
  }

  static std::size_t bytes_of(const Shape& shape) {
    require<MemoryError>(static_cast<std::size_t>(shape.size()) <= PTRDIFF_MAX / sizeof(T),
                         "memory: a tensor of shape ", shape, " has more bytes than can be addressed");
    return static_cast<std::size_t>(shape.size()) * sizeof(T);
  }

  Shape shape_{0};
  std::shared_ptr<Storage> storage_;
  Index offset_ = 0;  // of the first value in the storage
  TapeSlot slot_;
  bool requires_grad_ = false;
};

// The rows of `a` and then those of `b`, along the first axis, as a constant. Throws ShapeError where the other axes differ,
// and DeviceError for tensors on two devices.
template <class T>
Tensor<T> concatenate(const Tensor<T>& a, const Tensor<T>& b) {
  require<ShapeError>(a && b && a.shape().rank() > 0 && a.shape().with_first(0) == b.shape().with_first(0),
                      "concatenate: shapes ", a.shape(), " and ", b.shape());
  require<DeviceError>(a.device() == b.device(), "concatenate: devices ", a.device(), " and ", b.device());
  const Index rows = a.shape()[0];
  Tensor<T> both(a.shape().with_first(rows + b.shape()[0]), a.device());
  both.part(0, rows).assign(a);
  both.part(rows, b.shape()[0]).assign(b);
  return both;
}

}  // namespace nlcl
