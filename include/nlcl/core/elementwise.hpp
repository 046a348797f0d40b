// A function of each element, on all threads or on a CUDA device.
//
// The function takes values, not places: they are read before it decides anything, and so the loop can be
// vectorised even where the function chooses between two of them. One that is to run on a CUDA device too is a
// struct derived from MapFunction whose operator() is NLCL_BOTH, named in its op's .cuh.
#pragma once

#include <concepts>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "nlcl/core/device.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/tensor.hpp"

namespace nlcl {

struct MapFunction {};

struct Plus : MapFunction {
  template <class T>
  NLCL_BOTH T operator()(T a, T b) const {
    return a + b;
  }
};

namespace cuda {
template <class F>
Tensor<float> map(const Tensor<float>& x, const F& f);
template <class F>
Tensor<float> map(const Tensor<float>& a, const Tensor<float>& b, const F& f);
template <class F>
void update(Tensor<float>& y, const Tensor<float>& x, const F& f);

struct Addition {
  float* sum;
  const float* term;
  std::int64_t size;
};
// sum += term for each of them, which have different sums.
void add(Device device, const std::vector<Addition>& additions);
}  // namespace cuda

// y = f(x), of x's shape.
template <class T, class F>
Tensor<T> map(const Tensor<T>& x, const F& f) {
  if constexpr (on_cuda<T> && std::derived_from<F, MapFunction>)
    if (x.device().is_cuda()) return cuda::map(x, f);
  require<DeviceError>(!x.device().is_cuda(), "map: a function of the CPU, x is on ", x.device());
  Tensor<T> y(x.shape());
  const T* const from = x.data();
  T* const to = y.mutable_data();
  parallel_blocks(y.size(), elements_per_task, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] = f(from[i]);
  });
  return y;
}

// y = f(a, b), a and b of one shape.
template <class T, class F>
Tensor<T> map(const Tensor<T>& a, const Tensor<T>& b, const F& f) {
  require<ShapeError>(a.shape() == b.shape(), "map: shapes ", a.shape(), " and ", b.shape());
  require<DeviceError>(a.device() == b.device(), "map: devices ", a.device(), " and ", b.device());
  if constexpr (on_cuda<T> && std::derived_from<F, MapFunction>)
    if (a.device().is_cuda()) return cuda::map(a, b, f);
  require<DeviceError>(!a.device().is_cuda(), "map: a function of the CPU, a is on ", a.device());
  Tensor<T> y(a.shape());
  const T *const left = a.data(), *const right = b.data();
  T* const to = y.mutable_data();
  parallel_blocks(y.size(), elements_per_task, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] = f(left[i], right[i]);
  });
  return y;
}

// y = f(y, x) in place, y and x of one shape.
template <class T, class F>
void update(Tensor<T>& y, const Tensor<T>& x, const F& f) {
  require<ShapeError>(y.shape() == x.shape(), "update: shapes ", y.shape(), " and ", x.shape());
  require<DeviceError>(y.device() == x.device(), "update: devices ", y.device(), " and ", x.device());
  if constexpr (on_cuda<T> && std::derived_from<F, MapFunction>)
    if (y.device().is_cuda()) return cuda::update(y, x, f);
  require<DeviceError>(!y.device().is_cuda(), "update: a function of the CPU, y is on ", y.device());
  const T* const from = x.data();
  T* const to = y.mutable_data();
  parallel_blocks(y.size(), elements_per_task, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) to[i] = f(to[i], from[i]);
  });
}

// sum += term, of one shape; or sum = term where it is empty yet. The sum is made in place where nobody else can see its
// storage, in a copy elsewhere. Throws as update().
template <class T>
void add_to(Tensor<T>& sum, Tensor<T> term) {
  if (!sum) {
    sum = std::move(term);
    return;
  }
  if (!sum.is_sole_owner()) sum = sum.clone();
  update(sum, term, Plus{});
}

// Sums as add_to() makes them, to the bit. On a CUDA device they are made when finish() is called, all in few launches;
// until then each is its first term.
template <class T>
class DeferredSums {
 public:
  void add(Tensor<T>& sum, Tensor<T> term) {
    if (!sum || !term.device().is_cuda()) return add_to(sum, std::move(term));
    if (!sums_.contains(sum.identity()) && !sum.is_sole_owner()) sum = sum.clone();
    sums_.insert(sum.identity());
    additions_.emplace_back(sum, std::move(term));
    if (additions_.size() == 4096)
      finish();  // a thousand parameters have fewer, and a chain of sums has no end
  }

  void finish() {
    if constexpr (on_cuda<T>)
      while (!additions_.empty()) {  // first the second terms of all, then the third
        const Device device = additions_.front().first.device();
        std::vector<cuda::Addition> round;
        std::vector<std::pair<Tensor<T>, Tensor<T>>> rest;
        sums_.clear();
        for (auto& [sum, term] : additions_)
          if (sums_.insert(sum.identity()).second)
            round.push_back({sum.mutable_data(), term.data(), term.size()});
          else
            rest.emplace_back(sum, term);
        cuda::add(device, round);
        additions_ = std::move(rest);
      }
    sums_.clear();
  }

 private:
  std::vector<std::pair<Tensor<T>, Tensor<T>>> additions_;  // in their order
  std::set<const void*> sums_;                              // of them, by identity
};

}  // namespace nlcl
