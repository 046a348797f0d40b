#include "nlcl/core/tile_product.hpp"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

using namespace nlcl;

namespace {

// Small integers, so that every product and sum is exact and results can be compared without a tolerance.
template <class T>
std::vector<T> integers(Index count, int seed) {
  std::vector<T> values(static_cast<std::size_t>(count));
  unsigned state = static_cast<unsigned>(seed);
  for (T& value : values)
    value = static_cast<T>(static_cast<int>((state = state * 1664525 + 1013904223) >> 28) - 8);
  return values;
}

template <class T>
constexpr T untouched = -1000;

// Body is called with every number of rows that a tile can have.
template <class T>
void for_each_row_count(const auto& body) {
  [&]<int... R>(std::integer_sequence<int, R...>) { (body.template operator()<R + 1>(), ...); }
  (std::make_integer_sequence<int, tile_rows<T>>{});
}

// One tile against the formula. The memory of C beyond the tile must stay as it was.
template <class T, int Rows>
void check_tile(Index a_row, Index a_step, Index depth, Index columns, bool from_row) {
  const Index width = tile_columns<T>, c_row = width + 3;
  const auto a = integers<T>((Rows - 1) * a_row + depth * a_step + 1, 1), b = integers<T>(depth * width, 2);
  const auto start = integers<T>(Rows * c_row, 3);
  std::vector<T> c(start.size(), untouched<T>);

  Tile<T, Rows> tile;
  if (from_row)
    tile.fill(start.data());
  else
    tile.load(start.data(), c_row);
  tile.accumulate(a.data(), a_row, a_step, b.data(), depth);
  tile.store(c.data(), c_row, columns);

  bool right = true;
  for (Index r = 0; r < Rows; ++r)
    for (Index j = 0; j < c_row; ++j) {
      T expected = untouched<T>;
      if (j < columns) {
        expected = start[static_cast<std::size_t>((from_row ? 0 : r * c_row) + j)];
        for (Index k = 0; k < depth; ++k)
          expected += a[static_cast<std::size_t>(r * a_row + k * a_step)] *
                      b[static_cast<std::size_t>(k * width + j)];
      }
      right &= c[static_cast<std::size_t>(r * c_row + j)] == expected;
    }
  CAPTURE(Rows, a_row, a_step, depth, columns, from_row);
  CHECK(right);
}

template <class T, int Rows, int Columns>
void check_dot_tile(Index a_row, Index b_row, Index depth) {
  const Index c_row = Columns + 2;
  const auto a = integers<T>((Rows - 1) * a_row + depth, 1),
             b = integers<T>((Columns - 1) * b_row + depth, 2);
  const auto start = integers<T>(Columns, 3);
  std::vector<T> c(Rows * static_cast<std::size_t>(c_row), untouched<T>);

  DotTile<T, Rows, Columns> tile;
  tile.accumulate(a.data(), a_row, b.data(), b_row, depth);
  tile.accumulate(a.data(), a_row, b.data(), b_row, depth);  // goes on adding
  tile.store(c.data(), c_row, start.data());

  bool right = true;
  for (Index r = 0; r < Rows; ++r)
    for (Index j = 0; j < c_row; ++j) {
      T expected = untouched<T>;
      if (j < Columns) {
        expected = start[static_cast<std::size_t>(j)];
        for (Index k = 0; k < depth; ++k)
          expected +=
              2 * a[static_cast<std::size_t>(r * a_row + k)] * b[static_cast<std::size_t>(j * b_row + k)];
      }
      right &= c[static_cast<std::size_t>(r * c_row + j)] == expected;
    }
  CAPTURE(Rows, Columns, a_row, b_row, depth);
  CHECK(right);
}

}  // namespace

TEMPLATE_TEST_CASE("a tile is the product of its matrices", "[core]", float, double) {
  for_each_row_count<TestType>([]<int Rows>() {
    for (Index depth : {0, 1, 2, 9})
      for (const auto& [a_row, a_step] :
           std::vector<std::pair<Index, Index>>{{9, 1}, {3, 1}, {1, 1}, {1, 7}, {2, 5}, {0, 1}})
        for (bool from_row : {false, true})
          check_tile<TestType, Rows>(a_row, a_step, depth, tile_columns<TestType>, from_row);
  });
}

TEMPLATE_TEST_CASE("a tile is stored up to any column", "[core]", float, double) {
  for_each_row_count<TestType>([]<int Rows>() {
    for (Index columns = 0; columns <= tile_columns<TestType>; ++columns)
      check_tile<TestType, Rows>(3, 1, 4, columns, false);
  });
}

TEMPLATE_TEST_CASE("tiles cover the rows once, in order, and few of them are small", "[core]", float,
                   double) {
  for (Index rows = 0; rows <= 4 * tile_rows<TestType> + 1; ++rows) {
    CAPTURE(rows);
    Index next = 0, single = 0;
    bool right = true;
    for_each_tile<TestType>(rows, [&]<int Rows>(Index row) {
      right &= row == next && Rows <= tile_rows<TestType>;
      next += Rows;
      single += Rows == 1;
    });
    CHECK(right);
    CHECK(next == rows);
    CHECK(single <= 2);
  }
}

TEMPLATE_TEST_CASE("a tile of dot products", "[core]", float, double) {
  const Index width = Pack<TestType>::width;
  for (Index depth : {Index{0}, width, 3 * width})
    for (Index extra : {0, 5}) {
      check_dot_tile<TestType, 1, 1>(width + extra, depth + extra, depth);
      check_dot_tile<TestType, 4, 1>(width + extra, depth + extra, depth);
      check_dot_tile<TestType, 1, 3>(width + extra, depth + extra, depth);
      check_dot_tile<TestType, 4, 3>(width + extra, depth + extra, depth);
    }
}

TEMPLATE_TEST_CASE("columns are packed in blocks, the last filled up with zeros", "[core]", float, double) {
  const Index width = tile_columns<TestType>, depth = 5;
  for (Index columns = 1; columns <= 2 * width + 1; ++columns)
    for (Index b_row : {columns, columns + 3}) {
      CAPTURE(columns, b_row);
      const auto b = integers<TestType>(depth * b_row, 1);
      const Index blocks = (columns + width - 1) / width;
      REQUIRE(packed_size<TestType>(depth, columns) == blocks * depth * width);
      std::vector<TestType> packed(static_cast<std::size_t>(blocks * depth * width) + 1, untouched<TestType>);
      pack_columns(b.data(), b_row, depth, columns, packed.data());
      bool right = packed.back() == untouched<TestType>;
      for (Index block = 0; block < blocks; ++block)
        for (Index k = 0; k < depth; ++k)
          for (Index j = 0; j < width; ++j) {
            const Index column = block * width + j;
            const TestType expected = column < columns ? b[static_cast<std::size_t>(k * b_row + column)] : 0;
            right &= packed[static_cast<std::size_t>((block * depth + k) * width + j)] == expected;
          }
      CHECK(right);
    }
}
