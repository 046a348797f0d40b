#include "nlcl/core/matrix_view.hpp"

#include <catch2/catch.hpp>

using namespace nlcl;

TEST_CASE("a tensor seen as a matrix, and as groups of rows", "[core]") {
  Tensor<double> x({4, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const auto whole = detail::matrix(x), second = detail::matrix(x, 1, 2);
  CHECK(whole.data() == x.data());
  CHECK(whole.rows() == 4);
  CHECK(whole.cols() == 3);
  CHECK(whole(2, 1) == 8);
  CHECK(second.rows() == 2);
  CHECK(second(0, 1) == 8);

  const auto version = x.version();
  detail::mutable_matrix(x, 3, 4)(0, 2) = -1;
  CHECK(x(3, 2) == -1);
  CHECK(x.version() > version);
}
