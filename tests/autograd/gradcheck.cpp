// The check itself must be able to fail.
#include "nlcl/autograd/gradcheck.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/errors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

using Doubles = Tensor<double>;

// a * b^3, element by element. `wrong` is called on both gradients before they are returned.
template <class Wrong>
struct Cubic {
  static constexpr std::string_view name = "cubic";
  Wrong wrong;
  Doubles a, b;

  Doubles forward(const Doubles& x, const Doubles& y) {
    a = x, b = y;
    Doubles result(x.shape());
    for (Index i = 0; i < x.size(); ++i) result.mutable_data()[i] = x.data()[i] * std::pow(y.data()[i], 3);
    return result;
  }
  std::array<Doubles, 2> backward(const Doubles& dy, const Wanted<2>&) const {
    Doubles da(a.shape()), db(b.shape());
    for (Index i = 0; i < dy.size(); ++i) {
      da.mutable_data()[i] = dy.data()[i] * std::pow(b.data()[i], 3);
      db.mutable_data()[i] = dy.data()[i] * 3 * a.data()[i] * std::pow(b.data()[i], 2);
    }
    wrong(da, db);
    return {da, db};
  }
};

template <class Wrong>
GradcheckResult check_cubic(Wrong wrong) {
  const Doubles a({4}, {1, -2, 0.5, 3}), b({4}, {2, 1, -1, 0.25});
  const auto f = [&](const std::vector<Doubles>& in) {
    return apply(Cubic<Wrong>{wrong, {}, {}}, in[0], in[1]);
  };
  return gradcheck(f, {a, b});
}

}  // namespace

TEST_CASE("gradcheck accepts a right gradient", "[autograd]") {
  CHECK(check_cubic([](Doubles&, Doubles&) {}).worst < 1e-9);
}

TEST_CASE("gradcheck finds one wrong number, and where", "[autograd]") {
  for (Index element = 0; element < 4; ++element) {
    const auto result = check_cubic([&](Doubles&, Doubles& db) { db.mutable_data()[element] += 1e-3; });
    CHECK(result.worst > 1e-5);
    CHECK(result.input == 1);
    CHECK(result.element == element);
    CHECK(result.analytic - result.numeric == Approx(1e-3));
  }
}

TEST_CASE("gradcheck finds a wrong sign and a wrong factor", "[autograd]") {
  const auto scaled = [](double factor) {
    return check_cubic([=](Doubles& da, Doubles&) {
      for (Index i = 0; i < da.size(); ++i) da.mutable_data()[i] *= factor;
    });
  };
  CHECK(scaled(-1).worst > 0.1);
  CHECK(scaled(0).worst > 0.1);
  CHECK(scaled(1.001).worst > 1e-5);
  CHECK(scaled(1.001).input == 0);
}

TEST_CASE("to gradcheck, NaN is as wrong as can be", "[autograd]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (Index element = 0; element < 4; ++element)
    CHECK_FALSE(check_cubic([&](Doubles& da, Doubles&) { da.mutable_data()[element] = nan; }).worst < 1);
}

TEST_CASE("gradcheck refuses a gradient of another shape", "[autograd]") {
  CHECK(message_of<ShapeError>([] {
          check_cubic([](Doubles&, Doubles& db) { db = db.reshaped({2, 2}); });
        }) == "backward: a gradient of shape [2,2] for a value of shape [4]");
}

TEST_CASE("gradcheck refuses a gradient that is missing", "[autograd]") {
  CHECK_THROWS_AS(check_cubic([](Doubles&, Doubles& db) { db = {}; }), ShapeError);
}

TEST_CASE("gradcheck leaves its inputs alone", "[autograd]") {
  const Doubles a({2}, {1, 2}), b({2}, {3, 4});
  const auto version = a.version();
  const auto nothing = [](Doubles&, Doubles&) {};
  gradcheck(
      [&](const auto& in) {
        return apply(Cubic<decltype(nothing)>{nothing, {}, {}}, in[0], in[1]);
      },
      {a, b});
  CHECK(a.version() == version);
  CHECK_FALSE(a.requires_grad());
}
