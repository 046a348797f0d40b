#include "nlcl/ops/patch_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/op_check.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

PatchSearchOptions options(const Attributes& a) {
  return {.count = a.value("count", 256), .patch = a.value("patch", 16), .window = a.value("window", 40)};
}

Tensor<PatchCenter> queries(const Attributes& a) {
  std::vector<PatchCenter> centers;
  for (const auto& q : a.at("queries"))
    centers.push_back({q.at(0).get<Index>(), q.at(1).get<Index>(), q.at(2).get<Index>()});
  return patch_centers(centers);
}

// body(offset of a, offset of b) for every element of two patches
void for_each_pair(const Shape& x, const PatchCenter& a, const PatchCenter& b, Index patch,
                   const auto& body) {
  const auto offset = [&](const PatchCenter& center, Index u, Index v, Index c) {
    return ((center.image * x[1] + center.row + u) * x[2] + center.column + v) * x[3] + c;
  };
  for (Index u = -patch / 2; u < patch / 2; ++u)
    for (Index v = -patch / 2; v < patch / 2; ++v)
      for (Index c = 0; c < x[3]; ++c) body(offset(a, u, v, c), offset(b, u, v, c));
}

struct Match {
  PatchCenter center;
  double distance;
};

// All candidates, nearest first and the query before all: every centre of the window whose patch, and one more row and column, are in the image.
std::vector<Match> all_matches(const Tensor<double>& x, const PatchCenter& query,
                               const PatchSearchOptions& o) {
  const Index half = o.patch / 2, radius = o.window / 2;
  std::vector<Match> matches;
  for (Index row = query.row - radius; row < query.row + radius; ++row)
    for (Index column = query.column - radius; column < query.column + radius; ++column) {
      if (row < half || row + half >= x.shape()[1] || column < half || column + half >= x.shape()[2])
        continue;
      const PatchCenter center{query.image, row, column};
      double square = 0;
      for_each_pair(x.shape(), query, center, o.patch,
                    [&](Index a, Index b) { square += std::pow(x.data()[a] - x.data()[b], 2); });
      matches.push_back({center, center == query ? -1 : std::sqrt(square)});
    }
  std::stable_sort(matches.begin(), matches.end(),
                   [](const Match& a, const Match& b) { return a.distance < b.distance; });
  matches.front().distance = 0;
  return matches;
}

Pass<double> oracle(const Tensors<double>& inputs, const Tensor<double>& dy, const Attributes& attributes) {
  const Tensor<double>& x = inputs[0];
  const PatchSearchOptions o = options(attributes);
  Tensor<double> y(dy.shape()), dx = Tensor<double>::zeros(x.shape());
  Index pair = 0;
  const auto all_queries = queries(attributes);
  for (const PatchCenter& query : all_queries.values()) {
    const std::vector<Match> matches = all_matches(x, query, o);
    for (Index k = 0; k < o.count; ++k, ++pair) {
      const Match& match = matches.at(static_cast<std::size_t>(k));
      y.mutable_data()[pair] = match.distance;
      if (match.distance == 0) continue;
      for_each_pair(x.shape(), query, match.center, o.patch, [&](Index a, Index b) {
        const double g = dy.data()[pair] * (x.data()[a] - x.data()[b]) / match.distance;
        dx.mutable_data()[a] += g;
        dx.mutable_data()[b] -= g;
      });
    }
  }
  return {y, {dx}};
}

Attributes attributes(const std::vector<std::vector<Index>>& queries, Index count, Index patch,
                      Index window) {
  return {{"queries", queries}, {"count", count}, {"patch", patch}, {"window", window}};
}

// A texture that repeats every 4 rows and 5 columns.
void repeated(Tensors<double>& inputs) {
  const auto x = writable(inputs[0]);
  const Shape& shape = inputs[0].shape();
  for (Index n = 0; n < shape[0]; ++n)
    for (Index i = 0; i < shape[1]; ++i)
      for (Index j = 0; j < shape[2]; ++j)
        for (Index c = 0; c < shape[3]; ++c) x(n, i, j, c) = x(n, i % 4, j % 5, c);
}

void constant(Tensors<double>& inputs) { std::fill_n(inputs[0].mutable_data(), inputs[0].size(), 0.3); }

// The first query is in the corner, so that a NaN there is seen.
std::vector<OpCase> cases() {
  std::vector<OpCase> all;
  const auto add = [&](OpCase c) { all.push_back(std::move(c)); };
  for (Index channels : {1, 3, 5, 32})
    add({.name = text("channels ", channels),
         .shapes = {{1, 9, 8, channels}},
         .attributes = attributes({{0, 2, 2}, {0, 4, 3}}, 6, 4, 6)});
  add({.name = "batch",
       .shapes = {{3, 8, 9, 2}},
       .attributes = attributes({{0, 1, 1}, {2, 6, 7}, {1, 3, 5}, {2, 3, 5}}, 7, 2, 6)});
  add({.name = "windows cut at every border",
       .shapes = {{1, 14, 17, 2}},
       .attributes = attributes({{0, 2, 2},
                                 {0, 2, 14},
                                 {0, 11, 2},
                                 {0, 11, 14},
                                 {0, 3, 8},
                                 {0, 10, 8},
                                 {0, 7, 3},
                                 {0, 7, 13},
                                 {0, 7, 8}},
                                9, 4, 6)});
  add({.name = "all candidates",
       .shapes = {{1, 10, 8, 2}},
       .attributes = attributes({{0, 2, 2}}, 20, 4, 10)});
  add({.name = "one query twice",
       .shapes = {{1, 8, 8, 1}},
       .attributes = attributes({{0, 2, 2}, {0, 2, 2}}, 5, 4, 6)});
  add({.name = "the query alone",
       .shapes = {{1, 6, 6, 2}},
       .attributes = attributes({{0, 2, 2}}, 1, 4, 2),
       .smooth = false});
  add({.name = "far from square",
       .shapes = {{1, 7, 30, 3}},
       .attributes = attributes({{0, 2, 2}, {0, 4, 27}}, 8, 4, 20)});
  add({.name = "published sizes",
       .shapes = {{1, 44, 60, 3}},
       .attributes = attributes({{0, 8, 8}, {0, 24, 31}}, 20, 16, 40)});
  // Copies of the query are at a distance of 0, which has no derivative.
  add({.name = "repeated texture",
       .shapes = {{1, 16, 18, 2}},
       .attributes = attributes({{0, 2, 2}, {0, 7, 8}}, 30, 4, 12),
       .adjust = repeated,
       .smooth = false});
  add({.name = "constant",
       .shapes = {{1, 9, 8, 2}},
       .attributes = attributes({{0, 2, 2}, {0, 4, 3}}, 9, 4, 6),
       .adjust = constant,
       .smooth = false});
  return all;
}

std::vector<OpError> errors() {
  const Shape x{2, 12, 15, 3};
  const auto sides = [](Index patch, Index window, Index count) {
    return text("patch_search: patch ", patch, ", window ", window, ", count ", count,
                ", expected even sides and at least one match");
  };
  const auto border = [](const std::string& query, Index image) {
    return text("patch_search: query ", query, " of image ", image,
                " is closer than half a patch to the border of x [2,12,15,3]");
  };
  std::vector<OpError> all;
  const auto add = [&](const Shape& shape, const Attributes& a, const std::string& message) {
    all.push_back({.shapes = {shape}, .attributes = a, .message = message});
  };
  add({12, 15, 3}, attributes({}, 1, 4, 6), "patch_search: x expects [N,H,W,C], is [12,15,3]");
  add({2, 12, 0, 3}, attributes({}, 1, 4, 6), "patch_search: x expects [N,H,W,C], is [2,12,0,3]");
  add(x, attributes({}, 1, 3, 6), sides(3, 6, 1));
  add(x, attributes({}, 1, 0, 6), sides(0, 6, 1));
  add(x, attributes({}, 1, 4, 5), sides(4, 5, 1));
  add(x, attributes({}, 1, 4, 0), sides(4, 0, 1));
  add(x, attributes({}, 0, 4, 6), sides(4, 6, 0));
  add(x, attributes({{0, 1, 5}}, 1, 4, 6), border("(1, 5)", 0));
  add(x, attributes({{0, 10, 5}}, 1, 4, 6), border("(10, 5)", 0));
  add(x, attributes({{1, 5, 1}}, 1, 4, 6), border("(5, 1)", 1));
  add(x, attributes({{1, 5, 13}}, 1, 4, 6), border("(5, 13)", 1));
  add(x, attributes({{2, 5, 5}}, 1, 4, 6), border("(5, 5)", 2));
  add(x, attributes({{-1, 5, 5}}, 1, 4, 6), border("(5, 5)", -1));
  add(x, attributes({{0, 5, 5}, {0, 2, 2}}, 10, 4, 6),
      "patch_search: 10 matches wanted, query (2, 2) has 9 candidates in x [2,12,15,3]");
  add({1, 16, 40, 3}, attributes({{0, 8, 20}}, 1, 16, 40),
      "patch_search: query (8, 20) of image 0 is closer than half a patch to the border of x [1,16,40,3]");
  return all;
}

}  // namespace

TEST_CASE("patch_search", "[ops]") {
  check_op({
      .inputs = {"x"},
      .call = [](const auto& in,
                 const Attributes& a) { return patch_search(in[0], queries(a), options(a)).distances; },
      .oracle = oracle,
      .golden = {"patch_search"},
      .cases = cases(),
      .errors = errors(),
  });
}

TEMPLATE_TEST_CASE("patch_search finds the patches that PyTorch finds", "[ops]", float, double) {
  const GoldenFile golden("patch_search");
  for (const std::string& name : golden.cases()) {
    CAPTURE(name);
    const Attributes a = golden.attributes(name);
    const auto x = converted<TestType>(golden.tensor(name + ".x"));
    const auto ids = golden.tensor(name + ".ids");  // [Q,K,2]
    const auto found = patch_search(x, queries(a), options(a)).centers;
    CHECK(same_bits(nearest_patches(x, queries(a), options(a)), found));
    REQUIRE(found.size() == ids.size() / 2);
    for (Index m = 0; m < found.size(); ++m) {
      CAPTURE(m);
      CHECK(static_cast<double>(found(m).row) == ids.data()[2 * m]);
      CHECK(static_cast<double>(found(m).column) == ids.data()[2 * m + 1]);
    }
  }
}

TEMPLATE_TEST_CASE("patch_search finds the query itself first", "[ops]", float, double) {
  Random random(1);
  const auto x = random_tensor<TestType>({2, 60, 50, 3}, random);
  const auto queries = patch_centers({{0, 8, 8}, {1, 30, 25}, {1, 51, 41}, {0, 16, 34}});
  const auto found = patch_search(x, queries);
  for (Index q = 0; q < queries.size(); ++q) {
    CHECK(found.centers(q * 256) == queries(q));
    CHECK(found.distances(q, 0) == 0);
    for (Index k = 1; k < 256; ++k) CHECK(found.distances(q, k) >= found.distances(q, k - 1));
  }
}

TEMPLATE_TEST_CASE("equal patches are found in row-major order", "[ops]", float, double) {
  const auto x = Tensor<TestType>::full({1, 30, 33, 3}, TestType{0.1f});
  const PatchSearchOptions o{.count = 40, .patch = 4, .window = 8};
  const PatchCenter query{0, 15, 16};  // candidate 4 * 8 + 4 of 64
  const auto found = nearest_patches(x, patch_centers({query}), o);
  CHECK(found(0) == query);
  for (Index k = 1; k < found.size(); ++k) {
    const Index i = k - (k <= 36 ? 1 : 0);
    CHECK(found(k) == PatchCenter{0, 11 + i / 8, 12 + i % 8});
  }
}

TEMPLATE_TEST_CASE("patches with what is not a number come last", "[ops]", float, double) {
  Random random(1);
  auto x = random_tensor<TestType>({1, 30, 33, 3}, random);
  x.mutable_data()[(10 * 33 + 12) * 3] = std::numeric_limits<TestType>::quiet_NaN();
  const PatchSearchOptions o{.count = 64, .patch = 4, .window = 8};
  const auto nearest = nearest_patches(x, patch_centers({{0, 15, 16}}), o);
  const auto found = nearest.values();
  const auto is_broken = [](const PatchCenter& c) { return c.row <= 12 && c.column <= 14; };  // 2 x 3 of them
  CHECK(std::ranges::count_if(found, is_broken) == 6);
  CHECK(std::all_of(found.end() - 6, found.end(), is_broken));
}

TEMPLATE_TEST_CASE("copies of the query are found after it, in row-major order", "[ops]", float, double) {
  Random random(1);
  Tensors<double> texture{random_tensor<double>({1, 24, 25, 3}, random)};
  repeated(texture);
  const PatchCenter query{0, 11, 12};
  const PatchSearchOptions o{.count = 60, .patch = 4, .window = 12};
  const auto expected = all_matches(texture[0], query, o);
  const auto found = patch_search(converted<TestType>(texture[0]), patch_centers({query}), o);
  CHECK(found.centers(0) == query);
  CHECK(found.centers(1) == PatchCenter{0, 7, 7});  // one period above and before the query
  for (Index k = 0; k < found.centers.size(); ++k) {
    CAPTURE(k);
    CHECK(found.centers(k) == expected[static_cast<std::size_t>(k)].center);
    CHECK((found.distances(0, k) == 0) == (k < 9));
  }
}

TEST_CASE("the candidates of a query are those of the published code", "[ops]") {
  const Index size = 64;
  struct Range {
    Index center, begin, end;
  };
  // The window is cut where its patches would leave the image, never moved.
  const Range ranges[] = {{8, 8, 28},   {16, 8, 36},  {27, 8, 47},  {28, 8, 48}, {29, 9, 49},
                          {36, 16, 56}, {37, 17, 56}, {48, 28, 56}, {55, 35, 56}};
  const auto x = Tensor<float>::zeros({1, size, size, 1});
  for (const Range& rows : ranges)
    for (const Range& columns : ranges) {
      const Index height = rows.end - rows.begin, width = columns.end - columns.begin;
      const auto query = patch_centers({{0, rows.center, columns.center}});
      CAPTURE(rows.center, columns.center);
      CHECK_THROWS_AS(nearest_patches(x, query, {.count = height * width + 1}), ShapeError);
      const auto all = nearest_patches(x, query, {.count = height * width});
      const auto place = [](const PatchCenter& c) { return std::pair(c.row, c.column); };
      const auto [first, last] = std::ranges::minmax(all.values(), {}, place);
      CHECK(first == PatchCenter{0, rows.begin, columns.begin});
      CHECK(last == PatchCenter{0, rows.end - 1, columns.end - 1});
    }
}

TEST_CASE("distances in float are those in double", "[ops]") {
  Random random(1);
  for (Index channels : {1, 3, 32}) {
    const auto x = random_tensor<double>({1, 60, 50, channels}, random);
    const auto queries = patch_centers({{0, 8, 8}, {0, 30, 25}});
    const auto found = patch_search(converted<float>(x), queries);
    const auto expected = patch_search(x, queries);
    CHECK(relative_difference(found.distances, expected.distances) <= 1e-6);
  }
}

TEST_CASE("patch_search without queries", "[ops]") {
  const auto found = patch_search(Tensor<float>::zeros({1, 20, 20, 3}), patch_centers({}), {.count = 5});
  CHECK(found.centers.shape() == Shape{0});
  CHECK(found.distances.shape() == Shape{0, 5});
}

TEST_CASE("patch_search wants its queries in a row", "[ops]") {
  const auto x = Tensor<float>::zeros({1, 20, 20, 3});
  const auto queries = patch_centers({{0, 8, 8}, {0, 9, 9}}).reshaped({2, 1});
  CHECK(message_of<ShapeError>([&] { nearest_patches(x, queries, {.count = 5}); }) ==
        "patch_search: queries expect [Q], are [2,1]");
}

TEST_CASE("patch_search notices matches that have changed before the backward", "[ops]") {
  Random random(1);
  const auto x = random_tensor<float>({1, 12, 15, 3}, random).set_requires_grad(true);
  Tape<float> tape;
  auto found = patch_search(x, patch_centers({{0, 4, 5}}), {.count = 5, .patch = 4, .window = 6});
  found.centers.mutable_data()[0].row = 5;
  CHECK_THROWS_AS(tape.backward(found.distances, found.distances), TapeError);
}

// Eighths: all sums are exact in float then, so that no order of summing can be told from another, and many
// candidates are equally near.
Tensor<float> eighths(const Shape& shape, Random& random) {
  auto x = random_tensor<float>(shape, random);
  for (Index i = 0; i < x.size(); ++i) x.mutable_data()[i] = std::round(8 * x.data()[i]) / 8;
  return x;
}

TEST_CASE("a CUDA device finds the patches that the CPU finds", "[ops]") {
  if (!cuda_is_there()) return;
  const Device cpu = Device::cpu(), cuda = cuda_device;
  const auto check = [&](const Tensor<float>& x, const Tensor<PatchCenter>& queries,
                         const PatchSearchOptions& o) {
    const auto expected = patch_search(x, queries, o);
    for (const Device device : {cpu, cuda}) {  // of the queries
      const auto found = patch_search(x.to(cuda), queries.to(device), o);
      CHECK(found.centers.device() == cuda);
      CHECK(same_bits(found.centers.to(cpu), expected.centers));
      CHECK(relative_difference(found.distances.to(cpu), expected.distances) <= 1e-6);
    }
  };
  Random random(1);
  const PatchSearchOptions small{.count = 40, .patch = 4, .window = 8};

  SECTION("the published sizes, two images") {
    const auto queries = patch_centers({{0, 8, 8}, {1, 30, 25}, {1, 51, 41}, {0, 16, 34}});
    check(eighths({2, 60, 50, 3}, random), queries, {});
    check(eighths({2, 60, 50, 8}, random), patch_centers({{1, 30, 25}}), {});
  }
  SECTION("many queries") {
    std::vector<PatchCenter> queries;
    for (Index row = 4; row < 14; ++row)
      for (Index column = 4; column < 13; ++column) queries.push_back({row % 3, row, column});
    for (Index channels : {1, 4})
      check(eighths({3, 18, 17, channels}, random), patch_centers(queries),
            {.count = 30, .patch = 4, .window = 8});
  }
  SECTION("all candidates") {
    check(eighths({1, 30, 33, 3}, random), patch_centers({{0, 15, 16}}),
          {.count = 64, .patch = 4, .window = 8});
  }
  SECTION("ties") {
    check(Tensor<float>::full({1, 30, 33, 3}, 0.1f), patch_centers({{0, 15, 16}}), small);
    Tensors<double> texture{converted<double>(eighths({1, 24, 25, 4}, random))};
    repeated(texture);
    check(converted<float>(texture[0]), patch_centers({{0, 11, 12}, {0, 2, 2}}),
          {.count = 60, .patch = 4, .window = 18});
  }
  SECTION("what is not a number") {
    auto x = eighths({1, 30, 33, 3}, random);
    x.mutable_data()[(10 * 33 + 12) * 3] = std::numeric_limits<float>::quiet_NaN();
    const auto queries = patch_centers({{0, 15, 16}});
    const PatchSearchOptions all{.count = 64, .patch = 4, .window = 8};
    CHECK(same_bits(nearest_patches(x.to(cuda), queries, all).to(cpu), nearest_patches(x, queries, all)));
  }
  SECTION("no queries") { check(eighths({1, 30, 33, 3}, random), patch_centers({}), small); }
}

TEST_CASE("queries of a CUDA device that are out of range are moved to the nearest full patch", "[ops]") {
  if (!cuda_is_there()) return;
  Random random(1);
  const auto x = random_tensor<float>({2, 12, 15, 3}, random).to(cuda_device);
  const PatchSearchOptions o{.count = 9, .patch = 4, .window = 6};
  const auto found = [&](const PatchCenter& query) {
    const auto queries = patch_centers({query}).to(cuda_device);
    return nearest_patches(x, queries, o).to(Device::cpu());
  };
  CHECK(same_bits(found({0, -100, 5}), found({0, 2, 5})));
  CHECK(same_bits(found({-1, 12, 100}), found({0, 9, 12})));
  CHECK(same_bits(found({2, 5, 1}), found({1, 5, 2})));

  const PatchSearchOptions too_many{.count = 12, .patch = 4, .window = 6};
  const auto matches =
      nearest_patches(x, patch_centers({{0, 2, 2}}).to(cuda_device), too_many).to(Device::cpu());
  for (Index k = 0; k < 12; ++k) CHECK((matches(k) == PatchCenter{0, 2, 2}) == (k == 0 || k >= 9));

  const auto queries = patch_centers({{0, 2, 2}}).to(cuda_device);
  CHECK(message_of<ShapeError>([&] {
          nearest_patches(x, queries, {.count = 1, .patch = 12, .window = 2});
        }) == "patch_search: x [2,12,15,3] is too small for patches of 12 x 12");
}

TEST_CASE("queries on another device than x, and numbers that are no float there", "[ops]") {
  if (!cuda_is_there()) return;
  const auto x = Tensor<float>::zeros({1, 20, 20, 3});
  const auto queries = patch_centers({{0, 9, 9}});
  const PatchSearchOptions o{.count = 5};
  CHECK(message_of<DeviceError>([&] { patch_search(x, queries.to(cuda_device), o); }) ==
        "patch_search: x is on cpu, the centres on cuda:0");
  CHECK(message_of<DeviceError>([&] { nearest_patches(converted<double>(x).to(cuda_device), queries, o); }) ==
        "patch_search: on cuda:0 it takes float only");
}
