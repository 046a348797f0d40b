// The generator for inference: the same function as Generator, without a tape. It is the plan of the generator's device,
// CpuPlan or CudaPlan, and where the generator has a tile it takes images that are larger in such tiles
// (model/tiles.hpp):
//
//     tiles of all images <- cut(x)        [N * tiles,h,w,3]
//     tiles <- the device's plan, some at a time
//     result <- blend(tiles)
//
// The CPU does so in strips of some rows of tiles, and gives each thread one tile at a time. A GPU gets all tiles in
// batches, which are cut, run and blended where the images are: nothing is copied to the CPU or from it, nothing waits,
// and so the whole of it can be recorded in a graph. All batches have one size, so that they take one another's memory;
// where the tiles do not come out even, the last batch begins within the one before it and computes some tiles once more.
//
// An image that is too large to be a tensor as a whole goes in strips on either device: in_strips().
#pragma once

#include <algorithm>
#include <cstddef>
#include <variant>
#include <vector>

#include "nlcl/core/parallel.hpp"
#include "nlcl/model/cpu_plan.hpp"
#include "nlcl/model/cuda_plan.hpp"
#include "nlcl/model/tiles.hpp"

namespace nlcl {

class GeneratorPlan {
 public:
  // A batch of tiles has as many as have their four activation buffers in this many bytes, and one at least. These are
  // a million pixels in float32, two in bf16: thousands of blocks for each kernel, enough to fill a GPU, and no
  // more memory than two images of 512 x 1024 pixels take whole.
  static constexpr std::size_t default_batch_bytes = std::size_t{512} << 20;

  // Keeps the weights in a form of its own: later changes of the generator do not reach the plan. Neither the chunks, on
  // the CPU, nor the size of the batches, on a GPU, change a bit of a result. Throws ShapeError for chunks that are no
  // multiple of four rows, FormatError for a generator with a tile that cannot be.
  explicit GeneratorPlan(const Generator<float>& generator, Index chunk_rows = 32,
                         std::size_t batch_bytes = default_batch_bytes)
      : plan_(plan_of(generator, chunk_rows)),
        device_(generator.head.weight.device()),
        tile_(generator.tile()),
        chunk_rows_(chunk_rows),
        batch_bytes_(batch_bytes) {}

  // x [N,H,W,3] in [-1,1] -> [N,H,W,3], unbounded, on the generator's device. Throws ShapeError for another
  // shape, DeviceError for another device.
  Tensor<float> operator()(const Tensor<float>& x) const {
    detail::require_images(x, device_);
    return needs_tiles(x.shape()[1], x.shape()[2], tile_) ? in_tiles(x) : whole(x);
  }

  // One image on the CPU that need not be a tensor as a whole:
  //
  //     read(y, row)     gives row y [W,3] of it
  //     write(y, row)    gets row y [W,3] of the result, with the bits that operator() gives
  //     after(y)         follows when all rows before y have been written
  //
  // Rows are read and written from several threads at a time, some of them are read twice, but none is read after it has been
  // written: a result may take its image's place. Where only the rows of a region are wanted, only its tiles are
  // computed: then just these rows are written, and only the region's pixels in them mean anything. With tiles some rows of
  // tiles are in memory at a time, without them all of the image. Throws ShapeError for a region that is not within it.
  template <class Read, class Write, class After>
  void in_strips(Index height, Index width, const Region& region, const Read& read, const Write& write,
                 const After& after) const {
    require_within(region, height, width);
    if (needs_tiles(height, width, tile_))
      return in_strips(Tiling(height, width, tile_), region, read, write, after);
    Tensor<float> x({1, height, width, channels});
    float* const rows = x.mutable_data();
    parallel_for(height, [&](Index y) { read(y, rows + y * width * channels); });
    const Tensor<float> y = whole(x.to(device_)).to(Device::cpu());
    parallel_for(region.height,
                 [&](Index i) { write(region.top + i, y.data() + (region.top + i) * width * channels); });
    after(region.top + region.height);
  }

  // The side of the tiles; 0: images are taken whole.
  Index tile() const { return tile_; }

  // Bytes of the plan's device that one image of this size takes at the most. On the CPU as below, with all threads(). On a
  // GPU whole images take what CudaPlan::memory() says; with tiles it is input, output, all tiles, and what a batch of
  // them takes.
  std::size_t memory(Index height, Index width) const {
    if constexpr (has_cuda)
      if (const CudaPlan* const plan = std::get_if<CudaPlan>(&plan_)) {
        if (!needs_tiles(height, width, tile_)) return CudaPlan::memory(1, height, width, plan->precision());
        const Tiling tiling(height, width, tile_);
        return bytes_around(tiling) + CudaPlan::memory(batch_size(tiling, tiling.size()),
                                                       tiling.rows().side(), tiling.columns().side(),
                                                       plan->precision());
      }
    return memory(height, width, threads(), tile_, chunk_rows_);
  }

  // Bytes that one image of this size takes at the most on the CPU. Whole it is what CpuPlan::memory() says. With tiles it
  // is input, output, and what the strips take.
  static std::size_t memory(Index height, Index width, int thread_count, Index tile = 0,
                            Index chunk_rows = 32) {
    if (!needs_tiles(height, width, tile)) return CpuPlan::memory(height, width, thread_count, chunk_rows);
    const std::size_t images = 2 * static_cast<std::size_t>(height * width * channels) * sizeof(float);
    return images + strip_memory(Tiling(height, width, tile), thread_count, chunk_rows);
  }

  // Bytes of the plan's device that in_strips() takes at the most for an image of this size, and on the CPU all that it takes.
  std::size_t memory_in_strips(Index height, Index width) const {
    if (device_.is_cuda() || !needs_tiles(height, width, tile_)) return memory(height, width);
    return strip_memory(Tiling(height, width, tile_), threads(), chunk_rows_);
  }

 private:
  using Plan = std::variant<CpuPlan, CudaPlan>;
  static constexpr Index channels = Generator<float>::image_channels;

  static Plan plan_of(const Generator<float>& generator, Index chunk_rows) {
    if constexpr (has_cuda)
      if (generator.head.weight.device().is_cuda()) return CudaPlan(generator);
    return CpuPlan(generator, chunk_rows);
  }

  static bool needs_tiles(Index height, Index width, Index tile) {
    return tile > 0 && std::max(height, width) > tile;
  }

  // An image, its result, and all of its tiles.
  static std::size_t bytes_around(const Tiling& tiling) {
    return sizeof(float) *
           static_cast<std::size_t>(2 * tiling.rows().size() * tiling.columns().size() * channels +
                                    tiling.shape(tiling.size(), channels).size());
  }

  // How many rows of tiles a strip has on the CPU: as few as keep each thread busy with some tiles.
  static Index rows_at_once(const Tiling& tiling, int thread_count) {
    const Index tiles = Index{4} * thread_count, columns = tiling.columns().count();
    return std::min((tiles + columns - 1) / columns, tiling.rows().count());
  }
  // And where the plan is: on a GPU as many as fill a batch.
  Index rows_at_once(const Tiling& tiling) const {
    if (!device_.is_cuda()) return rows_at_once(tiling, threads());
    return std::clamp<Index>(tiles_at_once(tiling) / tiling.columns().count(), 1, tiling.rows().count());
  }

  // Rows of the image, their tiles, the rows that are summed, and what a tile takes, for each thread.
  static std::size_t strip_memory(const Tiling& tiling, int thread_count, Index chunk_rows) {
    const Index side = tiling.rows().side(), at_once = rows_at_once(tiling, thread_count);
    const Index rows = (at_once + 1) * side * tiling.columns().size() * channels;
    const Index tiles = tiling.shape(at_once * tiling.columns().count(), channels).size();
    const auto at_work = std::min<Index>(thread_count, at_once * tiling.columns().count());
    return sizeof(float) * static_cast<std::size_t>(rows + tiles) +
           static_cast<std::size_t>(at_work) * CpuPlan::memory(side, tiling.columns().side(), 1, chunk_rows);
  }

  // How many of `count` tiles a GPU gets at once: as few batches as there can be, and these of one size.
  Index batch_size(const Tiling& tiling, Index count) const {
    const Index most = tiles_at_once(tiling), batches = (count + most - 1) / most;
    return (count + batches - 1) / batches;
  }

  // What a GPU gets at the most, and the CPU's thread.
  Index tiles_at_once(const Tiling& tiling) const {
    const CudaPlan* const plan = std::get_if<CudaPlan>(&plan_);
    if (!plan) return 1;
    const std::size_t of_one =
        CudaPlan::activation_bytes(tiling.rows().side(), tiling.columns().side(), plan->precision());
    return std::max<Index>(1, static_cast<Index>(batch_bytes_ / of_one));
  }

  Tensor<float> whole(const Tensor<float>& x) const {
    if constexpr (has_cuda)
      if (const CudaPlan* const plan = std::get_if<CudaPlan>(&plan_)) return (*plan)(x);
    return std::get<CpuPlan>(plan_)(x);
  }

  Tensor<float> in_tiles(const Tensor<float>& x) const {
    const Tiling tiling(x.shape()[1], x.shape()[2], tile_);
    if constexpr (has_cuda)
      if (device_.is_cuda()) return tiling.blend(results_of_tiles(tiling, x));
    Tensor<float> images(x.shape());
    const Index row = x.shape()[2] * channels, image = x.shape()[1] * row;
    const Region all = whole_image(x.shape()[1], x.shape()[2]);
    for (Index n = 0; n < x.shape()[0]; ++n) {
      float* const to = images.mutable_data() + n * image;
      in_strips(
          tiling, all,
          [&](Index y, float* values) { std::copy_n(x.data() + n * image + y * row, row, values); },
          [&](Index y, const float* values) { std::copy_n(values, row, to + y * row); }, [](Index) {});
    }
    return images;
  }

  // Of all tiles of images on a GPU, in batches.
  Tensor<float> results_of_tiles(const Tiling& tiling, const Tensor<float>& x) const {
    const Index count = x.shape()[0] * tiling.size(), batch = batch_size(tiling, count);
    Tensor<float> tiles(tiling.shape(count, channels), device_);
    float* const values = tiles.mutable_data();
    for (Index i = 0; i * batch < count; ++i) {
      const Index first = std::min(i * batch, count - batch);
      const Tensor<float> y = whole(tiling.cut(x, first, batch));
      cuda::copy(values + first * (tiles.size() / count), device_, y.data(), device_,
                 static_cast<std::size_t>(y.size()) * sizeof(float));
    }
    return tiles;
  }

  template <class Read, class Write, class After>
  void in_strips(const Tiling& tiling, const Region& region, const Read& read, const Write& write,
                 const After& after) const {
    const TileAxis& rows = tiling.rows();
    const Index columns = tiling.columns().count(), row = tiling.columns().size() * channels;
    const Index region_end = region.top + region.height, at_once = rows_at_once(tiling);
    Tensor<float> strip({at_once * rows.side(), tiling.columns().size(), channels});
    Tensor<float> tiles = Tensor<float>::zeros(tiling.shape(at_once * columns, channels));
    float *const strip_rows = strip.mutable_data(), *const results = tiles.mutable_data();

    Index first = rows.first_over(region.top);
    TileBlend blend(tiling, channels, first);
    while (first < rows.count() && rows.begin(first) < region_end) {
      const Index end = std::min(first + at_once, rows.count());
      const Index top = rows.begin(first), bottom = rows.begin(end - 1) + rows.side();
      parallel_for(bottom - top, [&](Index r) { read(top + r, strip_rows + r * row); });
      run_tiles(tiling, first * columns, end * columns, region, top, strip_rows, results);
      for (Index i = first; i < end; ++i)
        blend.add(results + (i - first) * columns * tiling.shape(1, channels).size(),
                  [&](Index y, const float* values) {
                    if (y >= region.top && y < region_end) write(y, values);
                  });
      first = end;
      after(std::min(first < rows.count() ? rows.begin(first) : rows.size(), region_end));
    }
  }

  // The results [count,h,w,3] of those tiles from first to end - 1 that meet the region. `rows` [rows,W,3] of the image are
  // those from row `top` on.
  void run_tiles(const Tiling& tiling, Index first, Index end, const Region& region, Index top,
                 const float* rows, float* results) const {
    const Index size = tiling.shape(1, channels).size();
    std::vector<Index> wanted;
    for (Index k = first; k < end; ++k)
      if (tiling.meets(k, region)) wanted.push_back(k);
    const Index count = std::ssize(wanted);
    const Index batch = device_.is_cuda() ? std::min(tiles_at_once(tiling), count) : 1;
    const auto run = [&](Index i) {
      const Index begin = i * batch, tiles_of_batch = std::min(batch, count - begin);
      Tensor<float> tiles(tiling.shape(tiles_of_batch, channels));
      float* const values = tiles.mutable_data();
      for (Index t = 0; t < tiles_of_batch; ++t)
        tiling.cut_one(rows, top, wanted[static_cast<std::size_t>(begin + t)], channels, values + t * size);
      const Tensor<float> y = whole(tiles.to(device_)).to(Device::cpu());
      for (Index t = 0; t < tiles_of_batch; ++t)
        std::copy_n(y.data() + t * size, size,
                    results + (wanted[static_cast<std::size_t>(begin + t)] - first) * size);
    };
    const Index batches = (count + batch - 1) / batch;
    if (device_.is_cuda())
      for (Index i = 0; i < batches; ++i) run(i);
    else
      parallel_for(batches, run);
  }

  Plan plan_;
  Device device_;
  Index tile_, chunk_rows_;
  std::size_t batch_bytes_;
};

}  // namespace nlcl
