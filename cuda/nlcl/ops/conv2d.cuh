// conv2d on the GPU (ops/conv2d.hpp has the formulas).
//
// A convolution is a product of matrices, [pixels, kh * kw * in] x [kh * kw * in, out], whose left matrix is never
// written down (implicit GEMM). A block computes a tile of pixels for 32 or 64 output channels. It reads the part
// of x that the tile sees, with its margin, into shared memory once; every tap of the kernel is then a product with
// the same numbers, seen from a place further on. So there are two kernels,
//
//     conv2d_tiles            y, and dx, which is a convolution with the weight turned round
//     conv2d_weight_sums      dweight, a product over the pixels: each part of them sums for itself, parts are then
//                             added in order
//
// which multiply in one of three formats: bf16 or tf32 on the tensor cores, or float32. Numbers are rounded as they
// are written to shared memory; sums are float32 always. conv2d_dot computes images of one or three channels.
//
// What the generator's convolutions can take at best, 3x3, 32 to 32 channels on 512 x 1024 pixels:
//
//     operations   512 * 1024 * 9 * 32 * 32 * 2 = 9.7 GFLOP      10 us at 990 TFLOP/s (bf16), 20 us at 495 (tf32)
//     bytes        512 * 1024 * (32 + 32) * 4 = 134 MB           28 us at 4.8 TB/s (H200), 40 us at 3.35 (H100)
//
// so memory sets the pace on the tensor cores, and float32 at 67 TFLOP/s would take 144 us. A block of 16 x 16 pixels
// reads 18 * 18 * 32 numbers for 256 * 32 of the result, a quarter more than once, mostly out of the L2 cache.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nlcl/core/block.cuh"
#include "nlcl/core/launch.cuh"
#include "nlcl/core/mma.cuh"
#include "nlcl/core/vector.cuh"
#include "nlcl/ops/conv2d.hpp"

#if defined(NLCL_CUDA_EMULATION)
#define NLCL_NO_UNROLL
#else
#define NLCL_NO_UNROLL _Pragma("unroll 1")
#endif

namespace nlcl::cuda {

// ---- Sizes ----

// A convolution as kernels see it. dx = conv(dy, turned weight) is one, too: of a dy with spread - 1 zeros between
// its pixels, and with paddings that differ unless the kernel is square.
struct Conv2dShape {
  int batch, height, width, in;
  int kernel_height, kernel_width, out;
  int out_height, out_width;
  int stride, spread, top, left;  // top, left: zeros around the spread-out x
  bool turned;                    // the weight is [kh,kw,out,in], both axes of the kernel reversed

  __host__ __device__ int taps() const { return kernel_height * kernel_width; }
  __host__ __device__ int depth() const { return taps() * in; }
  int pixels() const { return batch * out_height * out_width; }

  // Where weight[tap, c, o] lies in memory, for k = tap * in + c.
  __device__ int weight_place(int k, int o) const {
    return turned ? ((taps() - 1 - k / in) * out + o) * in + k % in : k * out + o;
  }
};

// Throws ShapeError where an image, or the number of pixels, is too large for an int.
inline Conv2dShape conv2d_shape(const Conv2dSizes& s) {
  to_int(s.height * s.width * s.in), to_int(s.out_height * s.out_width * s.out);
  to_int(s.batch * std::max(s.height * s.width, s.out_height * s.out_width));
  to_int(s.kernel_height * s.kernel_width * (s.in + 64) * (s.out + 64));  // packed
  const int padding = to_int(s.padding);
  return {.batch = to_int(s.batch),
          .height = to_int(s.height),
          .width = to_int(s.width),
          .in = to_int(s.in),
          .kernel_height = to_int(s.kernel_height),
          .kernel_width = to_int(s.kernel_width),
          .out = to_int(s.out),
          .out_height = to_int(s.out_height),
          .out_width = to_int(s.out_width),
          .stride = to_int(s.stride),
          .spread = 1,
          .top = padding,
          .left = padding,
          .turned = false};
}

// That of dx from dy.
inline Conv2dShape turned(const Conv2dShape& s) {
  return {.batch = s.batch,
          .height = s.out_height,
          .width = s.out_width,
          .in = s.out,
          .kernel_height = s.kernel_height,
          .kernel_width = s.kernel_width,
          .out = s.in,
          .out_height = s.height,
          .out_width = s.width,
          .stride = 1,
          .spread = s.stride,
          .top = s.kernel_height - 1 - s.top,
          .left = s.kernel_width - 1 - s.left,
          .turned = true};
}

// ---- Formats: how numbers lie in the 32-bit words of shared memory, and how they are multiplied ----

struct Float32 {
  static constexpr int pair = 1;  // numbers in a word
  static constexpr bool on_tensor_cores = false;
  static constexpr int blocks = 3;  // of conv2d_tiles that a multiprocessor's registers are shared among
  __device__ static std::uint32_t word(float value, float) { return __float_as_uint(value); }
};
struct Tf32 {
  static constexpr int pair = 1;
  static constexpr bool on_tensor_cores = true;
  static constexpr int blocks = 4;
  __device__ static std::uint32_t word(float value, float) { return round_to_tf32(value); }
  __device__ static void multiply(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    mma_tf32_16x8x8(d, a, b);
  }
};
struct Bf16 {
  static constexpr int pair = 2;
  static constexpr bool on_tensor_cores = true;
  static constexpr int blocks = 4;
  __device__ static std::uint32_t word(float low, float high) { return round_to_bf16(low, high); }
  __device__ static void multiply(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    mma_bf16_16x8x16(d, a, b);
  }
};

// 16 bytes of shared memory are a slot: in words, both matrix instructions have the same fragments.
using Slots = DynamicShared<uint4>;

// Four or eight neighbouring channels as a slot.
template <class Format>
__device__ __forceinline__ uint4 slot_of_channels(const Vector<4> (&v)[Format::pair]) {
  if constexpr (Format::pair == 1)
    return {Format::word(v[0][0], 0), Format::word(v[0][1], 0), Format::word(v[0][2], 0),
            Format::word(v[0][3], 0)};
  else
    return {Format::word(v[0][0], v[0][1]), Format::word(v[0][2], v[0][3]), Format::word(v[1][0], v[1][1]),
            Format::word(v[1][2], v[1][3])};
}

// Four channels of one pixel, or of two, as a slot.
template <class Format>
__device__ __forceinline__ uint4 slot_of_pixels(const Vector<4> (&v)[Format::pair]) {
  constexpr int other = Format::pair - 1;
  return {Format::word(v[0][0], v[other][0]), Format::word(v[0][1], v[other][1]),
          Format::word(v[0][2], v[other][2]), Format::word(v[0][3], v[other][3])};
}

// The sums of a lane: of `Rows` rows that stand 8 apart (or are four neighbours, see there) and 8 neighbouring
// columns. They lie as the matrix instructions leave them, d[i / 2][j % 4][i % 2 * 2 + j / 4]: column j of the eight
// is column 2 * member + j / 4 of product j % 4. Hence column n of product q stands for column 4 * n + q of the
// result, and a lane can store 32 bytes at once.
template <int Rows>
struct Sums {
  float d[Rows / 2][4][4];

  __device__ __forceinline__ float& at(int i, int j) { return d[i / 2][j % 4][i % 2 * 2 + j / 4]; }
};

// The eight sums of row i, of which `count` are stored.
template <int Rows>
__device__ __forceinline__ void store_row(float* to, Sums<Rows>& sums, int i, int count, bool aligned) {
  const auto value = [&](int j) { return sums.at(i, j); };
  if (aligned && count >= 8) {
    store(to, Vector<4>{{value(0), value(1), value(2), value(3)}});
    store(to + 4, Vector<4>{{value(4), value(5), value(6), value(7)}});
    return;
  }
  NLCL_UNROLL
  for (int j = 0; j < 8; ++j)
    if (j < count) to[j] = value(j);
}

// ---- Reading x ----

// A source says what the numbers of x are: four neighbouring channels, c .. c+3 of image n, that lie `offset` numbers
// from the beginning of x; or one of them. It may have a keep(offset, four numbers), which is then called once for
// each pixel. Here they are those of a tensor, read as they are or through a ReLU.
template <class Read>
struct TensorSource {
  const float* x;
  Read read;

  __device__ __forceinline__ Vector<4> four(Index offset, int n, int c) const {
    Vector<4> value = load<4>(x + offset);
    NLCL_UNROLL
    for (int k = 0; k < 4; ++k) value[k] = read(value[k], n, c + k);
    return value;
  }
  __device__ __forceinline__ float one(Index offset, int n, int c) const { return read(x[offset], n, c); }
};

// An image of a source, spread out, with zeros around it.
template <class Source>
struct PixelReader {
  Source source;
  Index first;  // of the image
  int height, width, channels, spread, n;

  __device__ PixelReader(const Source& x, int height_, int width_, int channels_, int spread_, int n_)
      : source(x),
        first(Index{n_} * height_ * width_ * channels_),
        height(height_),
        width(width_),
        channels(channels_),
        spread(spread_),
        n(n_) {}
  __device__ PixelReader(const Source& x, const Conv2dShape& s, int n_)
      : PixelReader(x, s.height, s.width, s.in, s.spread, n_) {}

  // Channels c .. c+3 of a pixel, which is this reader's own or seen by others too.
  __device__ __forceinline__ Vector<4> pixel(int row, int column, int c, bool own = false) const {
    Vector<4> value{};
    const int at = place(row, column);
    if (at < 0 || c >= channels) return value;
    const Index offset = first + (at * channels + c);
    if (channels % 4 == 0) {
      value = source.four(offset, n, c);
      if constexpr (requires { source.keep(offset, value); })
        if (own) source.keep(offset, value);
    } else {
      NLCL_UNROLL
      for (int k = 0; k < 4; ++k)
        if (c + k < channels) value[k] = source.one(offset + k, n, c + k);
    }
    return value;
  }

  // One channel of it.
  __device__ __forceinline__ float number(int row, int column, int c) const {
    const int at = place(row, column);
    return at < 0 ? 0.0f : source.one(first + (at * channels + c), n, c);
  }

 private:
  // Which pixel of the image, or -1.
  __device__ __forceinline__ int place(int row, int column) const {
    if (spread > 1) {
      if (row % spread != 0 || column % spread != 0) return -1;
      row /= spread, column /= spread;
    }
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? row * width + column : -1;
  }
};

// Numbers k .. k+3 of the kh * kw * in that an output pixel sees: for an x of few channels, and for windows that
// overlap little. They are then channels of their own, and the convolution is one with a 1x1 kernel.
struct WindowNumbers {
  int row[4], column[4], channel[4];  // from the window's first pixel on; channel -1: there is none

  __device__ WindowNumbers(const Conv2dShape& s, int k) {
    NLCL_UNROLL
    for (int i = 0; i < 4; ++i, ++k) {
      const int tap = k / s.in;
      row[i] = tap / s.kernel_width, column[i] = tap % s.kernel_width;
      channel[i] = k < s.depth() ? k % s.in : -1;
    }
  }

  template <class Source>
  __device__ __forceinline__ Vector<4> of(const PixelReader<Source>& x, int top, int left) const {
    Vector<4> value{};
    NLCL_UNROLL
    for (int i = 0; i < 4; ++i)
      if (channel[i] >= 0) value[i] = x.number(top + row[i], left + column[i], channel[i]);
    return value;
  }
};

// ---- The packed weight ----

// In shared memory a pixel has planes of four slots, 16 words: 16 channels, or 32 in bf16. The weight of a plane, a
// tap and 32 output channels is a panel of 128 slots, in the order in which lanes read it:
//
//     tensor cores   [4 products][8 columns][4 members]: a lane's slot is its part of B for two instructions, where
//                    word j of member m is row m or m + 4 of the first, and then of the second: 4 * m + j of the plane
//     float32        [16 channels][8 slots of output channels]
inline constexpr int panel_slots = 128;

struct Packing {
  int planes, taps, across;  // across: panels side by side in a block
  bool windows;              // taps is 1, and the channels are the numbers of a window
};

// to: [out / (32 * across)][planes][taps][across] panels, zeros where weight has nothing.
template <class Format>
__global__ void pack_weight(Conv2dShape s, Packing p, int slots, const float* weight, uint4* to) {
  const auto slot = static_cast<int>(grid_thread());
  if (slot >= slots) return;
  int panel = slot / panel_slots;
  const int side = panel % p.across;
  panel /= p.across;
  const int tap = panel % p.taps;
  panel /= p.taps;
  const int plane = panel % p.planes, first = (panel / p.planes * p.across + side) * 32;
  const int channels = p.windows ? s.depth() : s.in;

  const auto value = [&](int c, int o) {
    const bool exists = c < channels && o < s.out;
    return exists ? weight[s.weight_place(tap * channels + c, o)] : 0.0f;
  };
  Vector<4> v[Format::pair];
  int within = slot % panel_slots;
  if constexpr (Format::on_tensor_cores) {  // neighbouring threads take neighbouring output channels
    const int o = within % 32, member = within / 32;
    NLCL_UNROLL
    for (int k = 0; k < 4 * Format::pair; ++k)
      v[k / 4][k % 4] = value((plane * 16 + member * 4) * Format::pair + k, first + o);
    within = (o % 4 * 8 + o / 4) * 4 + member;
  } else {
    NLCL_UNROLL
    for (int k = 0; k < 4; ++k) v[0][k] = value(plane * 16 + within / 8, first + within % 8 * 4 + k);
  }
  to[slot / panel_slots * panel_slots + within] = slot_of_channels<Format>(v);
}

// ---- y ----

// The pixels of a block of four warps, and how many panels of 32 output channels it makes of them.
template <int Rows, int Columns, int Across>
struct PixelTile {
  static constexpr int rows = Rows, columns = Columns, pixels = Rows * Columns, across = Across;
  static constexpr int warps = 4, threads = warps * warp_size;
  static constexpr int groups = pixels / (warps / across) / 8;  // of 8 pixels, for each warp
  static constexpr int rows_of_warp = groups * 8 / columns;
};
using NarrowTile = PixelTile<16, 16, 1>;
using WideTile = PixelTile<8, 16, 2>;
using SmallTile = PixelTile<8, 8, 2>;  // where pixels are few

struct TilePlan {
  Packing packing;
  int taps_high, taps_wide;      // of the kernel, or 1 and 1 for windows
  int rows, columns;             // of x in shared memory
  int steps_in_shared;           // rows of taps whose weights are there at once: two in turn, or all
  int tiles_down, tiles_across;  // of an image
  int tiles, tiles_per_block;

  __host__ __device__ int x_slots() const { return rows * columns * 4; }
  __host__ __device__ int step_slots() const { return taps_wide * packing.across * panel_slots; }
  __host__ __device__ int steps() const { return packing.planes * taps_high; }
  int shared_slots() const { return x_slots() + steps_in_shared * step_slots(); }
};

// A plane of the pixels that the tile at (top, left) sees. Four lanes read a pixel.
template <class Format, class Tile, class Source>
__device__ __forceinline__ void read_plane(const Conv2dShape& s, const TilePlan& p,
                                           const PixelReader<Source>& x, int top, int left, int plane,
                                           const Slots& to) {
  const int slot = lane() % 4, c = (plane * 4 + slot) * 4 * Format::pair;
  Vector<4> v[Format::pair];
  if (p.packing.windows) {
    const WindowNumbers first(s, c), second(s, c + 4);
    for (int pixel = thread().x / 4; pixel < p.rows * p.columns; pixel += Tile::threads / 4) {
      const int row = top + pixel / Tile::columns * s.stride;
      const int column = left + pixel % Tile::columns * s.stride;
      v[0] = first.of(x, row, column);
      if constexpr (Format::pair == 2) v[1] = second.of(x, row, column);
      to[pixel * 4 + slot] = slot_of_channels<Format>(v);
    }
    return;
  }
  const auto own = [](int i, int count) { return i >= 0 && i < count; };
  for (int row = warp(); row < p.rows; row += Tile::warps) {
    const bool own_row = own(row - s.top, Tile::rows);
    for (int column = lane() / 4; column < p.columns; column += 8) {
      NLCL_UNROLL
      for (int h = 0; h < Format::pair; ++h)
        v[h] = x.pixel(top + row, left + column, c + 4 * h, own_row && own(column - s.left, Tile::columns));
      to[(row * p.columns + column) * 4 + slot] = slot_of_channels<Format>(v);
    }
  }
}

// sums += the product of one tap: pixels whose plane begins at slot place(i), and a panel. On the tensor cores, slot
// `member` of a pixel has what the lane needs for two instructions, and eight lanes read 128 bytes without a conflict.
template <class Format, int Groups, class PlaceOf>
__device__ __forceinline__ void add_tap(Sums<Groups>& sums, const Slots& x, const PlaceOf& place,
                                        const Slots& weight, int panel) {
  const int member = lane() % 4;
  if constexpr (Format::on_tensor_cores) {
    uint4 b[4];
    NLCL_UNROLL
    for (int q = 0; q < 4; ++q) b[q] = weight[panel + q * 32 + lane()];
    NLCL_UNROLL
    for (int i = 0; i < Groups; i += 2) {
      const uint4 upper = x[place(i) + member], lower = x[place(i + 1) + member];
      NLCL_UNROLL
      for (int q = 0; q < 4; ++q)
        Format::multiply(sums.d[i / 2][q], {upper.x, lower.x, upper.y, lower.y}, {b[q].x, b[q].y});
      NLCL_UNROLL
      for (int q = 0; q < 4; ++q)
        Format::multiply(sums.d[i / 2][q], {upper.z, lower.z, upper.w, lower.w}, {b[q].z, b[q].w});
    }
  } else {
    NLCL_UNROLL
    for (int slot = 0; slot < 4; ++slot) {
      Vector<4> a[Groups];
      NLCL_UNROLL
      for (int i = 0; i < Groups; ++i) a[i] = x.as<Vector<4>>(place(i) + slot);
      NLCL_UNROLL
      for (int k = 0; k < 4; ++k) {
        const int row = panel + (slot * 4 + k) * 8 + 2 * member;
        const Vector<4> b[2] = {weight.as<Vector<4>>(row), weight.as<Vector<4>>(row + 1)};
        NLCL_UNROLL
        for (int i = 0; i < Groups; ++i) {
          NLCL_UNROLL
          for (int j = 0; j < 8; ++j) sums.at(i, j) += a[i][k] * b[j / 4][j % 4];
        }
      }
    }
  }
}

// What a lane has of a tile when its sums are complete: of pixel(i) the output channels o .. o + 7.
template <class Tile>
struct TilePlace {
  int n, tile;    // the image, and which of its tiles
  int top, left;  // the lane's first pixel; the others follow 8 apart, row by row of the tile
  int o;

  __device__ __forceinline__ int row(int i) const { return top + 8 * i / Tile::columns; }
  __device__ __forceinline__ int column(int i) const { return left + 8 * i % Tile::columns; }
};

// A result says what becomes of a tile. Here it is stored to a tensor.
struct TensorResult {
  float* y;

  template <class Tile>
  __device__ __forceinline__ void store(const Conv2dShape& s, const TilePlace<Tile>& place,
                                        Sums<Tile::groups>& sums) const {
    if (place.o >= s.out) return;
    NLCL_UNROLL
    for (int i = 0; i < Tile::groups; ++i) {
      const int row = place.row(i), column = place.column(i);
      if (row >= s.out_height || column >= s.out_width) continue;
      const Index pixel = (Index{place.n} * s.out_height + row) * s.out_width + column;
      store_row(y + pixel * s.out + place.o, sums, i, s.out - place.o, s.out % 4 == 0);
    }
  }
};

// Warps stand beside each other in output channels, then below in pixels: a warp has 8 * groups pixels and 32
// channels. It goes plane by plane and, within, one row of taps after the other. While it multiplies, the weights of
// the next row of taps are on their way; or they are all there from the start, for all tiles of the block.
template <class Format, class Tile, class Source, class Result>
__global__ void __launch_bounds__(Tile::threads, Format::blocks)
    conv2d_tiles(Conv2dShape s, TilePlan p, Source x, const uint4* __restrict__ weight,
                 const float* __restrict__ bias, Result y) {
  const int group = lane() / 4, member = lane() % 4, side = warp() % Tile::across;
  const int first_row = warp() / Tile::across * Tile::rows_of_warp;
  const Slots x_tile = dynamic_shared<uint4>(p.x_slots());
  const Slots panels = dynamic_shared<uint4>(p.steps_in_shared * p.step_slots(), p.x_slots() * 16);
  const int steps = p.steps(), step_slots = p.step_slots();
  const int first_tile = block().x * p.tiles_per_block;
  const int rest = p.tiles - first_tile;
  const int last_tile = first_tile + (rest < p.tiles_per_block ? rest : p.tiles_per_block);
  const int steps_to_fetch = p.steps_in_shared == steps ? steps : steps * (last_tile - first_tile);
  weight += block().y * steps * step_slots;

  const auto fetch = [&](int step) {
    const uint4* const from = weight + step % steps * step_slots;
    const int to = step % p.steps_in_shared * step_slots;
    for (int i = thread().x; i < step_slots; i += Tile::threads) copy_16_bytes(panels[to + i], from + i);
    copy_commit();
  };
  for (int step = 0; step < p.steps_in_shared && step < steps_to_fetch; ++step) fetch(step);

  const int o = (block().y * Tile::across + side) * 32 + member * 8;  // the lane's first output channel
  int step = 0;                                                       // of all tiles
  for (int tile = first_tile; tile < last_tile; ++tile) {
    const int n = tile / (p.tiles_down * p.tiles_across), within = tile % (p.tiles_down * p.tiles_across);
    const int top = within / p.tiles_across * Tile::rows, left = within % p.tiles_across * Tile::columns;
    const PixelReader<Source> reader(x, s, n);
    Sums<Tile::groups> sums;
    NLCL_UNROLL
    for (int j = 0; j < 8; ++j) {
      const float start = bias && o + j < s.out ? bias[o + j] : 0.0f;
      NLCL_UNROLL
      for (int i = 0; i < Tile::groups; ++i) sums.at(i, j) = start;
    }

    for (int plane = 0; plane < p.packing.planes; ++plane) {
      if (step > 0) block_sync();  // the last plane is not needed any more
      read_plane<Format, Tile>(s, p, reader, top * s.stride - s.top, left * s.stride - s.left, plane, x_tile);
      for (int u = 0; u < p.taps_high; ++u, ++step) {
        copy_wait<0>();
        block_sync();  // x and the weights of this step are there, those of the step before not needed any more
        if (step > 0 && step - 1 + p.steps_in_shared < steps_to_fetch) fetch(step - 1 + p.steps_in_shared);
        // The loads of further taps would take registers from the sums.
        NLCL_NO_UNROLL
        for (int v = 0; v < p.taps_wide; ++v) {
          const int row_slots = p.columns * 4, first = (first_row + u) * row_slots + (group + v) * 4;
          const auto place = [&](int i) {
            return first + 8 * i / Tile::columns * row_slots + 8 * i % Tile::columns * 4;
          };
          add_tap<Format>(sums, x_tile, place, panels,
                          step % p.steps_in_shared * step_slots + (v * Tile::across + side) * panel_slots);
        }
      }
    }

    y.store(s, TilePlace<Tile>{n, within, top + first_row, left + group, o}, sums);
  }
}

// ---- y of one or three channels, always in float32 ----

// By dot products along the channels: `Lanes` lanes share the window of a pixel, and make `Pixels` neighbours.
template <int Out, int Lanes, int Pixels>
struct DotTile {
  static constexpr int out = Out, lanes = Lanes, pixels = Pixels, threads = 256;
};

template <class Tile, class Source>
__global__ void __launch_bounds__(Tile::threads, 4)
    conv2d_dot(Conv2dShape s, Source x, const float* __restrict__ weight, const float* __restrict__ bias,
               float* __restrict__ y) {
  const DynamicShared<float> panel = dynamic_shared<float>(s.depth() * Tile::out);  // [taps][out][in]
  for (int i = thread().x; i < s.depth() * Tile::out; i += Tile::threads) {
    const int c = i % s.in, o = i / s.in % Tile::out, tap = i / s.in / Tile::out;
    panel[i] = weight[s.weight_place(tap * s.in + c, o)];
  }
  block_sync();

  const int member = thread().x % Tile::lanes;
  const int per_row = (s.out_width + Tile::pixels - 1) / Tile::pixels;
  const int group = (block().x * Tile::threads + thread().x) / Tile::lanes;
  const int n = group / per_row / s.out_height, row = group / per_row % s.out_height;
  const int column = group % per_row * Tile::pixels;
  const bool exists = n < s.batch;  // all lanes go on, the sums need them
  const PixelReader<Source> reader(x, s, exists ? n : 0);
  float sums[Tile::pixels][Tile::out]{};
  if (exists)
    for (int tap = 0; tap < s.taps(); ++tap) {
      const int top = row * s.stride - s.top + tap / s.kernel_width;
      const int left = column * s.stride - s.left + tap % s.kernel_width;
      for (int c = member * 4; c < s.in; c += Tile::lanes * 4) {
        Vector<4> w[Tile::out];
        NLCL_UNROLL
        for (int o = 0; o < Tile::out; ++o) w[o] = panel.as<Vector<4>>((tap * Tile::out + o) * s.in + c);
        NLCL_UNROLL
        for (int i = 0; i < Tile::pixels; ++i) {
          const Vector<4> value = reader.pixel(top, left + i * s.stride, c);
          NLCL_UNROLL
          for (int o = 0; o < Tile::out; ++o) {
            NLCL_UNROLL
            for (int k = 0; k < 4; ++k) sums[i][o] += value[k] * w[o][k];
          }
        }
      }
    }
  NLCL_UNROLL
  for (int i = 0; i < Tile::pixels; ++i) {
    NLCL_UNROLL
    for (int o = 0; o < Tile::out; ++o) {
      NLCL_UNROLL
      for (int bits = Tile::lanes / 2; bits > 0; bits /= 2) sums[i][o] += shuffle_xor(sums[i][o], bits);
      const bool stores = member == (i * Tile::out + o) % Tile::lanes;
      if (stores && exists && column + i < s.out_width)
        y[Index{(n * s.out_height + row) * s.out_width + column + i} * Tile::out + o] =
            sums[i][o] + (bias ? bias[o] : 0.0f);
    }
  }
}

// ---- dweight ----

// A block sums over a part of the pixels, tile by tile of 8 x 16, for 32 output channels and some units: a unit is 32
// rows of dweight, which are 32 channels of x at one tap (or 32 numbers of the windows). The matrices meet along the
// pixels, so a word of bf16 holds the same channel of two pixels. They are four rows apart, not neighbours: so the
// next tap is the next word in both directions. A pixel, or pair, has 8 slots and 2 unused, which keeps eight lanes
// that read two channels of four pixels off each other's banks.
struct WeightTile {
  static constexpr int rows = 8, columns = 16, pitch = 10;
  static constexpr int units = 2;  // of a warp
  static constexpr int most_warps = 8, most_units = units * most_warps;
};

struct WeightSumsPlan {
  bool windows;
  int units, units_per_block, unit_blocks;
  int rows, columns;  // of x in shared memory, for each of the windows' units
  int warps, shares;  // shares: warps that divide a tile's pixels among them, each with sums of its own
  int tiles_down, tiles_across, tiles, parts;

  __host__ __device__ int x_slots() const {
    return rows * columns * (windows ? units_per_block : 1) * WeightTile::pitch;
  }
  __host__ __device__ int dy_slots(int pair) const {
    return WeightTile::rows / pair * WeightTile::columns * WeightTile::pitch;
  }
};

// sums += (8 pixels of x)^T * the same of dy; a unit that does not exist is at place -1. A lane has channels 4 * group
// .. + 3 and output channels 8 * member .. + 7.
template <class Format>
__device__ __forceinline__ void add_pixels(Sums<4> (&sums)[WeightTile::units], const Slots& x,
                                           const int (&x_place)[WeightTile::units], const Slots& dy,
                                           int dy_place) {
  constexpr int pitch = WeightTile::pitch;
  const int group = lane() / 4, member = lane() % 4;
  if constexpr (Format::on_tensor_cores) {
    const int near = member * pitch + group, far = near + 4 * pitch;
    const uint4 b0 = dy[dy_place + near], b1 = dy[dy_place + far];
    NLCL_UNROLL
    for (int unit = 0; unit < WeightTile::units; ++unit) {
      if (x_place[unit] < 0) continue;
      const uint4 a0 = x[x_place[unit] + near], a1 = x[x_place[unit] + far];
      const std::uint32_t first[4] = {a0.x, a0.y, a1.x, a1.y}, second[4] = {a0.z, a0.w, a1.z, a1.w};
      NLCL_UNROLL
      for (int half = 0; half < 2; ++half) {
        Format::multiply(sums[unit].d[half][0], half ? second : first, {b0.x, b1.x});
        Format::multiply(sums[unit].d[half][1], half ? second : first, {b0.y, b1.y});
        Format::multiply(sums[unit].d[half][2], half ? second : first, {b0.z, b1.z});
        Format::multiply(sums[unit].d[half][3], half ? second : first, {b0.w, b1.w});
      }
    }
  } else {
    NLCL_UNROLL
    for (int pixel = 0; pixel < 8; ++pixel) {
      const Vector<4> b[2] = {dy.as<Vector<4>>(dy_place + pixel * pitch + 2 * member),
                              dy.as<Vector<4>>(dy_place + pixel * pitch + 2 * member + 1)};
      NLCL_UNROLL
      for (int unit = 0; unit < WeightTile::units; ++unit) {
        if (x_place[unit] < 0) continue;
        const Vector<4> a = x.as<Vector<4>>(x_place[unit] + pixel * pitch + group);
        NLCL_UNROLL
        for (int i = 0; i < 4; ++i) {
          NLCL_UNROLL
          for (int j = 0; j < 8; ++j) sums[unit].at(i, j) += a[i] * b[j / 4][j % 4];
        }
      }
    }
  }
}

// partial: [parts * shares, depth, out]
template <class Format, class Source>
__global__ void __launch_bounds__(WeightTile::most_warps* warp_size)
    conv2d_weight_sums(Conv2dShape s, WeightSumsPlan p, Source x, TensorSource<ReadPlain> dy,
                       float* __restrict__ partial) {
  constexpr int rows = WeightTile::rows / Format::pair, columns = WeightTile::columns,
                pitch = WeightTile::pitch;
  const Slots x_tile = dynamic_shared<uint4>(p.x_slots());
  const Slots dy_tile = dynamic_shared<uint4>(p.dy_slots(Format::pair), p.x_slots() * 16);
  const int part = block().x, o = block().z * 32, slot = lane() % 8, threads = block_size().x;
  const int first_unit = block().y % p.unit_blocks * p.units_per_block;
  const int c = block().y / p.unit_blocks * 32;  // the first channel; 0 for windows

  // The units of this warp, and where they begin to read.
  const int teams = p.warps / p.shares, share = warp() / teams;
  int unit[WeightTile::units], start[WeightTile::units];
  NLCL_UNROLL
  for (int i = 0; i < WeightTile::units; ++i) {
    const int within = warp() % teams * WeightTile::units + i;
    unit[i] = first_unit + within < p.units && within < p.units_per_block ? first_unit + within : -1;
    start[i] =
        p.windows ? within * rows * columns : unit[i] / s.kernel_width * p.columns + unit[i] % s.kernel_width;
  }

  Sums<4> sums[WeightTile::units]{};
  const auto first_tile = static_cast<int>(Index{p.tiles} * part / p.parts);
  const auto last_tile = static_cast<int>(Index{p.tiles} * (part + 1) / p.parts);
  for (int tile = first_tile; tile < last_tile; ++tile) {
    const int n = tile / (p.tiles_down * p.tiles_across), within = tile % (p.tiles_down * p.tiles_across);
    const int top = within / p.tiles_across * WeightTile::rows, left = within % p.tiles_across * columns;
    const int x_top = top * s.stride - s.top, x_left = left * s.stride - s.left;
    const PixelReader<Source> x_reader(x, s, n);
    const PixelReader dy_reader(dy, s.out_height, s.out_width, s.out, 1, n);
    Vector<4> v[Format::pair];

    block_sync();  // the last tile is not needed any more
    if (p.windows) {
      for (int i = 0; i < p.units_per_block; ++i) {
        const WindowNumbers numbers(s, (first_unit + i) * 32 + slot * 4);
        for (int pixel = thread().x / 8; pixel < rows * columns; pixel += threads / 8) {
          const int row = pixel / columns, column = pixel % columns;
          NLCL_UNROLL
          for (int h = 0; h < Format::pair; ++h)
            v[h] = numbers.of(x_reader, x_top + (row + h * rows) * s.stride, x_left + column * s.stride);
          x_tile[(i * rows * columns + pixel) * pitch + slot] = slot_of_pixels<Format>(v);
        }
      }
    } else {
      for (int row = warp(); row < p.rows; row += p.warps)
        for (int column = lane() / 8; column < p.columns; column += 4) {
          NLCL_UNROLL
          for (int h = 0; h < Format::pair; ++h)
            v[h] = x_reader.pixel(x_top + row + h * rows, x_left + column, c + slot * 4);
          x_tile[(row * p.columns + column) * pitch + slot] = slot_of_pixels<Format>(v);
        }
    }
    for (int pixel = thread().x / 8; pixel < rows * columns; pixel += threads / 8) {
      NLCL_UNROLL
      for (int h = 0; h < Format::pair; ++h)
        v[h] = dy_reader.pixel(top + pixel / columns + h * rows, left + pixel % columns, o + slot * 4);
      dy_tile[pixel * pitch + slot] = slot_of_pixels<Format>(v);
    }
    block_sync();

    for (int step = share; step < rows * columns / 8; step += p.shares) {
      const int row = step * 8 / columns, column = step * 8 % columns;
      int x_place[WeightTile::units];
      NLCL_UNROLL
      for (int i = 0; i < WeightTile::units; ++i)
        x_place[i] = unit[i] < 0 ? -1 : (row * p.columns + column + start[i]) * pitch;
      add_pixels<Format>(sums, x_tile, x_place, dy_tile, (row * columns + column) * pitch);
    }
  }

  const int group = lane() / 4, first_o = o + lane() % 4 * 8;
  if (first_o >= s.out) return;
  NLCL_UNROLL
  for (int i = 0; i < WeightTile::units; ++i) {
    if (unit[i] < 0) continue;
    const int first_k = p.windows ? unit[i] * 32 : unit[i] * s.in + c;
    const int count = p.windows ? s.depth() - first_k : s.in - c;
    float* const to = partial + (Index{part * p.shares + share} * s.depth() + first_k) * s.out + first_o;
    NLCL_UNROLL
    for (int r = 0; r < 4; ++r)
      if (4 * group + r < count)
        store_row(to + Index{4 * group + r} * s.out, sums[i], r, s.out - first_o, s.out % 4 == 0);
  }
}

// ---- Sums of parts, and dbias ----

inline constexpr int sum_threads = 256, sum_lanes = sum_threads / warp_size;

// A block takes 32 columns; each of its eight warps has every eighth row. Returns the columns' sums to warp 0.
template <class T>
__device__ __forceinline__ double sum_of_column(const T* __restrict__ from, int rows, Index columns,
                                                Index column) {
  __shared__ SharedArray<double, sum_lanes, warp_size> sums;
  double sum = 0;
  for (int row = warp(); row < rows; row += sum_lanes)
    if (column < columns) sum += static_cast<double>(from[row * columns + column]);
  sums(warp(), lane()) = sum;
  block_sync();
  sum = 0;
  for (int i = 0; i < sum_lanes; ++i) sum += sums(i, lane());
  return sum;
}

// to[place(i)] = the sum of partial[part, i] over all parts.
template <class T, class PlaceOf>
__global__ void sum_parts(int parts, int size, const T* partial, float* to, PlaceOf place) {
  const int i = block().x * warp_size + lane();
  const double sum = sum_of_column(partial, parts, size, i);
  if (warp() == 0 && i < size) to[place(i)] = static_cast<float>(sum);
}

struct WeightPlace {
  Conv2dShape s;
  __device__ int operator()(int i) const { return s.weight_place(i / s.out, i % s.out); }
};
struct SamePlace {
  __device__ int operator()(int i) const { return i; }
};

// Sums over the pixels of a part: [parts, channels], in double as on the CPU, for there may be a million of them.
template <class T>
__global__ void sum_pixels(int pixels, int parts, int channels, const T* dy, double* partial) {
  const int part = block().x, c = block().y * warp_size + lane();
  const auto first = static_cast<int>(Index{pixels} * part / parts);
  const auto last = static_cast<int>(Index{pixels} * (part + 1) / parts);
  const double sum = sum_of_column(dy + Index{first} * channels, last - first, channels, c);
  if (warp() == 0 && c < channels) partial[part * channels + c] = sum;
}

// ---- The choice of kernel ----

inline constexpr int most_shared_slots = (64 << 10) / 16;  // of a block, on every device
inline constexpr int enough_blocks = 128;                  // to keep a large device busy

enum class Conv2dKernel { dot_1, dot_3, deep_dot_1, deep_dot_3, narrow_tiles, wide_tiles, small_tiles };

struct Conv2dChoice {
  Precision precision;
  Conv2dKernel kernel;   // of y
  bool sums_are_turned;  // dweight is computed as the turned convolution's, with x and dy exchanged
};

inline int ceil_divide(int count, int size) { return (count + size - 1) / size; }

// The one place where kernels are chosen: by sizes, by precision() and by what the device can.
inline Conv2dChoice choose_conv2d(const Conv2dShape& s, Device device) {
  using enum Conv2dKernel;
  Conv2dChoice choice{};

  // Few multiplications, and on the image itself: float32.
  const bool from_image = s.in <= 4, to_image = s.out <= 4;
  const bool has_tensor_cores = compute_capability(device.index) >= 80;
  choice.precision = from_image || to_image || !has_tensor_cores ? Precision::float32 : precision();

  const bool weight_fits = s.depth() * s.out <= most_shared_slots / 2 * 4;
  const bool deep = s.in >= 128;  // few pixels, many channels: a warp for each pixel
  const int wide_blocks =
      s.batch * ceil_divide(s.out_height, 8) * ceil_divide(s.out_width, 16) * ceil_divide(s.out, 64);
  if (s.out == 1 && s.in % 4 == 0 && weight_fits)
    choice.kernel = deep ? deep_dot_1 : dot_1;
  else if (s.out == 3 && s.in % 4 == 0 && weight_fits)
    choice.kernel = deep ? deep_dot_3 : dot_3;
  else if (s.out <= 32)
    choice.kernel = narrow_tiles;
  else
    choice.kernel = wide_blocks >= enough_blocks ? wide_tiles : small_tiles;

  choice.sums_are_turned = to_image && !from_image;
  return choice;
}

template <class Body>
void with_format(Precision precision, const Body& body) {
  switch (precision) {
    case Precision::float32:
      return body.template operator()<Float32>();
    case Precision::tf32:
      return body.template operator()<Tf32>();
    case Precision::bf16:
      return body.template operator()<Bf16>();
  }
}

// ---- Launching ----

template <class Tile>
TilePlan tile_plan(const Conv2dShape& s, int pair) {
  TilePlan p{};
  const auto lay_out = [&](bool windows) {
    const int channels = windows ? s.depth() : s.in;
    p.taps_high = windows ? 1 : s.kernel_height, p.taps_wide = windows ? 1 : s.kernel_width;
    p.packing = {ceil_divide(channels, 16 * pair), p.taps_high * p.taps_wide, Tile::across, windows};
    p.rows = Tile::rows + p.taps_high - 1, p.columns = Tile::columns + p.taps_wide - 1;
    p.steps_in_shared = std::min(2, p.steps());
  };
  lay_out(s.in <= 4 || s.stride > 1);
  if (p.shared_slots() > most_shared_slots) lay_out(true);
  p.tiles_down = ceil_divide(s.out_height, Tile::rows),
  p.tiles_across = ceil_divide(s.out_width, Tile::columns);
  p.tiles = s.batch * p.tiles_down * p.tiles_across;
  p.tiles_per_block = 1;
  TilePlan resident = p;
  resident.steps_in_shared = p.steps();
  if (resident.shared_slots() > most_shared_slots) return p;
  resident.tiles_per_block = std::clamp(p.tiles / (8 * enough_blocks), 1, 8);
  return resident;
}

// The panels of a plan; they depend on the sizes of the weight alone.
template <class Format, class Tile>
Tensor<float> packed_weight(const Conv2dShape& s, const TilePlan& p, const Tensor<float>& weight) {
  const int slots = to_int(Index{ceil_divide(s.out, 32 * Tile::across)} * p.steps() * p.step_slots());
  Tensor<float> panels({slots, 4}, weight.device());
  launch<pack_weight<Format>>({.device = weight.device(), .grid = blocks_for(slots, 256), .block = 256}, s,
                              p.packing, slots, weight.data(),
                              reinterpret_cast<uint4*>(panels.mutable_data()));
  return panels;
}

template <class Format, class Tile, class Source, class Result>
void launch_tiles(const Conv2dShape& s, const TilePlan& p, const Source& x, const Tensor<float>& panels,
                  const Tensor<float>& bias, const Result& y) {
  launch<conv2d_tiles<Format, Tile, Source, Result>>(
      {.device = panels.device(),
       .grid = dim3(blocks_for(p.tiles, p.tiles_per_block),
                    static_cast<unsigned>(ceil_divide(s.out, 32 * Tile::across))),
       .block = Tile::threads,
       .shared_bytes = static_cast<std::size_t>(p.shared_slots()) * sizeof(uint4)},
      s, p, x, reinterpret_cast<const uint4*>(panels.data()), bias.data(), y);
}

template <class Tile, class Source>
void launch_dot(const Conv2dShape& s, const Source& x, const Tensor<float>& weight, const Tensor<float>& bias,
                float* y) {
  const Index groups = Index{s.batch} * s.out_height * ceil_divide(s.out_width, Tile::pixels);
  launch<conv2d_dot<Tile, Source>>(
      {.device = weight.device(),
       .grid = blocks_for(groups, Tile::threads / Tile::lanes),
       .block = Tile::threads,
       .shared_bytes = static_cast<std::size_t>(s.depth()) * Tile::out * sizeof(float)},
      s, x, weight.data(), bias.data(), y);
}

template <class Read>
Tensor<float> conv2d_compute(const Conv2dShape& s, const Tensor<float>& x, const Tensor<float>& weight,
                             const Tensor<float>& bias, const Read& read) {
  Tensor<float> y({s.batch, s.out_height, s.out_width, s.out}, x.device());
  const TensorSource<Read> source{x.data(), read};
  float* const to = y.mutable_data();
  const Conv2dChoice choice = choose_conv2d(s, x.device());
  const auto tiles = [&]<class Tile>() {
    with_format(choice.precision, [&]<class Format>() {
      const TilePlan p = tile_plan<Tile>(s, Format::pair);
      launch_tiles<Format, Tile>(s, p, source, packed_weight<Format, Tile>(s, p, weight), bias,
                                 TensorResult{to});
    });
  };
  switch (choice.kernel) {
    case Conv2dKernel::dot_1:
      launch_dot<DotTile<1, 8, 4>>(s, source, weight, bias, to);
      break;
    case Conv2dKernel::dot_3:
      launch_dot<DotTile<3, 8, 4>>(s, source, weight, bias, to);
      break;
    case Conv2dKernel::deep_dot_1:
      launch_dot<DotTile<1, 32, 1>>(s, source, weight, bias, to);
      break;
    case Conv2dKernel::deep_dot_3:
      launch_dot<DotTile<3, 32, 1>>(s, source, weight, bias, to);
      break;
    case Conv2dKernel::narrow_tiles:
      tiles.template operator()<NarrowTile>();
      break;
    case Conv2dKernel::wide_tiles:
      tiles.template operator()<WideTile>();
      break;
    case Conv2dKernel::small_tiles:
      tiles.template operator()<SmallTile>();
      break;
  }
  return y;
}

inline WeightSumsPlan weight_sums_plan(const Conv2dShape& s, int pair) {
  WeightSumsPlan p{};
  const int rows = WeightTile::rows / pair;
  const auto lay_out = [&](bool windows) {
    p.windows = windows;
    p.units = windows ? ceil_divide(s.depth(), 32) : s.taps();
    p.units_per_block = std::min(p.units, windows ? 2 : WeightTile::most_units);
    p.unit_blocks = ceil_divide(p.units, p.units_per_block);
    p.rows = rows + (windows ? 0 : s.kernel_height - 1);
    p.columns = WeightTile::columns + (windows ? 0 : s.kernel_width - 1);
  };
  lay_out(s.in <= 4 || s.stride > 1);
  if (p.x_slots() + p.dy_slots(pair) > most_shared_slots) lay_out(true);
  const int teams = ceil_divide(p.units_per_block, WeightTile::units);
  p.shares = std::max(1, 4 / teams);
  p.warps = teams * p.shares;
  p.tiles_down = ceil_divide(s.out_height, WeightTile::rows);
  p.tiles_across = ceil_divide(s.out_width, WeightTile::columns);
  p.tiles = s.batch * p.tiles_down * p.tiles_across;
  // Enough parts to keep the device busy, and no more: each costs a dweight of memory traffic.
  const int others = p.unit_blocks * (p.windows ? 1 : ceil_divide(s.in, 32)) * ceil_divide(s.out, 32);
  p.parts = std::clamp(2 * enough_blocks / others, 1, p.tiles);
  return p;
}

inline void add_weight_parts(const Conv2dShape& s, int parts, const Tensor<float>& partial,
                             Tensor<float>& dweight) {
  const int size = s.depth() * s.out;
  launch<sum_parts<float, WeightPlace>>(
      {.device = partial.device(), .grid = blocks_for(size, warp_size), .block = sum_threads}, parts, size,
      partial.data(), dweight.mutable_data(), WeightPlace{s});
}

template <class Format, class Read>
void launch_weight_sums(const Conv2dShape& s, const Tensor<float>& x, const Tensor<float>& dy,
                        const Read& read, Tensor<float>& dweight) {
  const Device device = x.device();
  const WeightSumsPlan p = weight_sums_plan(s, Format::pair);
  const int parts = p.parts * p.shares;
  Tensor<float> partial({parts, s.depth(), s.out}, device);
  using Source = TensorSource<Read>;
  launch<conv2d_weight_sums<Format, Source>>(
      {.device = device,
       .grid = dim3(static_cast<unsigned>(p.parts),
                    static_cast<unsigned>(p.unit_blocks * (p.windows ? 1 : ceil_divide(s.in, 32))),
                    static_cast<unsigned>(ceil_divide(s.out, 32))),
       .block = static_cast<unsigned>(p.warps * warp_size),
       .shared_bytes = static_cast<std::size_t>(p.x_slots() + p.dy_slots(Format::pair)) * sizeof(uint4)},
      s, p, Source{x.data(), read}, TensorSource<ReadPlain>{dy.data(), {}}, partial.mutable_data());
  add_weight_parts(s, parts, partial, dweight);
}

template <class Read>
Tensor<float> conv2d_weight_gradient_compute(const Conv2dSizes& sizes, const Tensor<float>& x,
                                             const Tensor<float>& dy, const Read& read) {
  Tensor<float> dweight(sizes.weight(), dy.device());
  const Conv2dShape s = conv2d_shape(sizes);
  const Conv2dChoice choice = choose_conv2d(s, dy.device());
  with_format(choice.precision, [&]<class Format>() {
    if constexpr (std::is_same_v<Read, ReadPlain> && !Format::on_tensor_cores)
      if (choice.sums_are_turned) return launch_weight_sums<Format>(turned(s), dy, x, read, dweight);
    launch_weight_sums<Format>(s, x, dy, read, dweight);
  });
  return dweight;
}

// ---- What ops/conv2d.hpp declares ----

Tensor<float> conv2d(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& weight,
                     const Tensor<float>& bias, const ReadPlain& read) {
  return conv2d_compute(conv2d_shape(s), x, weight, bias, read);
}
Tensor<float> conv2d(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& weight,
                     const Tensor<float>& bias, const ReadRelu& read) {
  return conv2d_compute(conv2d_shape(s), x, weight, bias, read);
}

Tensor<float> conv2d_data_gradient(const Conv2dSizes& s, const Tensor<float>& weight,
                                   const Tensor<float>& dy) {
  return conv2d_compute(turned(conv2d_shape(s)), dy, weight, {}, ReadPlain{});
}

Tensor<float> conv2d_weight_gradient(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& dy,
                                     const ReadPlain& read) {
  return conv2d_weight_gradient_compute(s, x, dy, read);
}
Tensor<float> conv2d_weight_gradient(const Conv2dSizes& s, const Tensor<float>& x, const Tensor<float>& dy,
                                     const ReadRelu& read) {
  return conv2d_weight_gradient_compute(s, x, dy, read);
}

Tensor<float> conv2d_bias_gradient(const Conv2dSizes& sizes, const Tensor<float>& dy) {
  const Conv2dShape s = conv2d_shape(sizes);
  const int parts = std::clamp(s.pixels() / 256, 1, 2 * enough_blocks);
  Tensor<double> partial({parts, s.out}, dy.device());
  Tensor<float> dbias({s.out}, dy.device());
  const unsigned columns = blocks_for(s.out, warp_size);
  launch<sum_pixels<float>>(
      {.device = dy.device(), .grid = dim3(static_cast<unsigned>(parts), columns), .block = sum_threads},
      s.pixels(), parts, s.out, dy.data(), partial.mutable_data());
  launch<sum_parts<double, SamePlace>>({.device = dy.device(), .grid = columns, .block = sum_threads}, parts,
                                       s.out, partial.data(), dbias.mutable_data(), SamePlace{});
  return dbias;
}

}  // namespace nlcl::cuda
