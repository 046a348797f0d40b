// The shape of a tensor: up to six dimensions, outermost first. Images are [N,H,W,C].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <span>

#include "nlcl/core/error.hpp"

namespace nlcl {

using Index = std::ptrdiff_t;

class Shape {
 public:
  static constexpr int max_rank = 6;

  Shape() = default;  // rank 0: a scalar
  Shape(std::initializer_list<Index> dims) : Shape(std::span<const Index>(dims.begin(), dims.size())) {}

  // Throws ShapeError for more than six dimensions, a negative one, or a size beyond the index type.
  explicit Shape(std::span<const Index> dims) : rank_(static_cast<int>(dims.size())) {
    require<ShapeError>(dims.size() <= max_rank, "shape: rank ", dims.size(), ", at most ", int{max_rank},
                        " is supported");
    for (int i = 0; i < rank_; ++i) {
      const Index dim = dims[static_cast<std::size_t>(i)];
      require<ShapeError>(dim >= 0, "shape: dimension ", i, " is ", dim, ", expected 0 or more");
      require<ShapeError>(dim == 0 || size_ <= std::numeric_limits<Index>::max() / dim,
                          "shape: the number of elements overflows at dimension ", i, " of size ", dim);
      dims_[static_cast<std::size_t>(i)] = dim;
      size_ *= dim;
    }
  }

  int rank() const { return rank_; }
  Index size() const { return size_; }  // number of elements; 1 for a scalar

  Index operator[](int axis) const {
    require<ShapeError>(axis >= 0 && axis < rank_, "shape: axis ", axis, " of ", *this);
    return dims_[static_cast<std::size_t>(axis)];
  }

  // The same with another first dimension. Throws ShapeError for a scalar.
  Shape with_first(Index first) const {
    require<ShapeError>(rank_ > 0, "shape: a scalar has no first dimension");
    std::array<Index, max_rank> dims = dims_;
    dims[0] = first;
    return Shape(std::span<const Index>(dims.data(), static_cast<std::size_t>(rank_)));
  }

  const Index* begin() const { return dims_.data(); }
  const Index* end() const { return dims_.data() + rank_; }

  friend bool operator==(const Shape& a, const Shape& b) { return a.rank_ == b.rank_ && a.dims_ == b.dims_; }

  // [1,64,64,32]
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (int i = 0; i < shape.rank_; ++i) out << (i ? "," : "") << shape.dims_[static_cast<std::size_t>(i)];
    return out << ']';
  }

 private:
  int rank_ = 0;
  Index size_ = 1;
  std::array<Index, max_rank> dims_{};
};

}  // namespace nlcl
