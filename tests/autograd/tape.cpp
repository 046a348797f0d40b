#include "nlcl/autograd/tape.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <thread>

#include "nlcl/ops/scale.hpp"
#include "nlcl/ops/sum.hpp"
#include "support/cuda.hpp"
#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

using Doubles = Tensor<double>;

Doubles leaf(std::initializer_list<double> values) {
  return Doubles({static_cast<Index>(values.size())}, values).set_requires_grad(true);
}

// a * b, element by element. Both are saved.
struct Product {
  static constexpr std::string_view name = "product";
  Saved<double> a, b;

  static Doubles multiplied(const Doubles& x, const Doubles& y) {
    Doubles result(x.shape());
    for (Index i = 0; i < x.size(); ++i) result.mutable_data()[i] = x.data()[i] * y.data()[i];
    return result;
  }
  Doubles forward(const Doubles& x, const Doubles& y) {
    a = x, b = y;
    return multiplied(x, y);
  }
  std::array<Doubles, 2> backward(const Doubles& dy, const Wanted<2>& wanted) const {
    return {wanted[0] ? multiplied(dy, b.get()) : Doubles(), wanted[1] ? multiplied(dy, a.get()) : Doubles()};
  }
};

// a + b: the gradients of both share the storage of dy.
struct Plus {
  static constexpr std::string_view name = "plus";
  Doubles forward(const Doubles& a, const Doubles& b) const {
    Doubles y(a.shape());
    for (Index i = 0; i < a.size(); ++i) y.mutable_data()[i] = a.data()[i] + b.data()[i];
    return y;
  }
  std::array<Doubles, 2> backward(const Doubles& dy, const Wanted<2>&) const { return {dy, dy}; }
};

// The sum of all elements.
struct Total {
  static constexpr std::string_view name = "total";
  Shape shape;
  Doubles forward(const Doubles& x) {
    shape = x.shape();
    double sum = 0;
    for (double value : x.values()) sum += value;
    return Doubles::scalar(sum);
  }
  std::array<Doubles, 1> backward(const Doubles& dy, const Wanted<1>&) const {
    return {Doubles::full(shape, dy.item())};
  }
};

// a, whatever b is.
struct First {
  static constexpr std::string_view name = "first";
  static constexpr Wanted<2> zero_gradients{false, true};
  Doubles forward(const Doubles& a, const Doubles&) const { return a.clone(); }
  std::array<Doubles, 2> backward(const Doubles& dy, const Wanted<2>&) const { return {dy, Doubles()}; }
};

Doubles product(const Doubles& a, const Doubles& b) { return apply(Product{}, a, b); }
Doubles first(const Doubles& a, const Doubles& b) { return apply(First{}, a, b); }
Doubles plus(const Doubles& a, const Doubles& b) { return apply(Plus{}, a, b); }
Doubles total(const Doubles& x) { return apply(Total{}, x); }

void check_values(const Doubles& x, std::initializer_list<double> expected) {
  CHECK(same_bits(x, Doubles({static_cast<Index>(expected.size())}, expected)));
}

// Ops that lack something.
struct NoBackward {
  static constexpr std::string_view name = "no backward";
  Doubles forward(const Doubles& x) { return x; }
};
struct NoName {
  Doubles forward(const Doubles& x) { return x; }
  std::array<Doubles, 1> backward(const Doubles& dy, const Wanted<1>&) const { return {dy}; }
};
struct BackwardThatWrites {
  static constexpr std::string_view name = "backward that writes";
  Doubles forward(const Doubles& x) { return x; }
  std::array<Doubles, 1> backward(const Doubles& dy, const Wanted<1>&) { return {dy}; }
};

static_assert(Differentiable<Product, double, 2>);
static_assert(Differentiable<Total, double, 1>);
static_assert(!Differentiable<NoBackward, double, 1>);
static_assert(!Differentiable<NoName, double, 1>);
static_assert(!Differentiable<BackwardThatWrites, double, 1>);
static_assert(!Differentiable<Product, double, 1>, "one gradient for each input");
static_assert(!Differentiable<Total, double, 2>, "one gradient for each input");
static_assert(!Differentiable<Product, float, 2>, "gradients of the inputs' own type");

template <class Op>
concept CanApply = requires(Op op, const Doubles& x) {
  apply(op, x);
};
static_assert(CanApply<Total>);
static_assert(!CanApply<NoBackward>, "an op without a backward does not compile");

}  // namespace

TEST_CASE("gradients of a product", "[autograd]") {
  const Doubles a = leaf({2, 3}), b = leaf({5, 7});
  Tape<double> tape;
  const Doubles loss = total(product(a, b));
  CHECK(loss.item() == 31);
  const auto gradients = tape.backward(loss);
  CHECK(gradients.size() == 2);
  check_values(gradients.of(a), {5, 7});
  check_values(gradients.of(b), {2, 3});
}

TEST_CASE("the gradient that arrives is given", "[autograd]") {
  const Doubles a = leaf({2, 3}), b = leaf({5, 7});
  Tape<double> tape;
  const auto gradients = tape.backward(product(a, b), Doubles({2}, {10, 100}));
  check_values(gradients.of(a), {50, 700});
}

TEST_CASE("a gradient on the way is kept where it is asked for", "[autograd]") {
  const Doubles x = leaf({2, 3});
  Tape<double> tape;
  const Doubles square = product(x, x), cube = product(square, x), other = product(square, square);
  tape.retain(square);
  const auto gradients = tape.backward(total(plus(cube, other)));
  CHECK(gradients.size() == 2);
  CHECK_FALSE(gradients.has(cube));
  check_values(gradients.of(square),
               {2 + 2 * 4, 3 + 2 * 9});  // all that arrives: x of the one, 2 x^2 of the other
  check_values(gradients.of(x), {3 * 4 + 4 * 8, 3 * 9 + 4 * 27});

  CHECK(message_of<TapeError>([&] { Tape<double>().retain(leaf({1})); }) ==
        "retain: the tensor was not computed on this tape from any that needs a gradient");
}

TEST_CASE("a tensor used by several ops gets the sum of their gradients", "[autograd]") {
  const Doubles x = leaf({2, 3});
  Tape<double> tape;
  const Doubles square = product(x, x);     // dx = 2x
  const Doubles cube = product(square, x);  // dx = 3x^2
  const Doubles all = plus(plus(square, cube), x);
  const auto gradients = tape.backward(total(all));
  CHECK(gradients.size() == 1);
  check_values(gradients.of(x), {2 * 2 + 3 * 4 + 1, 2 * 3 + 3 * 9 + 1});
}

TEST_CASE("a tensor twice in one op", "[autograd]") {
  const Doubles x = leaf({2, 3});
  Tape<double> tape;
  const Doubles dy({2}, {1, 10});
  const auto gradients = tape.backward(plus(x, x), dy);
  check_values(gradients.of(x), {2, 20});
  check_values(dy, {1, 10});  // the caller's own
}

TEST_CASE("adding gradients changes none that is shared", "[autograd]") {
  const Doubles a = leaf({1}), b = leaf({1}), c = leaf({1});
  Tape<double> tape;
  const Doubles ab = plus(a, b);
  const Doubles y = plus(plus(ab, c), plus(a, ab));  // 3a + 2b + c; every op hands its dy on as it is
  const auto gradients = tape.backward(y, Doubles({1}, {1}));
  check_values(gradients.of(a), {3});
  check_values(gradients.of(b), {2});
  check_values(gradients.of(c), {1});
}

TEST_CASE("a handle to a leaf is the same leaf", "[autograd]") {
  const Doubles x = leaf({3});
  const Doubles handle = x;
  Tape<double> tape;
  const auto gradients = tape.backward(product(x, handle));
  CHECK(gradients.size() == 1);
  check_values(gradients.of(handle), {6});
}

TEST_CASE("constants get no gradients", "[autograd]") {
  const Doubles x = leaf({2}), constant({1}, {5});
  Tape<double> tape;
  const auto gradients = tape.backward(product(product(x, constant), x.detached()));
  CHECK(gradients.size() == 1);
  CHECK_FALSE(gradients.has(constant));
  check_values(gradients.of(x), {10});
}

TEST_CASE("leaves that the loss does not depend on", "[autograd]") {
  const Doubles x = leaf({2}), never = leaf({3}), elsewhere = leaf({4, 4});
  Tape<double> tape;
  const Doubles other = product(elsewhere, elsewhere);
  const auto gradients = tape.backward(product(x, x));
  CHECK(gradients.has(x));
  CHECK_FALSE(gradients.has(never));
  CHECK_FALSE(gradients.has(elsewhere));
  CHECK(message_of<TapeError>([&] { gradients.of(elsewhere); }) ==
        "gradients: the loss does not depend on this tensor of shape [2]");
}

TEST_CASE("a loss that is an op in the middle, or a leaf", "[autograd]") {
  const Doubles x = leaf({3});
  SECTION("middle") {
    Tape<double> tape;
    const Doubles square = product(x, x), later = product(square, square);
    check_values(tape.backward(square).of(x), {6});
  }
  SECTION("leaf") {
    Tape<double> tape;
    const Doubles square = product(x, x);
    check_values(tape.backward(x).of(x), {1});
  }
}

TEST_CASE("without a tape nothing is recorded", "[autograd]") {
  const Doubles x = leaf({3});
  const Doubles y = product(x, x);
  CHECK(y.slot().tape == 0);
  CHECK(x.is_sole_owner());  // nor kept
  Tape<double> tape;
  CHECK(message_of<TapeError>([&] { tape.backward(y); }) ==
        "backward: the tensor was not computed on this tape from any that needs a gradient");
}

TEST_CASE("from constants nothing is recorded", "[autograd]") {
  const Doubles x({1}, {3});
  Tape<double> tape;
  CHECK(product(x, x).slot().tape == 0);
  CHECK(x.is_sole_owner());
}

TEST_CASE("under NoGrad nothing is recorded", "[autograd]") {
  const Doubles x = leaf({3});
  Tape<double> tape;
  CHECK(Tape<double>::current() == &tape);
  Doubles constant;
  {
    const NoGrad outer;
    {
      const NoGrad inner;
      CHECK(NoGrad::active());
    }
    CHECK(NoGrad::active());
    CHECK(Tape<double>::current() == nullptr);
    constant = product(x, x);
  }
  CHECK_FALSE(NoGrad::active());
  CHECK(constant.slot().tape == 0);
  check_values(tape.backward(product(constant, x)).of(x), {9});
}

TEST_CASE("values changed in place after the forward pass", "[autograd]") {
  Doubles x = leaf({3, 4}), constant({2}, {5, 6});
  Tape<double> tape;
  const Doubles loss = total(product(x, constant));
  SECTION("that the backward needs") {
    constant.mutable_data()[0] = 1;
    CHECK(message_of<TapeError>([&] { tape.backward(loss); }) ==
          "backward: a tensor of shape [2] that it needs was changed in place after the forward pass "
          "(version 2, saved at 1)");
  }
  SECTION("that it does not need") {
    x.mutable_data()[0] = 1;
    check_values(tape.backward(loss).of(x), {5, 6});
  }
}

TEST_CASE("a parameter may be changed after the backward pass", "[autograd]") {
  Doubles x = leaf({3});
  for (double expected : {6.0, 4.0, 2.0}) {
    Tape<double> tape;
    check_values(tape.backward(product(x, x)).of(x), {expected});
    x.mutable_data()[0] -= 1;
  }
}

TEST_CASE("the innermost tape records", "[autograd]") {
  const Doubles x = leaf({3});
  Tape<double> outer;
  const Doubles square = product(x, x);
  {
    Tape<double> inner;
    CHECK(Tape<double>::current() == &inner);
    const Doubles y = product(x, x.detached());
    CHECK(y.slot().tape != square.slot().tape);
    check_values(inner.backward(y).of(x), {3});
  }
  CHECK(Tape<double>::current() == &outer);
  check_values(outer.backward(product(square, x)).of(x), {27});
}

TEST_CASE("tapes of another number type do not interfere", "[autograd]") {
  const Doubles x = leaf({3});
  Tape<double> tape;
  Tape<float> other;
  CHECK(Tape<double>::current() == &tape);
  CHECK(Tape<float>::current() == &other);
  check_values(tape.backward(product(x, x)).of(x), {6});
}

TEST_CASE("a tensor of another tape", "[autograd]") {
  const Doubles x = leaf({3});
  const std::string message =
      "tape: a tensor of shape [1] comes from another tape; use detached() if it is meant as a constant";
  auto first = std::make_unique<Tape<double>>();
  const Doubles y = product(x, x);
  SECTION("that encloses this one") {
    Tape<double> inner;
    CHECK(message_of<TapeError>([&] { product(y, x); }) == message);
    CHECK(message_of<TapeError>([&] { inner.backward(y); }) ==
          "backward: the tensor was not computed on this tape from any that needs a gradient");
  }
  SECTION("that is gone") {
    first.reset();
    Tape<double> second;
    CHECK(message_of<TapeError>([&] { product(x, y); }) == message);
    check_values(second.backward(product(x, y.detached())).of(x), {9});
  }
}

TEST_CASE("a tape is walked once", "[autograd]") {
  const Doubles x = leaf({3});
  Tape<double> tape;
  const Doubles y = product(x, x);
  tape.backward(y);
  CHECK(message_of<TapeError>([&] { tape.backward(y); }) ==
        "backward: this tape has been walked already, record the pass again");
  CHECK(message_of<TapeError>([&] { product(y, x); }) ==
        "product: this tape has been walked already, start another");
  CHECK(message_of<TapeError>([&] { product(x, x); }) ==
        "product: this tape has been walked already, start another");
}

TEST_CASE("the walk frees what the ops have saved", "[autograd]") {
  const Doubles x = leaf({3});
  Doubles constant({1}, {5});
  Tape<double> tape;
  const Doubles y = product(x, constant);
  CHECK_FALSE(constant.is_sole_owner());
  tape.backward(y);
  CHECK(constant.is_sole_owner());
}

TEST_CASE("gradients outlive the tape and their leaf's handle", "[autograd]") {
  Gradients<double> gradients;
  Doubles x = leaf({3});
  {
    Tape<double> tape;
    gradients = tape.backward(product(x, x));
  }
  check_values(gradients.of(x), {6});
  x = leaf({4});  // another leaf, which cannot have the storage of the first
  CHECK_FALSE(gradients.has(x));
}

TEST_CASE("gradients of several tapes are added up", "[autograd]") {
  const Doubles x = leaf({3}), y = leaf({5});
  const auto gradients = [](const auto& loss) {
    Tape<double> tape;
    return tape.backward(loss());
  };
  auto sum = gradients([&] { return product(x, x); });
  const auto other = gradients([&] { return plus(product(x, y), y); });
  sum.add(other);
  CHECK(sum.size() == 2);
  check_values(sum.of(x), {6 + 5});
  check_values(sum.of(y), {3 + 1});
  sum.add(other);
  check_values(sum.of(y), {2 * (3 + 1)});
  check_values(other.of(x), {5});  // as it was
  check_values(other.of(y), {4});
}

TEST_CASE("a loss of several elements", "[autograd]") {
  const Doubles x = leaf({2, 3});
  Tape<double> tape;
  const Doubles y = product(x, x);
  CHECK(message_of<ShapeError>([&] { tape.backward(y); }) ==
        "backward: the loss has shape [2], expected one element (or give the gradient that arrives at it)");
  CHECK(message_of<ShapeError>([&] { tape.backward(y, Doubles::zeros({3})); }) ==
        "backward: y has shape [2], its gradient [3]");
  check_values(tape.backward(y, Doubles({2}, {1, 1})).of(x), {4, 6});  // refused before the walk
}

TEST_CASE("a chain of many ops needs no deep stack", "[autograd]") {
  const int length = 200'000;
  const Doubles x = leaf({1}), one({1}, {1});
  SECTION("to walk") {
    Tape<double> tape;
    Doubles y = x;
    for (int i = 0; i < length; ++i) y = i % 2 ? product(y, one) : plus(y, x);
    CHECK(y(0) == length / 2 + 1);
    check_values(tape.backward(y).of(x), {length / 2 + 1});
  }
  SECTION("to forget") {
    Tape<double> tape;
    Doubles y = x;
    for (int i = 0; i < length; ++i) y = product(y, one);
    CHECK(y(0) == 1);
  }
}

TEST_CASE("every thread has its own tape", "[autograd]") {
  const Doubles x = leaf({3});
  Tape<double> tape;
  const Doubles y = product(x, x);
  Doubles elsewhere;
  double gradient = 0;
  std::thread([&] {
    elsewhere = product(x, x);  // no tape here
    Tape<double> own;
    gradient = own.backward(product(x, x.detached())).of(x)(0);
  }).join();
  CHECK(elsewhere.slot().tape == 0);
  CHECK(gradient == 3);
  check_values(tape.backward(y).of(x), {6});
}

TEST_CASE("inputs on two devices", "[autograd]") {
  if (!cuda_is_there()) return;
  const Tensor<float> here({1}, {3}), there = here.to(cuda_device);
  CHECK(message_of<DeviceError>([&] { sum(here, there); }) == "sum: inputs on cpu and cuda:0");
  CHECK(message_of<DeviceError>([&] { sum(there, here); }) == "sum: inputs on cuda:0 and cpu");
  CHECK(message_of<DeviceError>([&] { map(here, there, nlcl::Plus{}); }) == "map: devices cpu and cuda:0");
}

TEST_CASE("a CUDA device computes in float only", "[autograd]") {
  if (!cuda_is_there()) return;
  const Doubles x = Doubles({1}, {3}).to(cuda_device);
  CHECK(message_of<DeviceError>([&] { sum(x, x); }) == "sum: on cuda:0 it takes float only");
}

TEST_CASE("gradients are added on their device", "[autograd]") {
  if (!cuda_is_there()) return;
  Tensor<float> x = Tensor<float>({1}, {3}).to(cuda_device);
  x.set_requires_grad(true);
  const auto gradients = [&](double factor) {
    Tape<float> tape;
    return tape.backward(sum(sum(x, x), scale(x, factor)));  // the loss's own gradient is on its device too
  };
  Gradients<float> total = gradients(5);
  CHECK(total.of(x).device() == cuda_device);
  CHECK(total.of(x).item() == 7);
  total.add(gradients(10));
  CHECK(total.of(x).item() == 7 + 12);

  Tape<float> tape;
  const Tensor<float> y = sum(x, x);
  CHECK(message_of<DeviceError>([&] { tape.backward(y, Tensor<float>({1}, {1})); }) ==
        "backward: y is on cuda:0, its gradient on cpu");
}

TEST_CASE("an operation that gives no gradient gives zero", "[autograd]") {
  const Doubles a = leaf({2, 3}), b = leaf({5, 7}), c = leaf({1, 4}), unused = leaf({1});
  Tape<double> tape;
  const Gradients<double> gradients = tape.backward(total(first(a, product(b, c))));
  check_values(gradients.of(a), {1, 1});
  check_values(gradients.of(b), {0, 0});  // through the product
  check_values(gradients.of(c), {0, 0});
  CHECK_FALSE(gradients.has(unused));
  Tape<double> other;
  check_values(other.backward(total(plus(first(a, b), product(b, c)))).of(b), {1, 4});
}

TEST_CASE("the gradients of leaves on a device are the sums of the CPU", "[autograd]") {
  if (!cuda_is_there()) return;
  Random random(2);
  const Tensor<float> values[] = {random_tensor<float>({300}, random), random_tensor<float>({7}, random)};
  const auto gradients_on = [&](Device on) {
    Tensors<float> leaves, gradients;
    for (const Tensor<float>& v : values) leaves.push_back(v.to(on).clone().set_requires_grad(true));
    for (const Tensor<float>& x : leaves) {
      Tape<float> tape;
      Tensor<float> y = sum(x, x);
      for (int i = 0; i < 5; ++i) y = sum(scale(y, 0.3), scale(x, 0.7));
      const Gradients<float> found = tape.backward(y, Tensor<float>::full(y.shape(), 0.1f, on));
      gradients.push_back(found.of(x).to(Device::cpu()));
    }
    return gradients;
  };
  const Tensors<float> here = gradients_on(Device::cpu()), there = gradients_on(cuda_device);
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(same_bits(there[i], here[i]));
}
