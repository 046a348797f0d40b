// Takes the rain off a video, frame by frame, from one stream to another.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"
#include "images.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/video_colours.hpp"
#include "nlcl/io/y4m.hpp"
#include "nlcl/model/generator_plan.hpp"

namespace tools {

struct VideoJob {
  fs::path input, output;
  std::string matrix = "auto";
  float strength = 1;
};

// Frames are in flight on all threads, and leave in the order in which they came. What is there of a video that is broken is
// done and written before the error is thrown, and so are the frames that were begun before a stop. Returns the exit code.
// `report` is told how much that was.
inline int derain_video(const VideoJob& job, const nlcl::GeneratorPlan& plan, nlcl::Device device,
                        const Progress& progress, const auto& report) {
  std::ifstream input_file;
  std::ofstream output_file;
  if (job.input != standard_stream) input_file.open(job.input, std::ios::binary);
  nlcl::require<nlcl::IoError>(job.input == standard_stream || input_file.is_open(), "cannot read ",
                               job.input.string(), ": ", nlcl::detail::os_reason());
  nlcl::VideoReader reader(job.input == standard_stream ? std::cin : input_file);
  const nlcl::VideoFormat& format = reader.format();
  const nlcl::VideoColours colours(format, nlcl::video_matrix(job.matrix, format));
  if (format.is_interlaced)
    progress.say(
        "nlcl-derain: the video is interlaced, and is taken as if it were not: the results will be worse");
  if (job.output != standard_stream) output_file.open(job.output, std::ios::binary | std::ios::trunc);
  nlcl::require<nlcl::IoError>(job.output == standard_stream || output_file.is_open(), "cannot write ",
                               job.output.string(), ": ", nlcl::detail::os_reason());
  nlcl::VideoWriter writer(job.output == standard_stream ? std::cout : output_file, format);

  const auto derain = [&](nlcl::VideoFrame& frame) {
    const nlcl::Tensor<float> o = colours.rgb(frame);
    nlcl::Tensor<float> change = plan(o.to(device)).to(nlcl::Device::cpu());
    float* const d = change.mutable_data();
    for (nlcl::Index i = 0; i < change.size(); ++i)
      d[i] = job.strength * (std::clamp(d[i], -1.0f, 1.0f) - o.data()[i]);
    colours.add(change, frame);
  };
  const auto write = [&](const nlcl::VideoFrame& frame) {
    try {
      writer.write(frame);
    } catch (const nlcl::IoError& error) {
      throw nlcl::IoError(nlcl::text("cannot write to ",
                                     job.output == standard_stream ? "standard output" : job.output.string(),
                                     ": ", error.what(), "; ", writer.frames(), " frames are written"));
    }
  };

  defer_stops();
  std::vector<nlcl::VideoFrame> frames(device.is_cuda() ? 1 : static_cast<std::size_t>(nlcl::threads()));
  std::exception_ptr broken;
  std::size_t count = frames.size();
  while (count == frames.size() && !broken && !stop_signal) {
    count = 0;
    try {
      while (count < frames.size() && reader.read(frames[count])) ++count;
    } catch (const nlcl::FormatError&) {
      broken = std::current_exception();
    }
    nlcl::parallel_for(static_cast<nlcl::Index>(count),
                       [&](nlcl::Index i) { derain(frames[static_cast<std::size_t>(i)]); });
    for (std::size_t i = 0; i < count; ++i) write(frames[i]);
    const auto done = static_cast<std::size_t>(writer.frames());
    progress.show(done, done);
  }
  report(format, writer.frames());
  if (stop_signal) {
    progress.say(nlcl::text("nlcl-derain: stopped after ", writer.frames(), " frames"));
    return exit_code_of_stop();
  }
  if (broken) std::rethrow_exception(broken);
  return all_done;
}

}  // namespace tools
