// Between the samples of video and the colours that the model works on.
//
// With E'_R, E'_G, E'_B in [0,1], which are (x + 1) / 2 of the model's range,
//
//     Y  = K_R R + K_G G + K_B B            K_G = 1 - K_R - K_B
//     Cb = (B - Y) / (2 (1 - K_B))          Cr = (R - Y) / (2 (1 - K_R))
//
// K_R and K_B are those of ITU-R BT.601-7 (2.5.1), BT.709-6 (3.2) or BT.2020-2 (table 4). Samples of n bits are, as in
// ITU-T H.273 (8.3),
//
//     limited range      Y: 2^(n-8) (219 Y + 16)      C: 2^(n-8) (224 C + 128)
//     full range         Y: (2^n - 1) Y               C: (2^n - 1) C + 2^(n-1)
//
// A sample of chroma counts for all the pixels that it covers, wherever in between its siting puts it. The way back is not
// that of whole colours, which would not come back as they were: chroma would be averaged, and all be rounded. It adds what
// has changed,
//
//     Y += scale (Y(b) - Y(o))       C += scale mean of (C(b) - C(o)) over its pixels
//
// rounded to the nearest integer, which is linear without any offset; where b = o the samples are those that came, bit by bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/core/tensor.hpp"
#include "nlcl/io/y4m.hpp"

namespace nlcl {

struct VideoMatrix {
  std::string_view name;
  double red, blue;  // K_R, K_B
};

inline constexpr VideoMatrix bt601{"bt601", 0.299, 0.114}, bt709{"bt709", 0.2126, 0.0722},
    bt2020{"bt2020", 0.2627, 0.0593};

// By name, or by what players assume when nothing is said: BT.709 from 720 rows or 1280 columns on, else BT.601. Throws
// FormatError for a name that is none.
inline const VideoMatrix& video_matrix(std::string_view name, const VideoFormat& format) {
  if (name == "auto") return format.height >= 720 || format.width >= 1280 ? bt709 : bt601;
  for (const VideoMatrix* matrix : {&bt601, &bt709, &bt2020})
    if (matrix->name == name) return *matrix;
  throw FormatError(text("matrix '", name, "', expected auto, bt601, bt709 or bt2020"));
}

class VideoColours {
 public:
  VideoColours(const VideoFormat& format, const VideoMatrix& matrix)
      : format_(format),
        red_(static_cast<float>(matrix.red)),
        blue_(static_cast<float>(matrix.blue)),
        largest_((1 << format.bits) - 1) {
    const auto step = static_cast<float>(1 << (format.bits - 8));
    const auto all = static_cast<float>(largest_);
    luma_scale_ = format.is_full_range ? all : 219 * step;
    luma_offset_ = format.is_full_range ? 0 : 16 * step;
    chroma_scale_ = format.is_full_range ? all : 224 * step;
    chroma_offset_ = 128 * step;
  }

  // The colours [1,H,W,3], clamped to [-1,1]: a sample may lie beyond what there is.
  Tensor<float> rgb(const VideoFrame& frame) const {
    Tensor<float> colours({1, format_.height, format_.width, 3});
    float* to = colours.mutable_data();
    for (Index y = 0; y < format_.height; ++y)
      for (Index x = 0; x < format_.width; ++x, to += 3) {
        const float luma = (at(frame, y * format_.width + x) - luma_offset_) / luma_scale_;
        float cb = 0, cr = 0;
        if (format_.has_chroma) {
          const Index place = chroma_place(y, x);
          cb = (at(frame, place) - chroma_offset_) / chroma_scale_;
          cr = (at(frame, place + chroma_size()) - chroma_offset_) / chroma_scale_;
        }
        const float r = luma + 2 * (1 - red_) * cr, b = luma + 2 * (1 - blue_) * cb;
        const float g = (luma - red_ * r - blue_ * b) / (1 - red_ - blue_);
        const float rgb[3] = {r, g, b};
        for (int c = 0; c < 3; ++c) to[c] = std::clamp(2 * rgb[c] - 1, -1.0f, 1.0f);
      }
    return colours;
  }

  // Adds a change [1,H,W,3] of the colours, in the model's range, to the samples. Throws ShapeError for another shape,
  // FormatError for a change that is no number.
  void add(const Tensor<float>& change, VideoFrame& frame) const {
    require<ShapeError>(change.shape() == Shape{1, format_.height, format_.width, 3},
                        "video: a change of shape ", change.shape(), ", expected [1,", format_.height, ",",
                        format_.width, ",3]");
    const auto luma_of = [this](const float* d) {
      return (red_ * d[0] + (1 - red_ - blue_) * d[1] + blue_ * d[2]) / 2;
    };
    const auto pixel = [&](Index y, Index x) { return change.data() + (y * format_.width + x) * 3; };
    for (Index y = 0; y < format_.height; ++y)
      for (Index x = 0; x < format_.width; ++x)
        add_to(frame, y * format_.width + x, luma_scale_ * luma_of(pixel(y, x)));

    for (Index cy = 0; cy < format_.chroma_height(); ++cy)
      for (Index cx = 0; cx < format_.chroma_width(); ++cx) {
        const Index top = cy << format_.chroma_down, left = cx << format_.chroma_right;
        const Index bottom = std::min(format_.height, (cy + 1) << format_.chroma_down),
                    right = std::min(format_.width, (cx + 1) << format_.chroma_right);
        float cb = 0, cr = 0;
        for (Index y = top; y < bottom; ++y)
          for (Index x = left; x < right; ++x) {
            const float* const d = pixel(y, x);
            cb += (d[2] / 2 - luma_of(d)) / (2 * (1 - blue_));
            cr += (d[0] / 2 - luma_of(d)) / (2 * (1 - red_));
          }
        const float scale = chroma_scale_ / static_cast<float>((bottom - top) * (right - left));
        const Index place = chroma_place(top, left);
        add_to(frame, place, scale * cb);
        add_to(frame, place + chroma_size(), scale * cr);
      }
  }

 private:
  Index chroma_size() const { return format_.chroma_width() * format_.chroma_height(); }
  Index chroma_place(Index y, Index x) const {
    return format_.width * format_.height + (y >> format_.chroma_down) * format_.chroma_width() +
           (x >> format_.chroma_right);
  }
  static float at(const VideoFrame& frame, Index place) {
    return static_cast<float>(frame.samples[static_cast<std::size_t>(place)]);
  }
  void add_to(VideoFrame& frame, Index place, float change) const {
    require<FormatError>(!std::isnan(change), "video: the change of sample ", place, " is not a number");
    const long changed =
        std::lrint(std::clamp(at(frame, place) + change, 0.0f, static_cast<float>(largest_)));
    frame.samples[static_cast<std::size_t>(place)] = static_cast<std::uint16_t>(changed);
  }

  VideoFormat format_;
  float red_, blue_;
  int largest_;
  float luma_scale_, luma_offset_, chroma_scale_, chroma_offset_;
};

}  // namespace nlcl
