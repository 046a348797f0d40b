// product: y = a b, element by element. da = b dy, db = a dy.
#pragma once

#include <array>
#include <string_view>

#include "nlcl/autograd/tape.hpp"
#include "nlcl/core/elementwise.hpp"

template <class T>
struct Product {
  static constexpr std::string_view name = "product";
  nlcl::Saved<T> a, b;

  nlcl::Tensor<T> forward(const nlcl::Tensor<T>& x, const nlcl::Tensor<T>& y) {
    nlcl::require<nlcl::ShapeError>(x.shape() == y.shape(), "product: a has shape ", x.shape(), ", b has ",
                                    y.shape());
    a = x, b = y;
    return nlcl::map(x, y, times);
  }

  std::array<nlcl::Tensor<T>, 2> backward(const nlcl::Tensor<T>& dy, const nlcl::Wanted<2>& wanted) const {
    std::array<nlcl::Tensor<T>, 2> gradients;
    if (wanted[0]) gradients[0] = nlcl::map(b.get(), dy, times);
    if (wanted[1]) gradients[1] = nlcl::map(a.get(), dy, times);
    return gradients;
  }

 private:
  static T times(T x, T y) { return x * y; }
};

// a and b of one shape -> their product, of that shape. Throws ShapeError where the shapes differ.
template <class T>
nlcl::Tensor<T> product(const nlcl::Tensor<T>& a, const nlcl::Tensor<T>& b) {
  return apply(Product<T>{}, a, b);
}
